"""The original script trained centrally, to hold a federated run against."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.result import UserError


def centralised_metrics(directory: Path, epochs: int, time_limit: float) -> dict[str, float]:
    """Train the original script on all of its data and evaluate what it learned as the converted client does.

    Args:
        directory: the converted folder.
        epochs: how many epochs it trains.
        time_limit: seconds it may take.

    Returns:
        Metrics by name.

    Raises:
        UserError: where the original cannot be run, or what it has learned cannot be seen.
    """
    from engine.verify.bench import Bench, Settings
    from engine.verify.conversion import read_conversion

    conversion = read_conversion(directory)
    settings = Settings(rounds=1, local_epochs=epochs, time_limit=time_limit)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        bench = Bench(conversion, settings, Path(scratch))
        final = bench.record_original().final
        if final is None:
            raise UserError(
                f"what {conversion.entry} has learned cannot be seen: its training loop is left by a return"
            )
        weights = {name: value.detach().cpu().numpy() for name, value in final.items()}
        with bench.job(1, 1, 1, final) as server:
            metrics = server.evaluate(weights).metrics or {}
            server.end()
    return {name: float(value) for name, value in metrics.items()}
