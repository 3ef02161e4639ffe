"""Evaluations that no function holds, or none that is named so: what is sent is what the original prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from engine.verify import Settings, verify
from engine.verify.report import Outcome, render_text
from tests.conftest import FIXTURES

METRICS = {
    "eval_after_loop": {"name": "accuracy", "direction": "max"},
    "validation_in_iterations": {"name": "loss", "direction": "min"},
    "ranking_metrics": {"name": "hit_ratio", "direction": "max"},
}


@pytest.mark.parametrize("name", METRICS)
def test_what_is_sent_is_what_the_original_computes(name: str, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "patterns" / name, tmp_path / name)
    done = CliRunner().invoke(main, ["apply", str(tmp_path / name / "train.py")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    directory = tmp_path / name / "federated"
    assert json.loads((directory / "conversion.json").read_text())["metric"] == METRICS[name]
    report = verify(directory, Settings(sites=(), time_limit=120))
    checks = [check for check in report.checks if check.proof == "P3"]
    assert [check for check in checks if check.outcome is not Outcome.HOLDS] == [], render_text(report)
    assert report.exit_code == 0, render_text(report)
