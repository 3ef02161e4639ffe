"""From specification to proof over the matrix of the trainer's options.

``python -m benchmarks.trainer_matrix [--full] [--first N] [--last N]`` trains each specification, converts its script
and verifies the conversion, prints a line for each, and exits with 1 if one of them fails. ``--full`` takes every
optimizer with every scheduler and every way to take a step instead of every pair of options: hours.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from benchmarks.specification_matrix import full, pairwise, specification, write_data
from codemods.__main__ import main as command_line
from engine import trainer
from engine.verify.bench import Settings
from engine.verify.report import Outcome, Report
from engine.verify.run import verify


def write_project(row: dict[str, Any], folder: Path) -> Path:
    """Write the data, the model and the specification of a combination; return the specification's path."""
    folder.mkdir()
    write_data(folder)
    path = folder / "specification.json"
    path.write_text(json.dumps(specification(row), indent=2), encoding="utf-8")
    return path


def convert(path: Path) -> str:
    """Scaffold and convert a specification; return the error that `apply` ends with, or nothing."""
    script = trainer.scaffold(path)
    result = CliRunner().invoke(command_line, ["apply", str(script)])
    return "" if result.exit_code == 0 else f"apply exits with {result.exit_code}: {result.output} {result.exception!r}"


def prove(path: Path) -> Report:
    """Verify the conversion of a specification for a single site: its weights, steps and metrics in every round."""
    return verify(path.parent / "federated", Settings(sites=()))


def faults(report: Report) -> list[str]:
    """What the proofs of a conversion found wrong, and what they should have looked at and did not."""
    found = [
        f"{check.proof} {check.claim}: {check.outcome.value}: {check.detail} {check.difference or ''}"
        for check in report.checks
        if check.outcome is Outcome.FAILS
    ]
    proved = [check.proof for check in report.checks if check.outcome is Outcome.HOLDS]
    return found + ([] if "P1" in proved else ["P1 was not proved"])


def main() -> None:
    """Run the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="every combination instead of every pair")
    parser.add_argument("--first", type=int, default=0, help="number of the first combination")
    parser.add_argument("--last", type=int, help="number of the last combination")
    args = parser.parse_args()
    rows = list(full() if args.full else pairwise())
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        for number in range(args.first, len(rows) if args.last is None else args.last + 1):
            started = time.monotonic()
            path = write_project(rows[number], Path(place, str(number)))
            document = trainer.train(path, device="cpu", time_limit=300)
            wrong = [document["error"]] if "error" in document else list(filter(None, [convert(path)]))
            wrong = wrong or faults(prove(path))
            failed += bool(wrong)
            chosen = ", ".join(f"{key} {value}" for key, value in rows[number].items() if value not in (None, False))
            print(f"{number:4} {'fails' if wrong else 'holds'} {time.monotonic() - started:5.1f} s  {chosen}")
            print("".join(f"       {line}\n" for line in wrong), end="", flush=True)
    print(f"{failed} combinations fail")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
