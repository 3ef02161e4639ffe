"""State beside the model: what is not looked for to the end is told."""

from __future__ import annotations

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project
from tests.engine.facts.one_pass import SCRIPT


def subjects(folder) -> dict[str, str]:
    """The decisions on state beside the model in the conversion of a script."""
    script = folder / "train.py"
    script.write_text(SCRIPT.replace("{lines}", "model(x)"))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    return {one.subject: one.decision for one in plan.decisions}


def test_an_epoch_that_is_followed_needs_no_word(tmp_path):
    assert "state beside the model" not in subjects(tmp_path)


def test_an_epoch_that_is_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.facts.epoch_pass.MOST_STATEMENTS", 3)
    assert subjects(tmp_path)["state beside the model"] == (
        "what else an epoch leaves to the next beside the model was not looked for: an epoch comes to more than 3 "
        "statements"
    )
