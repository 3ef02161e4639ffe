"""What goes into a report: of a conversion, and of what was found about it later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.apply import Outcome
from engine.apply_report import finding
from engine.inspection import describe
from engine.output import CONVERSION
from engine.page import write
from engine.page.diff import rows
from engine.pipeline import Conversion, Step, convert
from engine.result import Result, UserError


def report_on(path: Path, outcome: Outcome, steps: Sequence[Step], warnings: Iterable[Result]) -> None:
    """Write the report of a conversion, or of a program that is refused.

    Args:
        path: the report; what `verify` and `simulate` have added to it for the same conversion stays.
        outcome: what came of converting the program.
        steps: all there are, in order.
        warnings: what a person should look at.
    """
    files = json.loads(outcome.files[CONVERSION])["files"] if outcome.files else {}
    write(
        path, {"program": of_program(outcome, warnings), "conversion": of_conversion(outcome, steps)}, identity(files)
    )


def report_on_refused(path: Path, entry: str, refusals: Iterable[Result]) -> None:
    """Write the report of a script that cannot be read as Python."""
    findings = [finding(result) | {"blocks": True} for result in refusals]
    program = {"entry": entry, "verdict": "refused", "facts": None, "findings": findings}
    write(path, {"program": program}, identity({}))


def of_program(outcome: Outcome, warnings: Iterable[Result]) -> dict[str, Any]:
    """What a program is and what rules say of it."""
    blockers = [finding(result) | {"blocks": True} for result in (*outcome.refusals, *outcome.needs)]
    return {
        "entry": outcome.facts.project.entry.name,
        "verdict": "refused" if outcome.refusals else "needs input" if outcome.needs else "converted",
        "facts": describe(outcome.facts),
        "findings": [*blockers, *(finding(result) | {"blocks": False} for result in warnings)],
    }


def of_conversion(outcome: Outcome, steps: Sequence[Step]) -> dict[str, Any] | None:
    """What the steps made of a program; None where it was refused."""
    if outcome.conversion is None or outcome.record is None or outcome.files is None:
        return None
    record = outcome.record
    run = {result.name for result in outcome.conversion.results}
    steps = [step for step in steps if step.name in run]
    changes = _changes(outcome.conversion, steps)
    return {
        "model": record["model"],
        "metric": record["metric"],
        "loop": str(outcome.conversion.plan.frame.place),
        "decisions": record["decisions"],
        "left_out": list(record.get("left_out", [])),
        "files": sorted(outcome.files),
        "steps": [
            {
                "name": step.name,
                "summary": step.summary,
                "why": step.why,
                "status": result["status"],
                "at": result["at"],
                "changes": changes.get(step.name, []),
            }
            for step, result in zip(steps, record["steps"], strict=True)
        ],
        "whole": None,
    }


def _changes(conversion: Conversion, steps: Sequence[Step]) -> dict[str, list[dict[str, Any]]]:
    """What each step adds to those before it. One without which the files cannot be is told with the next."""
    plan = conversion.plan
    names = {place: file.name for file in plan.facts.project.modules for place in plan.layout.get(file.name, ())}
    before = {place: plan.facts.project.files[name].raw for place, name in names.items()}
    found = {}
    for count, step in enumerate(steps, 1):
        try:
            after = conversion.files if count == len(steps) else convert(plan, steps[:count]).files
        except UserError:
            continue
        changed = [name for name in after if after[name] != before.get(name, b"")]
        found[step.name] = [_change(names.get(name, ""), name, before.get(name, b""), after[name]) for name in changed]
        before = after
    return found


def _change(origin: str, name: str, before: bytes, after: bytes) -> dict[str, Any]:
    """How a file changes."""
    left, right = (content.decode("utf-8", errors="replace") for content in (before, after))
    return {"origin": origin, "file": name, "new": not before, "rows": rows(left, right)}


def identity(files: dict[str, str]) -> dict[str, Any]:
    """What a conversion is known by: the checksums of what the steps made; the settings of the job do not count."""
    return {"files": {name: checksum for name, checksum in files.items() if name not in ("job.py", CONVERSION)}}


def of_folder(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a converted folder itself tells, for a report that `apply` has not begun: its decisions, the entry's change.

    Args:
        directory: the folder that `apply` wrote.

    Returns:
        The parts ``program`` and ``conversion``, and the identity of the conversion.

    Raises:
        UserError: the folder is no conversion.
    """
    from engine.verify.conversion import read_conversion

    conversion = read_conversion(directory)
    record = json.loads((directory / CONVERSION).read_text(encoding="utf-8"))
    steps = [{"summary": "", "why": "", "changes": [], **step} for step in record["steps"]]
    source = conversion.source_root / conversion.entry
    client = directory / conversion.client
    parts = {
        "program": {"entry": conversion.entry, "verdict": "converted", "facts": None, "findings": []},
        "conversion": {
            "model": record["model"],
            "metric": record["metric"],
            "loop": f"{conversion.loop.file}:{conversion.loop.line}",
            "decisions": record["decisions"],
            "left_out": list(record.get("left_out", [])),
            "files": sorted([*record["files"], CONVERSION]),
            "steps": steps,
            "whole": _change(conversion.entry, conversion.client, source.read_bytes(), client.read_bytes()),
        },
    }
    return parts, identity(record["files"])


def add(path: Path, directory: Path, part: str, content: dict[str, Any]) -> None:
    """Add what was found about a converted folder to its report, which is begun where there is none.

    Args:
        path: the report.
        directory: the converted folder.
        part: ``proofs`` or ``simulation``.
        content: what was found.
    """
    parts, known_by = of_folder(directory)
    write(path, parts | {part: content}, known_by, keep=tuple(parts))
