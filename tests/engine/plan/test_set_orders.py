"""Data in the order of a set is not split between the sites of a simulation: each would have another order."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.codemods.tools import plan_of, written

SCRIPT = """\
import os
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset


class Files(Dataset):
    def __init__(self, names, count=2):
        self.names, self.count = names, count

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        return torch.load(self.names[index])


class Listed(Files):
    def __init__(self, names):
        self.names = list(set(names))


names = os.listdir("data")
held_out = names[:10]
{statements}
loader = DataLoader({data}, batch_size=8, shuffle=True)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for inputs, labels in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), labels).backward()
        optimizer.step()
"""


def told(folder: Path, statements: str, data: str) -> str:
    plan = plan_of(written(folder, SCRIPT.format(statements=dedent(statements), data=data), {}))
    decisions = [one.decision for one in plan.decisions if one.subject == "simulation data"]
    assert (plan.partition is None) is bool(decisions)
    return decisions[0] if decisions else ""


@pytest.mark.parametrize(
    ("statements", "data"),
    [
        ("files = list(set(names) - set(held_out))", "Files(files)"),
        ("files = [f'data/{name}' for name in set(names)]\ndata = Files(files)", "data"),
        ("others = {name for name in names if name not in held_out}", "Files(list(others))"),
        ("pass", "Listed(names)"),
        ("def training(all_of_them):\n    return list(set(all_of_them))", "Files(training(names))"),
    ],
)
def test_data_in_the_order_of_a_set(statements: str, data: str, tmp_path: Path) -> None:
    assert "its order is that of the set at train.py:" in told(tmp_path, statements, data)


@pytest.mark.parametrize(
    ("statements", "data"),
    [
        ("files = sorted(set(names) - set(held_out))", "Files(files)"),
        ("count = len(set(names))", "Files(names, count)"),
        ("indices = list(set(range(len(names))) - set(range(10)))", "Subset(Files(names), indices)"),
        ("numbers = list(range(len(names)))\nindices = list(set(numbers))", "Subset(Files(names), indices)"),
    ],
)
def test_data_in_an_order_of_its_own(statements: str, data: str, tmp_path: Path) -> None:
    assert told(tmp_path, statements, data) == ""
