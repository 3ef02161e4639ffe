"""Findings for a person."""

from __future__ import annotations

from collections import Counter

from engine.lint import Outcome
from engine.result import Result, Safety


def as_text(outcome: Outcome) -> str:
    """The findings that are left, each with its line and remedy, then a line that sums up."""
    lines = [line for result in outcome.left for line in _finding(result)]
    return "\n".join([*lines, _summary(outcome)]) + "\n"


def statistics(outcome: Outcome) -> str:
    """How often each rule found something, the most frequent first, then a line that sums up."""
    counts = Counter((result.code, result.name) for result in outcome.left)
    lines = [f"{count:6}  {code:6}  {name}" for (code, name), count in counts.most_common()]
    return "\n".join([*lines, _summary(outcome)]) + "\n"


def _finding(result: Result) -> list[str]:
    place = f"{result.place}:{result.place.column + 1}"
    label = f"{result.code} {result.name}".strip()
    lines = [f"{place}: {label}: {result.message}", *([f"    {result.source}"] if result.source else [])]
    remedy = {Safety.SAFE: " (--fix does it)", Safety.UNSAFE: " (--fix --unsafe does it)"}
    return [*lines, f"    Remedy: {result.remedy}{remedy.get(result.safety, '') if result.edit else ''}"]


def _summary(outcome: Outcome) -> str:
    files = f"{outcome.files} file{'s' * (outcome.files != 1)}"
    found = f"{len(outcome.left)} finding{'s' * (len(outcome.left) != 1)}" if outcome.left else "nothing found"
    fixed = f", {len(outcome.fixed)} fixed" if outcome.fixed else ""
    fixable = sum(result.edit is not None for result in outcome.left)
    return f"{found} in {files}{fixed}" + (f", {fixable} of them can be fixed" if fixable else "")
