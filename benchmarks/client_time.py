"""What a converted client costs beside one written by hand for the same training, in FLARE's simulator.

python -m benchmarks.client_time

Both run in turn, each as often first as second, so that a change in the load of the machine meets both. A round is
timed at the site, from what it receives to what it sends: by the clock, and by the CPU time of the thread that trains,
in which neither other programs nor FLARE's own threads count. Run it on a machine with nothing else to do: the caches
that others fill make the CPU time of the same round vary by a tenth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from engine.simulate import simulate

ROOT = Path(__file__).parent.parent
TURNS, ROUNDS, EPOCHS = 2, 5, 2
# Between receive and send of a train task, in front of either client.
STOPWATCH = """\
import json as _json, os as _os, time as _time
import nvflare.client as _flare
_receive, _send, _begun = _flare.receive, _flare.send, []
def _started(*args, **kwargs):
    model = _receive(*args, **kwargs)
    _begun[:] = [_time.perf_counter(), _time.thread_time()]
    return model
def _ended(model, *args, **kwargs):
    if model.params:
        times = [_time.perf_counter() - _begun[0], _time.thread_time() - _begun[1]]
        with open(_os.path.join(_os.environ["ROUND_TIMES"], _flare.get_site_name()), "a") as file:
            file.write(_json.dumps(times) + "\\n")
    return _send(model, *args, **kwargs)
_flare.receive, _flare.send = _started, _ended
"""


def timed(directory: Path, name: str) -> list[list[float]]:
    """Wall and CPU seconds of every round of every site, but for the first, in which torch warms up.

    Raises:
        RuntimeError: the run failed.
    """
    with tempfile.TemporaryDirectory() as times:
        os.environ["ROUND_TIMES"] = times
        result = simulate(directory, rounds=ROUNDS, clients=2, local_epochs=EPOCHS, time_limit=900)
        if not result.succeeded:
            raise RuntimeError(f"{name}: {result.failures}")
        sites = [path.read_text().splitlines() for path in Path(times).iterdir()]
    return [json.loads(line) for lines in sites for line in lines[1:]]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        clients = {name: Path(folder) / name for name in ("converted", "by hand")}
        by_hand = (ROOT / "benchmarks" / "hand_written" / "digits.py").read_text()
        for name, directory in clients.items():
            command = [sys.executable, "-m", "codemods", "apply", str(ROOT / "fixtures" / "digits" / "source")]
            subprocess.run([*command, "--out", str(directory)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            client = directory / "client.py"
            client.write_text(STOPWATCH + (by_hand if name == "by hand" else client.read_text()))
        rounds: dict[str, list[list[float]]] = {name: [] for name in clients}
        for turn in range(TURNS):
            for name in sorted(clients, reverse=bool(turn % 2)):
                rounds[name] += timed(clients[name], name)
    print("| client | rounds | wall, fastest | wall, median | CPU, fastest | CPU, median |\n|---|---|---|---|---|---|")
    figures = {}
    for name, times in rounds.items():
        wall, cpu = zip(*times, strict=True)
        figures[name] = [min(wall), median(wall), min(cpu), median(cpu)]
        print(f"| {name} | {len(times)} | {' | '.join(f'{value:.3f} s' for value in figures[name])} |")
    ratios = [a / b for a, b in zip(figures["converted"], figures["by hand"], strict=True)]
    print(f"| converted / by hand | | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
