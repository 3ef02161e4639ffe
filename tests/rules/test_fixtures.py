"""A false refusal costs as much as a missed one: every training project of the fixtures can be federated."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.source import Project
from rules import blockers, warnings

FIXTURES = Path(__file__).parents[2] / "fixtures"
SCRIPTS = sorted([*FIXTURES.glob("*/source/train.py"), *FIXTURES.glob("patterns/*/train.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.relative_to(FIXTURES).as_posix())
def test_no_fixture_is_refused(script: Path) -> None:
    assert blockers(gather(Project(script))) == []


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("best_weights_reloaded", "FLR206"),
        ("cosine", "FLR205"),
        ("eval_mode_left_on", "FLR207"),
        ("onecycle", "FLR205"),
        ("resume_checkpoint", "FLR206"),
    ],
)
def test_what_a_pattern_is_about_is_told(pattern: str, code: str) -> None:
    facts = gather(Project(FIXTURES / "patterns" / pattern / "train.py"))
    assert code in {result.code for result in warnings(facts)}
