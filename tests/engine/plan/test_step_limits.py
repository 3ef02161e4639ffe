"""A limit of steps, and a flag that ends the epochs, start anew in every round."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--max-steps", type=int, default={limit})
args = parser.parse_args()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
for epoch in range(4):
    {start}
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        if {test}:
            break
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        {count}
    if {test}:
        break
"""


def resets(folder: Path, test: str, before: str, count: str, start: str = "pass", limit: int = 8) -> tuple[str, ...]:
    """What is set anew at the start of every round, and the proof that a conversion like that is spared."""
    script = folder / "train.py"
    script.write_text(SCRIPT.format(before=before, test=test, count=count, start=start, limit=limit))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan), [result.message for result in plan]
    spared = any("P2" in decision.exempts for decision in plan.decisions)
    assert spared is bool(plan.rounds.resets)
    return plan.rounds.resets


OFF_UNLESS_SET = "args.max_steps > 0 and step > args.max_steps"


@pytest.mark.parametrize("test", ["step >= args.max_steps", "step == 8", OFF_UNLESS_SET])
def test_steps_are_counted_anew(test: str, tmp_path: Path) -> None:
    assert resets(tmp_path, test, "step = 0", "step += 1") == ("step = 0",)


def test_a_limit_that_is_off_by_default_is_left_alone(tmp_path: Path) -> None:
    assert resets(tmp_path, OFF_UNLESS_SET, "step = 0", "step += 1", limit=-1) == ()


def test_steps_counted_from_a_checkpoint(tmp_path: Path) -> None:
    before = "step = 0\nif args.max_steps == 9:\n    step = torch.load('steps.pt')"
    assert resets(tmp_path, "step >= args.max_steps", before, "step += 1") == ("step = 0",)


def test_a_flag_is_lowered(tmp_path: Path) -> None:
    count = "stopped = stopped\n        if loss < 0.1:\n            stopped = True"
    assert resets(tmp_path, "stopped", "stopped = False", count) == ("stopped = False",)


@pytest.mark.parametrize(
    ("test", "before", "count", "start"),
    [
        ("total < 0.1", "total = 1.0", "total += loss.item()", "total = 0.0"),  # of one epoch
        ("step < 0", "step = 0", "step += 1", "pass"),  # no limit that counting reaches
    ],
)
def test_what_is_no_limit(test: str, before: str, count: str, start: str, tmp_path: Path) -> None:
    assert resets(tmp_path, test, before, count, start) == ()


def test_a_counter_without_a_known_start_is_told(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    before = "step = len(list(model.parameters()))"
    script.write_text(
        SCRIPT.format(before=before, test="step >= args.max_steps", count="step += 1", start="pass", limit=8)
    )
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == ()
    assert "step limit" in [decision.subject for decision in plan.decisions]


@pytest.mark.parametrize("count", ["step += 1", "step = step + 1"])
def test_a_limit_of_steps_that_a_learning_rate_goes_by_moves_with_the_rounds(count: str, tmp_path: Path) -> None:
    rate = "optimizer.param_groups[0]['lr'] = 0.1 * (1 - step / args.max_steps)"
    script = tmp_path / "train.py"
    script.write_text(
        SCRIPT.format(before="step = 0", test="step >= args.max_steps", count=f"{count}; {rate}", start="pass", limit=8)
    )
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == ()
    assert [edit.template for edit in plan.rounds.limits] == ["{} * (input_model.current_round + 1)"] * 2
    assert [decision.subject for decision in plan.decisions].count("step limit") == 1


def test_a_number_of_steps_that_a_function_is_asked_of(tmp_path: Path) -> None:
    before = "step = 0\ndef look(step):\n    if step >= 8:\n        return True"
    assert resets(tmp_path, "look(step)", before, "step += 1") == ("step = 0",)


def test_a_flag_that_is_asked_for_before_anything_is_trained(tmp_path: Path) -> None:
    """Left as it is, it would end the next round before that has trained anything."""
    stopper = "class Stopper:\n    stop = bad = False\nstopper = Stopper()\nstopper.stop = False"
    first = "if stopper.stop: break"
    judged = "stopper.stop = loss.item() > 1"
    assert resets(tmp_path, "False", stopper, judged, first) == ("stopper.stop = False",)
    flag = "stop = False"
    assert resets(tmp_path, "False", flag, "stop = loss.item() > 1", "if stop: break") == ("stop = False",)
