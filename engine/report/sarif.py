"""Findings as SARIF 2.1.0, which code scanning services read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from engine.lint import Outcome
from engine.result import Place, Result

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"1": "error", "2": "warning"}


def as_sarif(outcome: Outcome) -> str:
    """The findings that are left, with their fixes, as a SARIF log of one run."""
    rules = {identity(result): result for result in reversed(outcome.left)}
    run = {
        "tool": {
            "driver": {
                "name": "flare-codemods",
                "rules": [_rule(name, rules[name]) for name in sorted(rules)],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not outcome.errors,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": error}} for error in outcome.errors
                ],
            }
        ],
        "results": [_result(result) for result in outcome.left],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def identity(result: Result) -> str:
    """The identity of a result's rule: its code, or its name where it has none."""
    return result.code or result.name


def level(result: Result) -> str:
    """``error`` for what blocks a conversion, ``warning`` for what is converted with a fix, ``note`` for the rest."""
    return LEVELS.get(result.kind, "note")


def said(result: Result) -> str:
    """What a finding says; in a notebook, whose file has other lines than its cells, with its place."""
    return f"{result.place}: {result.message}" if result.place.cell else result.message


def _rule(name: str, result: Result) -> dict[str, Any]:
    return {
        "id": name,
        "name": result.name,
        "help": {"text": result.remedy or result.message},
        "defaultConfiguration": {"level": level(result)},
    }


def _result(result: Result) -> dict[str, Any]:
    location = {
        "physicalLocation": {"artifactLocation": _artifact(result.place), "region": _region(result.place, result.end)}
    }
    if result.place.cell:
        location["logicalLocations"] = [{"fullyQualifiedName": str(result.place), "kind": "cell"}]
    found = {
        "ruleId": identity(result),
        "level": level(result),
        "message": {"text": said(result)},
        "locations": [location],
    }
    if edit := result.shown_edit:
        replacement = {
            "deletedRegion": _region(edit.start, edit.end),
            "insertedContent": {"text": edit.text},
        }
        change = {"artifactLocation": _artifact(edit.start), "replacements": [replacement]}
        found["fixes"] = [{"description": {"text": result.remedy}, "artifactChanges": [change]}]
    return found


def _artifact(place: Place) -> dict[str, str]:
    return {"uri": quote(place.file)}


def _region(start: Place, end: Place | None) -> dict[str, int]:
    end = end or start
    return {
        "startLine": start.in_file[0],
        "startColumn": start.in_file[1] + 1,
        "endLine": end.in_file[0],
        "endColumn": end.in_file[1] + 1,
    }
