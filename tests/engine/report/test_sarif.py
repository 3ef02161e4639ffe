"""SARIF: every log fits the official schema, and its fixes do what ``--fix`` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from engine.lint import Outcome, lint
from engine.report.sarif import as_sarif
from rules import RULES

SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0-rtm.5.json").read_text())
FIXTURES = Path(__file__).parents[3] / "fixtures"
LOADS = """\
import torch
wide = "\U0001f600", torch.load(path)
state = torch.load(
    path,  # \u00e9
)
"""
FILES = {
    "loads.py": LOADS,
    "a folder/\u00e9 100%.py": LOADS,
    "unused.py": "import torch  # noqa: FLR202\n",
    "old.py": 'import torch\nprint "hello"\n',
    "binary.py": "torch\0",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with files of every kind."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    return tmp_path


def linted(path: Path, **options) -> Outcome:
    return lint([path], lambda: RULES, **options)


def log(outcome: Outcome) -> dict[str, Any]:
    """The log of an outcome, after it was held to the schema."""
    document = json.loads(as_sarif(outcome))
    jsonschema.Draft4Validator(SCHEMA).validate(document)
    return document


def test_a_log_with_findings_fixes_and_errors_fits_the_schema() -> None:
    (run,) = log(linted(Path()))["runs"]
    assert {result["ruleId"] for result in run["results"]} == {"FLR101", "FLR202", "UnusedSuppression"}
    assert sum("fixes" in result for result in run["results"]) == 4
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "binary.py" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_a_log_of_nothing_fits_the_schema(folder: Path) -> None:
    (folder / "clean.py").write_text("import torch\n")
    (run,) = log(linted(folder / "clean.py"))["runs"]
    assert (run["results"], run["invocations"][0]["executionSuccessful"]) == ([], True)


def test_the_logs_of_all_fixtures_fit_the_schema() -> None:
    (run,) = log(linted(FIXTURES / "patterns"))["runs"]
    assert len({result["ruleId"] for result in run["results"]}) > 3


def test_a_log_that_breaks_the_schema_is_noticed() -> None:
    document = json.loads(as_sarif(linted(Path("loads.py"))))
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SCHEMA).validate(document)


def test_whoever_applies_the_fixes_of_a_log_has_what_fix_writes(folder: Path) -> None:
    (run,) = log(linted(Path("a folder")))["runs"]
    name = unquote(run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    lines = Path(name).read_text(encoding="utf-8").splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    text = "".join(lines)
    changes = [change for result in run["results"] for fix in result["fixes"] for change in fix["artifactChanges"]]
    replacements = [replacement for change in changes for replacement in change["replacements"]]
    for replacement in sorted(replacements, key=lambda each: each["deletedRegion"]["startLine"], reverse=True):
        region = replacement["deletedRegion"]
        start = starts[region["startLine"] - 1] + region["startColumn"] - 1
        end = starts[region["endLine"] - 1] + region["endColumn"] - 1
        text = text[:start] + replacement["insertedContent"]["text"] + text[end:]
    linted(Path("a folder"), fix=True)
    assert text == Path(name).read_text(encoding="utf-8")
    assert text.count("weights_only=True") == 2
