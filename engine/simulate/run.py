"""Run a converted folder's job in FLARE's simulator and tell what came of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.simulate.failures import DIED, ENDING
from engine.simulate.preparation import Preparation, conclude, keep, prepare, rounds_of, with_baseline
from engine.simulate.process import Finished, ProcessTree
from engine.simulate.progress import Progress
from engine.simulate.result import Simulation

TIME_LIMIT = 3600.0


def simulate(
    directory: Path,
    rounds: int | None = None,
    clients: int | None = None,
    local_epochs: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    workspace: Path | None = None,
    baseline: bool = False,
    keep_updates: bool = False,
    job_arguments: tuple[str, ...] = (),
    split: Mapping[str, Any] | None = None,
) -> Simulation:
    """Export the job of a converted folder and run it from an empty folder in FLARE's simulator.

    Args:
        directory: folder that ``apply`` has written.
        rounds: number of rounds instead of the job's own.
        clients: number of sites instead of the job's own.
        local_epochs: epochs of one round instead of the job's own.
        time_limit: seconds after which everything is ended; ``None`` for no limit.
        workspace: empty or new folder for all that the run writes; a new temporary one by default.
        baseline: whether the original script is trained centrally too, for as many epochs as a site trains.
        keep_updates: whether the parameters that the sites send and are given are kept, as
            ``updates/round-<n>/<site>.pt`` and ``to-<site>.pt``, rounds from 0.
        job_arguments: further arguments of ``job.py``, such as ``("--data-dir", "/data")``.
        split: ``partition``, ``alpha`` and ``site_weights`` of JobSpec, instead of the job's own.

    Returns:
        The metrics of every round, the files of the models, and the failures.

    Raises:
        UserError: where the job cannot be run at all.
    """
    prepared = prepare(directory, rounds, clients, local_epochs, workspace, keep_updates, job_arguments, split)
    result = run_prepared(prepared, time_limit)
    if baseline and result.succeeded and result.metric:
        result = with_baseline(result, prepared, time_limit or TIME_LIMIT)
    return keep(result)


def run_prepared(prepared: Preparation, time_limit: float | None) -> Simulation:
    """Run an exported job, which needs nothing any more of the folder it was exported from."""
    flare = prepared.folder / "flare"
    finished = _run(prepared, flare, time_limit)
    logs = {name: flare / name for name in (*prepared.sites, "server")}
    return conclude(prepared, finished, flare / "server" / "simulate_job", logs)


def _run(prepared: Preparation, workspace: Path, time_limit: float | None) -> Finished:
    command = [sys.executable, "-W", "ignore", "-m", "nvflare.cli", "simulator", str(prepared.job)]
    command += ["-w", str(workspace), "-c", ",".join(prepared.sites), "-t", str(len(prepared.sites))]
    ending = False

    def is_lost(line: str) -> bool:
        """Whether a site has died on the way, for which the server would wait without end."""
        nonlocal ending
        progress.line(line)
        ending = ending or bool(ENDING.search(line))
        return not ending and bool(DIED.search(line))

    with Progress(rounds_of(prepared.spec)) as progress, ProcessTree(prepared.environment) as tree:
        return tree.run(command, prepared.folder_named("empty"), time_limit, is_lost)
