"""How long `verify` takes beside the same job in FLARE's simulator, measured in one run.

    python -m benchmarks.verify_against_simulator [PATH_TO_TRAIN_SCRIPT] [--times N]

The script (fixtures/digits by default) is converted into a scratch folder. Then, in turn and each in a process of its
own as a user starts it:

- ``verify`` proves the conversion: the original, and jobs of 1, 2 and 3 sites;
- ``simulate`` runs its job with 2 sites: as many rounds, of as many epochs, on the same parts of the data, as the job
  of 2 sites that ``verify`` plays;
- ``job.py`` runs that job in the bare simulator, without what ``simulate`` looks at before and after it.

What is compared is not the same work: ``verify`` makes more of it. Beside that job it runs the original, two more jobs
of one site and one of three, which is training on nine times the data of an epoch, where the simulator trains on twice.
So the ratio is that of scripts that train for seconds, where starting processes and waiting for messages is most of
what the simulator does. It grows with the epochs; where these take minutes, what is trained is all that counts.

The environment is the caller's: where OMP_NUM_THREADS is not set, a site of the simulator trains with as many threads
as there are cores; `verify` trains with one thread in each process, always.

Seconds depend on what else the machine does, and processor seconds (of all processes together) much less: the two
ratios are printed side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "fixtures" / "digits" / "source" / "train.py"
JOB = ("--rounds", "2", "--clients", "2", "--local-epochs", "1")
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER


def timed(*command: str) -> tuple[float, float]:
    """Seconds and processor seconds of one command; its output is shown when it fails."""
    started, before = time.perf_counter(), processor_seconds()
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return seconds, processor_seconds() - before


def processor_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", nargs="?", type=Path, default=DIGITS)
    parser.add_argument("--times", type=int, default=2, help="how often each is measured, in turn (default: 2)")
    args = parser.parse_args()
    if sys.platform == "linux":  # so that processes which outlive the command that started them are counted too
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / args.script.resolve().parent.name
        shutil.copytree(args.script.resolve().parent, project)
        timed("-m", "codemods", "apply", str(project / args.script.name))
        converted = str(project / "federated")
        commands = {
            "verify": ("-m", "codemods", "verify", converted),
            "simulate": ("-m", "codemods", "simulate", converted, *JOB),
            "job.py": (f"{converted}/job.py", *JOB, "--workspace", f"{scratch}/workspace"),
        }
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(args.times):
            for name, command in commands.items():
                seen[name].append(timed(*command))
    sums = {name: [sum(column) for column in zip(*measured, strict=True)] for name, measured in seen.items()}
    print(f"{'':10}{'seconds':>22}{'processor seconds':>28}")
    for name, measured in seen.items():
        for seconds, used in measured:
            print(f"{name:10}{seconds:22.1f}{used:28.1f}")
    for name in ("simulate", "job.py"):
        ratios = [mine / theirs for mine, theirs in zip(sums["verify"], sums[name], strict=True)]
        print(f"verify takes {ratios[0]:.2f} of the time of {name}, and {ratios[1]:.2f} of its processor time")


if __name__ == "__main__":
    main()
