"""What the proofs found, for people and for machines."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1


class Outcome(str, Enum):
    """What became of one check."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_APPLICABLE = "not applicable"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Difference:
    """Where the converted script first left the path of the original.

    Attributes:
        where: ``initial weights``, ``after evaluation``, ``after step N``, or ``sent weights``.
        tensor: the first tensor that differs; empty where it is no tensor.
        cause: what was seen to differ before it, such as the learning rate; empty if nothing was.
    """

    where: str
    tensor: str = ""
    cause: str = ""

    def __str__(self) -> str:
        return f"first difference: {self.where}" + (f", {self.tensor}" if self.tensor else "") + self._because()

    def _because(self) -> str:
        return f" ({self.cause})" if self.cause else ""


@dataclass(frozen=True)
class Check:
    """One thing that was, or was not, proved.

    Attributes:
        proof: ``P1`` to ``P7``, see docs/verify.md.
        claim: what is claimed, in a few words.
        outcome: what became of it.
        detail: the figures behind it, or why it fails or was not checked.
        difference: the first difference, for a comparison that fails.
    """

    proof: str
    claim: str
    outcome: Outcome
    detail: str = ""
    difference: Difference | None = None


@dataclass(frozen=True)
class Report:
    """The outcome of `verify`.

    Attributes:
        directory: the converted folder.
        entry: the original's entry script.
        checks: in the order of the proofs.
        seconds: how long it took.
    """

    directory: Path
    entry: str
    checks: tuple[Check, ...]
    seconds: float = 0.0

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that fail."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILS)

    @property
    def exit_code(self) -> int:
        """0 if all proofs hold that apply, 1 if one fails, 2 if the first of them could not be made."""
        if self.failures:
            return 1
        return 2 if any(check.proof == "P1" and check.outcome is Outcome.NOT_CHECKED for check in self.checks) else 0


def render_text(report: Report) -> str:
    """The report for people: one line per check, its reason below it where it does not hold."""
    lines = [f"{report.directory}: conversion of {report.entry}", ""]
    for check in report.checks:
        lines.append(f"  {check.proof}  {check.outcome.value:<14}  {check.claim}")
        if check.difference:
            lines.append(f"{'':22}{check.difference}")
        lines += [f"{'':22}{line}" for line in check.detail.splitlines()]
    counts = Counter(check.outcome for check in report.checks)
    summary = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    return "\n".join([*lines, "", f"{summary} ({report.seconds:.1f} s)"])


def render_json(report: Report) -> str:
    """The report for machines: one JSON document."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "directory": str(report.directory),
        "entry": report.entry,
        "verdict": ("holds", "fails", "not checked")[report.exit_code],
        "seconds": round(report.seconds, 3),
        "checks": [dataclasses.asdict(check) for check in report.checks],
    }
    return json.dumps(document, indent=2)
