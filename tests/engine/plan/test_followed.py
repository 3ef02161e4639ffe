"""A program that is too large to be followed to its end: that is told."""

from __future__ import annotations

import pytest

from engine.facts import gather
from engine.plan import make_plan
from engine.source import Project
from tests.engine.facts.one_pass import SCRIPT


@pytest.mark.parametrize(
    ("limit", "count", "reason"),
    [
        ("STATEMENT_LIMIT", 30, "it comes to more than 30 statements"),
        ("CALL_LIMIT", 40, "it comes to more than 40 calls"),
        ("CALL_LIMIT", 20_000, ""),
    ],
)
def test_what_is_not_followed_is_told(limit, count, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(f"engine.facts.interpreter.{limit}", count)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("{lines}", "model(x)") + "print(len(data))\n" * 30)
    decisions = {one.subject: one.decision for one in make_plan(gather(Project(script))).decisions}
    told = decisions.get("the end of the program", "")
    assert told.endswith(reason)
    assert bool(told) == bool(reason)
