"""Numbers of all the training data are told where it is split; its length is that of the part."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from engine.plan import Plan
from tests.codemods.tools import plan_of, written

SCRIPT = """\
from collections import Counter
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split


class Digits(Dataset):
    def __init__(self, x, y):
        self.x, self.y = torch.as_tensor(x), torch.as_tensor(y)
        self.centre = self.x.{centre}

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        return self.x[index] - self.centre, self.y[index]


x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
train_set = TensorDataset(torch.tensor(x_train), torch.tensor(y_train))
{before}
loader = DataLoader({data}, batch_size=8, shuffle=True)
test_loader = DataLoader(TensorDataset(torch.tensor(x_test), torch.tensor(y_test)), batch_size=8)
{after}
model = nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    total = 0.0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    {inside}
"""
SEEDED = "generator=torch.Generator().manual_seed(0)"


def planned(folder: Path, data: str = "train_set", **parts: str) -> Plan:
    filled = {"before": "", "after": "", "inside": "pass", "centre": "size(1)", "data": data} | parts
    return plan_of(written(folder, SCRIPT.format_map({name: dedent(part) for name, part in filled.items()}), {}))


def told(plan: Plan) -> str:
    return "; ".join(one.decision for one in plan.decisions if one.subject == "simulation numbers")


@pytest.mark.parametrize(
    ("parts", "number"),
    [
        ({"after": "weight = 1 / len(x_train)"}, "len(x_train)"),
        ({"after": "counts = np.bincount(y_train)"}, "np.bincount(y_train)"),
        ({"after": "positive = (y_train == 1).mean()"}, "(y_train == 1).mean()"),
        ({"after": "seen = Counter(train_set.tensors[1].tolist())"}, "Counter(train_set.tensors[1].tolist())"),
        ({"after": "scaler = StandardScaler().fit(x_train)"}, "StandardScaler().fit(x_train)"),
        ({"after": "seen = sum(len(one) for one, _ in DataLoader(train_set))"}, "sum(len(one)"),
        (
            {"after": "mean = 0\nfor one, _ in DataLoader(train_set, batch_size=4):\n    mean += one.mean()"},
            "the loop over DataLoader(train_set, batch_size=4)",
        ),
        ({"after": "for one, _ in train_set:\n    print(one)"}, "the loop over train_set"),
        ({"data": "Digits(x_train, y_train)", "centre": "mean(0)"}, "self.x.mean(0)"),
        ({"data": "Digits((x_train - x.mean()) / x.std(), y_train)"}, "x.mean()"),
        ({"inside": "print(total / len(train_set), loss)", "after": "first = train_set[0]"}, "len(train_set)"),
    ],
)
def test_a_number_of_the_whole_is_told(tmp_path: Path, parts: dict[str, str], number: str) -> None:
    plan = planned(tmp_path, **parts)
    assert plan.partition is not None
    assert number in told(plan)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"after": "steps = len(loader) * 2\ncount = len(loader.dataset)"},
        {"after": "scale = x_test.mean()\ncount = len(x_test)"},
        {"after": "print('samples:', len(train_set), 'of', len(x_train))"},
        {"after": "rate = max(0.1, 0.2)\nbatches = min(len(test_loader), 5)"},
        {"before": f"count = int(0.8 * len(train_set))\npart, rest = random_split(train_set, [count, 47], {SEEDED})",
         "data": "part"},
        {"inside": "print(sum(p.sum() for p in model.parameters()), loss)"},
    ],
)  # fmt: skip
def test_what_is_the_parts_or_no_number_of_it_is_not(tmp_path: Path, parts: dict[str, str]) -> None:
    assert told(planned(tmp_path, **parts)) == ""


def test_nothing_is_told_of_data_that_is_not_split(tmp_path: Path) -> None:
    plan = planned(tmp_path, after="loader = DataLoader(train_set, sampler=order)\nmean = x_train.mean()")
    assert plan.partition is None
    assert told(plan) == ""


@pytest.mark.parametrize(
    ("parts", "by_name"),
    [
        ({"after": "weight = 1 / len(train_set)"}, True),
        ({"inside": "print(total / len(train_set), loss)"}, True),
        ({"before": "count = len(train_set)"}, True),
        ({}, False),
        ({"after": "weight = 1 / len(train_set)\nfirst = train_set[0]"}, False),
        ({"after": "weight = 1 / len(train_set)\ntrain_set = None"}, False),
        ({"data": "list(train_set)", "after": "weight = 1 / len(train_set)"}, False),
    ],
)
def test_the_part_has_the_name_by_which_the_length_is_asked_for(
    tmp_path: Path, parts: dict[str, str], by_name: bool
) -> None:
    plan = planned(tmp_path, **parts)
    assert plan.partition is not None
    assert (plan.partition.named is not None) is by_name
    if by_name:
        assert told(plan) == ""
