"""Findings as annotations of a GitHub workflow.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from engine.lint import Outcome
from engine.report.sarif import level, said
from engine.result import Result

LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(outcome: Outcome) -> str:
    """One workflow command for each finding that is left, and for each error."""
    errors = (f"::error title=flare-codemods::{_escaped(error)}\n" for error in outcome.errors)
    return "".join([*map(_annotation, outcome.left), *errors])


def _annotation(result: Result) -> str:
    end = result.end or result.place
    properties = {
        "file": result.place.file,
        "line": result.place.in_file[0],
        "endLine": end.in_file[0],
        "col": result.place.in_file[1] + 1,
        "title": f"{result.code} {result.name}".strip(),
    }
    listed = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in properties.items())
    return f"::{LEVELS[level(result)]} {listed}::{_escaped(f'{said(result)} {result.remedy}')}\n"


def _escaped(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
