"""A loop that counts by itself starts anew in every round."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
first = 0
{before}
while step < 10 and going:
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        step += 1
        if step == 10:
            going = False
            break
"""


@pytest.mark.parametrize("before", ["step = 0\ngoing = True", "step, going = first, True"])
def test_counters_start_where_they_were_set_before_the_loop(before: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(before=before))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == ("going = True", "step = 0")
