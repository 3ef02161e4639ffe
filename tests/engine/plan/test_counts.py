"""Counts that go on over the rounds, divided by the number of epochs of one, are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codemods.tools import plan_of, written

SCRIPT = """
import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
class Ramp:
    def __init__(self, total):
        self.total, self.done = total, 0
    def step(self):
        self.done += 1
    def value(self):
        return min(1.0, self.done / self.total)
batches = [torch.ones(4, 2), torch.ones(4, 2)]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total, ramp = args.epochs * len(batches), Ramp(args.epochs)
done, weight, seen = 0, 0.1, 0.0
for epoch in range(args.epochs):
    for x in batches:
        optimizer.zero_grad()
        loss = model(x).mean() * {weight}
        loss.backward()
        optimizer.step()
        done += 1
        seen += loss.item()
    {after}
"""


@pytest.mark.parametrize(
    ("weight", "after", "told"),
    [
        ("(1 - done / total)", "pass", []),  # which is stretched, as the two below
        ("(1 - done / (args.epochs * len(batches)))", "pass", []),
        ("ramp.value()", "ramp.step()", []),
        ("weight", "weight = min(1.0, weight + 1 / args.epochs)", ["1 / args.epochs"]),
        ("weight", "weight += 1 / args.epochs", ["1 / args.epochs"]),
        ("(1 - done / 1000)", "pass", []),
        ("(1 - epoch / args.epochs)", "pass", []),
        ("weight", "print(done / total)", []),
        ("weight", "mean = seen / total", []),
    ],
)
def test_a_quotient_that_reaches_its_end_in_the_first_round(
    weight: str, after: str, told: list[str], tmp_path: Path
) -> None:
    decisions = plan_of(written(tmp_path, SCRIPT.format(weight=weight, after=after), {})).decisions
    ends = [one for one in decisions if "comes to its end with the epochs of the first round" in one.decision]
    assert [one.decision.partition(" at train.py")[0] for one in ends] == told
    assert all(one.exempts == ("P2",) for one in ends)
