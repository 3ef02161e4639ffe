"""Findings as one JSON document."""

from __future__ import annotations

import json
from typing import Any

from engine.lint import Outcome
from engine.result import Result

SCHEMA_VERSION = 1


def as_json(outcome: Outcome) -> str:
    """What is left, what was fixed and what went wrong, as a JSON document."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "files": outcome.files,
        "findings": [finding(result) for result in outcome.left],
        "fixed": [finding(result) for result in outcome.fixed],
        "errors": list(outcome.errors),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def finding(result: Result) -> dict[str, Any]:
    """One finding. Lines and columns are 1-based, columns in code points; the end of a range is not included."""
    end = result.end or result.place
    line, end_line = (place.cell.line if place.cell else place.line for place in (result.place, end))
    return {
        "rule": result.code,
        "name": result.name,
        "message": result.message,
        "remedy": result.remedy,
        "file": result.place.file,
        **({"cell": result.place.cell.number} if result.place.cell else {}),
        "line": line,
        "column": result.place.column + 1,
        "end_line": end_line,
        "end_column": end.column + 1,
        "source": result.source,
        "fix": fix(result),
    }


def fix(result: Result) -> dict[str, Any] | None:
    """The edit that mends a finding, with its safety."""
    edit = result.shown_edit
    if edit is None:
        return None
    start, end = edit.start, edit.end
    return {
        "safety": result.safety.value,
        "line": start.line,
        "column": start.column + 1,
        "end_line": end.line,
        "end_column": end.column + 1,
        "text": edit.text,
    }
