"""Averages and snapshots of the model's weights that a script keeps by hand are found; its other sums are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import Facts, gather
from engine.facts.kept_weights import averages, snapshots
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import copy
import torch
from torch import nn

class Averager:
    def __init__(self, model):
        self.model, self.kept = model, {{}}
    def update(self, model):
        for name, p in model.named_parameters():
            self.kept[name] = 0.9 * self.kept[name] + 0.1 * p.detach()
    def step(self):
        for name, p in self.model.named_parameters():
            self.kept[name].mul_(0.9).add_(p.data, alpha=0.1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)
    def forward(self, x):
        return self.fc(x)

model = Net()
other = nn.Linear(2, 4)
optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()
kept = {{name: value.clone() for name, value in model.state_dict().items()}}
total = [torch.zeros_like(p) for p in model.parameters()]
mean, states, averager = torch.zeros(27), [], Averager(model)
for epoch in range(3):
    reg, best = 0.0, None
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    {lines}
"""


def facts_of(folder: Path, lines: str) -> Facts:
    """The facts of a program with some lines at the end of an epoch."""
    (folder / "train.py").write_text(SCRIPT.format(lines=lines.replace("\n", "\n    ")))
    return gather(Project(folder / "train.py"))


@pytest.mark.parametrize(
    "lines",
    [
        "for name, value in model.state_dict().items():\n    kept[name] = 0.9 * kept[name] + 0.1 * value",
        "for name, p in model.named_parameters():\n    kept[name] = kept.get(name, 0) + (p.data - kept[name]) / 3",
        "for name, p in model.named_parameters():\n    kept[name].copy_(0.9 * kept[name] + 0.1 * p.detach())",
        "for name, p in model.named_parameters():\n    kept[name].lerp_(p.data, 0.1)",
        "for one, p in zip(total, model.parameters()):\n    one += p.data",
        "for i, p in enumerate(model.parameters()):\n    total[i] += p.detach().cpu()",
        "for i, (one, p) in enumerate(zip(total, model.parameters())):\n    total[i] = total[i] + p.data",
        "state = model.state_dict()\nfor name in kept:\n    kept[name] += state[name]",
        "kept = {name: 0.9 * kept[name] + 0.1 * value for name, value in model.state_dict().items()}",
        "mean = mean * 0.9 + nn.utils.parameters_to_vector(model.parameters()) * 0.1",
        "kept['fc.weight'] = 0.5 * kept['fc.weight'] + 0.5 * model.fc.weight.data",
        "averager.update(model)",
        "averager.step()",
    ],
)
def test_an_average_by_hand_is_found(tmp_path: Path, lines: str) -> None:
    assert len(list(averages(facts_of(tmp_path, lines)))) == 1


@pytest.mark.parametrize(
    "lines",
    [
        "for p in model.parameters():\n    reg += p.pow(2).sum()",
        "for p in model.parameters():\n    reg = reg + 0.1 * torch.abs(p).sum()",
        "for name, p in model.named_parameters():\n    reg += ((p - kept[name]) ** 2).sum()",
        "for name, p in model.named_parameters():\n    kept[name] += p.grad.data",
        "for p in model.parameters():\n    p.data -= 0.1 * p.grad",
        "for p in model.parameters():\n    p.data.add_(p.data, alpha=-0.01)",
        "for one, p in zip(other.parameters(), model.parameters()):\n    one.data.copy_(p.data)",
        "for p in other.parameters():\n    reg += p.data",
        "for name, p in model.named_parameters():\n    kept[name] = p.detach().clone()",
        "best = copy.deepcopy(model.state_dict())",
    ],
)
def test_what_is_no_average_is_not(tmp_path: Path, lines: str) -> None:
    assert list(averages(facts_of(tmp_path, lines))) == []


@pytest.mark.parametrize(
    "lines",
    [
        "states.append(copy.deepcopy(model))",
        "states.append(copy.deepcopy(model).cpu().eval())",
        "if epoch % 2:\n    states.append(copy.deepcopy(model.state_dict()))",
        "states.append({name: value.clone() for name, value in model.state_dict().items()})",
        "states.append([p.detach().clone() for p in model.parameters()])",
    ],
)
def test_snapshots_are_told_in_a_decision(tmp_path: Path, lines: str) -> None:
    plan = make_plan(facts_of(tmp_path, lines))
    assert isinstance(plan, Plan)
    told = [decision.decision for decision in plan.decisions if decision.subject == "snapshots"]
    assert [text.partition(" in ")[2].partition(",")[0] for text in told] == ["states"]


@pytest.mark.parametrize(
    "lines",
    [
        "best = copy.deepcopy(model.state_dict())",
        "states.append(criterion(model(x), y).item())",
        "states.append(copy.deepcopy(other))",
        "for name, p in model.named_parameters():\n    kept[name] = p.detach().clone()",
        "kept['model'] = model.state_dict()",
    ],
)
def test_the_weights_of_one_epoch_are_no_snapshots(tmp_path: Path, lines: str) -> None:
    assert list(snapshots(facts_of(tmp_path, lines))) == []
