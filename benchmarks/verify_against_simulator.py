"""How long `verify` takes beside the same job in FLARE's simulator, measured in one run.

    python benchmarks/verify_against_simulator.py [PATH_TO_TRAIN_SCRIPT]

The script (fixtures/digits by default) is converted into a scratch folder. Both then train the same number of rounds:
`simulate` runs the job with two sites, `verify` the original and jobs of one, two and three sites. Both are started as
a user starts them, in a process of their own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "fixtures" / "digits" / "source" / "train.py"
ROUNDS = 2


def timed(*arguments: str) -> float:
    """Seconds of one command of the tool; its output is shown when it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "codemods", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def main() -> None:
    script = Path(sys.argv[1] if len(sys.argv) > 1 else DIGITS).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / script.parent.name
        shutil.copytree(script.parent, project)
        timed("apply", str(project / script.name))
        converted = str(project / "federated")
        verified = timed("verify", converted)
        simulated = timed("simulate", converted, "--rounds", str(ROUNDS), "--clients", "2", "--local-epochs", "1")
    print(f"verify    {verified:6.1f} s   the original, and jobs of 1, 2 and 3 sites")
    print(f"simulate  {simulated:6.1f} s   {ROUNDS} rounds with 2 sites")
    print(f"ratio     {verified / simulated:6.2f}")


if __name__ == "__main__":
    main()
