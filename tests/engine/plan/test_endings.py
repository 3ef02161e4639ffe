"""An exception that leaves the epoch loop is refused where the script catches it after that."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import torch
from torch import nn
class Done(Exception):
    pass
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def train(epoch):
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        if loss.item() < -9:
            raise {raised}
try:
    for epoch in range(4):
        try:
            train(epoch)
        except {inside}:
            break
except {outside}:
    print("enough")
"""


@pytest.mark.parametrize(
    ("raised", "inside", "outside", "code"),
    [
        ("Done", "KeyError", "Done", "FLR169"),
        ("Done('enough')", "KeyError", "(Done, KeyError)", "FLR169"),
        ("StopIteration", "KeyError", "StopIteration", "FLR169"),
        ("ValueError(loss)", "KeyError", "KeyboardInterrupt", ""),
        ("Done", "Done", "KeyboardInterrupt", ""),
    ],
)
def test_an_exception_that_ends_the_training(raised: str, inside: str, outside: str, code: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(raised=raised, inside=inside, outside=outside))
    plan = make_plan(gather(Project(script)))
    assert ("" if isinstance(plan, Plan) else " ".join(result.code for result in plan)) == code
