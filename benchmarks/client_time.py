"""What a converted client costs beside one written by hand for the same training, in FLARE's simulator.

python -m benchmarks.client_time

A run has two sites: one trains by the converted client, the other by that of `benchmarks/hand_written`, on parts of the
same size; in the next run they change places. Both do a round at the same time, so the load of the machine meets both,
and what counts is the ratio of the two times of a round. Each site has one thread, as two sites on two cores should. A
round is timed from what a site receives to what it sends, by the clock and by the CPU time of the thread that trains;
the first of a run, in which torch warms up, is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from math import sqrt
from pathlib import Path
from statistics import median, quantiles, stdev

from engine.simulate import simulate

ROOT = Path(__file__).parent.parent
RUNS, ROUNDS, EPOCHS = 4, 11, 4
# A client.py of both: FLARE starts every site in a folder of its name.
CLIENT = """\
import json, os, time
import nvflare.client as flare

site = os.path.basename(os.getcwd())
receive, send, began = flare.receive, flare.send, []


def timed_receive(*args, **kwargs):
    model = receive(*args, **kwargs)
    began[:] = [time.perf_counter(), time.thread_time()]
    return model


def timed_send(model, *args, **kwargs):
    if model.params:
        times = [time.perf_counter() - began[0], time.thread_time() - began[1]]
        with open(os.path.join(os.environ["ROUND_TIMES"], site), "a") as file:
            file.write(json.dumps(times) + "\\n")
    return send(model, *args, **kwargs)


flare.receive, flare.send = timed_receive, timed_send
exec(compile(SOURCES[site], "client.py", "exec"))
"""
Times = list[tuple[float, float]]


def paired(directory: Path, sources: list[str]) -> list[Times]:
    """Wall and CPU seconds of every round but the first, of each of two clients that train side by side.

    Args:
        directory: a converted project; its client is replaced.
        sources: the client of each site.

    Raises:
        RuntimeError: the run failed.
    """
    sites = ("site-1", "site-2")
    (directory / "client.py").write_text(
        f"SOURCES = {dict(zip(sites, sources, strict=True))!r}\n{CLIENT}", encoding="utf-8"
    )
    with tempfile.TemporaryDirectory() as times:
        os.environ["ROUND_TIMES"] = times
        result = simulate(directory, rounds=ROUNDS, clients=len(sites), local_epochs=EPOCHS, time_limit=1800)
        if not result.succeeded:
            raise RuntimeError(f"{result.failures}")
        lines = [(Path(times) / site).read_text(encoding="utf-8").splitlines()[1:] for site in sites]
    return [[tuple(json.loads(line)) for line in own] for own in lines]


def main() -> None:
    """Print the table."""
    os.environ["OMP_NUM_THREADS"] = "1"
    by_hand = (ROOT / "benchmarks" / "hand_written" / "digits.py").read_text(encoding="utf-8")
    ratios: dict[str, list[list[float]]] = {"wall": [], "CPU": []}
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "codemods", "apply", str(ROOT / "fixtures" / "digits" / "source")]
        subprocess.run([*command, "--out", folder], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        converted = (Path(folder) / "client.py").read_text(encoding="utf-8")
        for run in range(RUNS):
            order = [converted, by_hand] if run % 2 == 0 else [by_hand, converted]
            times = paired(Path(folder), order)
            ours, theirs = times if run % 2 == 0 else times[::-1]
            seconds += [wall for wall, _ in theirs]
            for index, kind in enumerate(ratios):
                ratios[kind].append([a[index] / b[index] for a, b in zip(ours, theirs, strict=True)])
            print(
                f"run {run + 1}: wall {median(ratios['wall'][-1]):.3f}, CPU {median(ratios['CPU'][-1]):.3f}",
                file=sys.stderr,
                flush=True,
            )
    print(f"{len(seconds)} rounds of {median(seconds):.2f} s. Converted / by hand, of the two times of each round:\n")
    print("| | median | middle half | of the medians of each place, the mean | standard error |\n|---|---|---|---|---|")
    for kind, runs in ratios.items():
        values = [ratio for run in runs for ratio in run]
        low, middle, high = quantiles(values, n=4)
        places = [median([r for run in runs[place::2] for r in run]) for place in (0, 1)]
        print(
            f"| {kind} | {middle:.3f} | {low:.3f} to {high:.3f} | {sqrt(places[0] * places[1]):.3f} | "
            f"{stdev(values) / sqrt(len(values)):.3f} |"
        )


if __name__ == "__main__":
    main()
