"""What `apply` tells: for a person, and as one JSON document."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.apply import Outcome
from engine.output import Comparison
from engine.redaction import redacted
from engine.result import Result


def finding(result: Result) -> dict[str, Any]:
    """One finding as JSON."""
    place = result.place
    return {
        "rule": result.code,
        "name": result.name,
        "message": result.message,
        "file": place.file if place else None,
        **({"cell": place.cell.number} if place and place.cell else {}),
        "line": (place.cell.line if place.cell else place.line) if place else None,
        "source": result.source,
        "remedy": result.remedy,
    }


def as_json(outcome: Outcome, folder: Path, comparison: Comparison | None) -> str:
    """The outcome as one JSON document."""
    status = "refused" if outcome.refusals else "needs_input" if outcome.needs else "converted"
    if outcome.conversion and outcome.conversion.left_out:
        status = "converted_in_part"
    document: dict[str, Any] = {
        "schema_version": 1,
        "status": status,
        "entry": outcome.facts.project.entry.name,
        "out": str(folder),
        "blockers": [finding(result) for result in outcome.refusals],
        "needs": [finding(result) for result in outcome.needs],
        "files": sorted(outcome.files) if outcome.files else [],
        "changed": sorted(comparison.changed) if comparison else [],
    }
    if outcome.record is not None:
        document |= {key: outcome.record[key] for key in ("model", "metric", "steps", "decisions")}
        document["left_out"] = list(outcome.record.get("left_out", ()))
    return json.dumps(redacted(document), indent=2, ensure_ascii=False)


def refusal_json(entry: str, refusals: Iterable[Result]) -> str:
    """A program that could not be read, as one JSON document."""
    blockers = [finding(result) for result in refusals]
    document = {
        "schema_version": 1,
        "status": "refused",
        "entry": entry,
        "blockers": blockers,
        "needs": [],
        "files": [],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def refusal_text(entry: str, refusals: Iterable[Result]) -> str:
    """A refused program, for a person."""
    return "\n".join([f"{entry} is not converted; nothing was written.", *map(_line, refusals)])


def as_text(outcome: Outcome, folder: Path, comparison: Comparison | None) -> str:
    """The outcome for a person."""
    entry = outcome.facts.project.entry.name
    if outcome.refusals:
        return refusal_text(entry, outcome.refusals)
    if outcome.needs:
        head = f"{entry} can be converted once you say what only you can know; nothing was written."
        return "\n".join([head, *map(_line, outcome.needs)])
    assert outcome.record is not None and outcome.conversion is not None and comparison is not None
    record, plan = outcome.record, outcome.conversion.plan
    if not comparison.changed:
        return f"{folder} is up to date with {entry}."
    arguments = ", ".join(f"{name}={value!r}" for name, value in record["model"]["args"].items())
    metric = record["metric"]
    left_out = outcome.conversion.left_out
    lines = [
        f"{entry} is converted in part, into {folder}; it does not train faithfully as it is:" if left_out
        else f"{entry} is now a federated job in {folder}:",
        f"  model    {record['model']['class_path']}({arguments})",
        f"  a round  is {'what stands' if plan.facts.loop.kind == 'once' else 'the loop'} at {plan.frame.place}",
        f"  metric   {metric['name']} ({'higher' if metric['direction'] == 'max' else 'lower'} is better)" if metric
        else "  metric   none",
        f"  files    {', '.join(sorted(comparison.changed))}",
    ]  # fmt: skip
    for label, text, otherwise in judgements(outcome):
        lines += [f"  {label:8} {text}", *([f"           otherwise: {otherwise}"] if otherwise else [])]
    lines += [f"  stale    {name} is no longer written; delete it" for name in comparison.stale]
    typed = shlex.quote(str(folder))
    lines += ["", f"Next: python -m codemods verify {typed}", f"      python -m codemods simulate {typed}"]
    return redacted("\n".join(lines))


def judgements(outcome: Outcome) -> list[tuple[str, str, str]]:
    """What a person should know of a conversion: what was decided and how to decide otherwise, and what is left out."""
    assert outcome.conversion is not None
    decisions = outcome.conversion.plan.decisions
    decided = [("decided", f"{each.subject}: {each.decision}", each.otherwise) for each in decisions]
    reasons = [f"{step.name}, which is there for a reason: {step.why}" for step in outcome.conversion.left_out]
    return [*decided, *(("left out", reason, "") for reason in reasons)]


def _line(result: Result) -> str:
    """A refusal in words: where, which rule, why, what to do."""
    where = f"{result.place}: " if result.place else ""
    source = f"\n      {result.source}" if result.source else ""
    return f"\n  {where}{result.code} {result.name}: {result.message}{source}\n      -> {result.remedy}"
