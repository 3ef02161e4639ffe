"""An evaluation that does more than measuring the model is not called once more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codemods.tools import plan_of, written

SCRIPT = """\
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

calls = 0
data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
{before}


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.passes = 0

    def forward(self, out, y):
        self.passes += 1
        return ((out - y) ** 2).mean() / self.passes


def test(model, loader):
    global calls
    model.eval()
    loss = 0.0
    with torch.no_grad():
        for x, y in loader:
            {inside}
            loss += {criterion}(model(x), y).item()
    return loss / len(loader)


counting = Counting()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    {epoch}
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        {criterion}(model(x), y).backward()
        optimizer.step()
    {after}
    test_loss = test(model, test_loader)
    print(f"loss {{test_loss}}, calls {{calls}}")
"""
PLAIN = "loader = DataLoader(data, 2, shuffle=True)\ntest_loader = DataLoader(data, 2)"
DRAWN = "g = torch.Generator()\nloader = DataLoader(data, 2, generator=g)\ntest_loader = DataLoader(data, 2)"
OWN = "g = torch.Generator()\nloader = DataLoader(data, 2)\ntest_loader = DataLoader(data, 2, generator=g)"
ONCE = """g = np.random.RandomState(0)
order = torch.from_numpy(g.permutation(8))
loader = DataLoader(torch.utils.data.Subset(data, order[:4]), 2)
test_loader = DataLoader(torch.utils.data.Subset(data, order[4:]), 2)"""
MSE = "nn.functional.mse_loss"


def evaluated(folder: Path, before: str, inside: str, epoch: str, after: str, criterion: str) -> bool:
    text = SCRIPT.format(before=before, inside=inside, epoch=epoch, after=after, criterion=criterion)
    return plan_of(written(folder, text, {})).evaluation is not None


@pytest.mark.parametrize(
    ("before", "inside", "epoch", "after", "criterion"),
    [
        (PLAIN, "calls += 1", "optimizer.param_groups[0]['lr'] = 0.1 / (1 + calls)", "pass", MSE),
        (PLAIN, "pass", "pass", "pass", "counting"),
        (DRAWN, "torch.randperm(2, generator=g)", "pass", "pass", MSE),
        (PLAIN, "pass", "data.noisy = True", "data.noisy = False", MSE),
    ],
    ids=["counter", "counting loss", "shared generator", "switch"],
)
def test_what_also_changes_the_training(
    tmp_path: Path, before: str, inside: str, epoch: str, after: str, criterion: str
) -> None:
    assert not evaluated(tmp_path, before, inside, epoch, after, criterion)


@pytest.mark.parametrize(
    ("before", "inside", "epoch"),
    [
        (PLAIN, "calls += 1", "pass"),
        (OWN, "pass", "pass"),
        (ONCE, "pass", "pass"),
        (PLAIN, "pass", "data.noisy = True"),
    ],
    ids=["a counter that is only printed", "a generator of its own", "a generator before the training", "no switch"],
)
def test_what_only_measures(tmp_path: Path, before: str, inside: str, epoch: str) -> None:
    assert evaluated(tmp_path, before, inside, epoch, "pass", MSE)


@pytest.mark.parametrize(("layer", "guard"), [("nn.BatchNorm1d(2)", True), ("nn.Linear(2, 2)", False)])
def test_an_evaluation_in_training_mode(layer: str, guard: bool, tmp_path: Path) -> None:
    """It moves the statistics of BatchNorm, which are put back."""
    script = f"""\
import torch
from torch import nn

model = nn.Sequential({layer}, nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def test(model):
    with torch.no_grad():
        loss = nn.functional.mse_loss(model(torch.ones(4, 2)), torch.ones(4, 1)).item()
    return loss


for epoch in range(3):
    model.train()
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    loss = test(model)
    print(f"loss {{loss}}")
"""
    evaluation = plan_of(written(tmp_path, script, {})).evaluation
    assert evaluation is not None
    assert evaluation.guarded is guard


KEEPING = """\
import torch
from torch import nn

state, history = {{"calls": 0, "lr": 0.1}}, []
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


class Evaluator:
    def __init__(self, model):
        self.model, self.calls, self.history, self.seen = model, 0, [], {{"loss": []}}

    def run(self):
        self.model.eval()
        with torch.no_grad():
            loss = nn.functional.mse_loss(self.model(torch.ones(4, 2)), torch.ones(4, 1)).item()
        parts = []
        parts.append(loss)
        {inside}
        return loss


evaluator = Evaluator(model)
for epoch in range(3):
    {before}
    model.train()
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    loss = evaluator.run()
    parts = [loss]
    print(f"loss {{loss}}")
    {after}
"""
LOWER = "optimizer.param_groups[0]['lr'] = 0.1 / (1 + {})"


@pytest.mark.parametrize(
    ("inside", "after", "reason"),
    [
        ("self.calls += 1", LOWER.format("evaluator.calls"), "changes evaluator.calls"),
        ("self.history.append(loss)", LOWER.format("len(evaluator.history)"), "changes evaluator.history"),
        ("history.append(loss)", LOWER.format("len(history)"), "changes history"),
        ("state['calls'] += 1", LOWER.format("state['calls']"), "changes state['calls']"),
        ("state['calls'] += 1", "if state['calls'] > 2: break", "sets state['calls'], which ends the training"),
        ("history.append(loss)", "if len(history) > 1 and history[-1] > history[-2]: break", "sets history"),
        ("for group in optimizer.param_groups: group['lr'] *= 0.5", "pass", "changes the settings of the optimizer"),
        ("optimizer.param_groups[0]['lr'] *= 0.5", "pass", "changes the settings of the optimizer"),
        ("for p in model.parameters(): p.data.clamp_(-1, 1)", "pass", "changes the weights of the model"),
        ("for p in model.parameters(): p.requires_grad = False", "pass", "changes the weights of the model"),
        ("state['seen'] = loss", LOWER.format("state['calls']"), ""),
        ("state['lr'] = loss", "", "changes state['lr']"),
        ("self.rate = loss", "", "changes evaluator.rate"),
        ("state['lr'] = loss", LOWER.format("state['lr']"), ""),
        ("self.history.append(loss)", "print(evaluator.history)", ""),
        ("self.seen['loss'].append(loss)", LOWER.format("evaluator.calls"), ""),
        ("pass", "if len(parts) > 2: break", ""),
        ("print([group['lr'] for group in optimizer.param_groups])", "pass", ""),
        ("print(sum(p.sum().item() for p in model.parameters()))", "pass", ""),
    ],
)
def test_what_an_evaluation_keeps_around_it(inside: str, after: str, reason: str, tmp_path: Path) -> None:
    kept = "evaluator.rate" if "rate" in inside else "state['lr']"
    before = "pass" if after else f"optimizer.param_groups[0]['lr'] = {kept}"
    plan = plan_of(written(tmp_path, KEEPING.format(inside=inside, after=after, before=before), {}))
    told = [decision.decision for decision in plan.decisions if decision.subject == "metrics"]
    assert (plan.evaluation is None) == bool(reason)
    assert not reason or f"Evaluator.run() also {reason}" in told[0]


MEASURING = """\
import torch
from torch import nn


class Meter:
    def __init__(self):
        self.losses = []

    def reset(self):
        self.losses = []

    def update(self, loss):
        self.losses.append(loss)

    def mean(self):
        return sum(self.losses) / len(self.losses)


def test(model, meter):
    model.eval()
    meter.reset()
    with torch.no_grad():
        meter.update(nn.functional.mse_loss(model(torch.ones(4, 2)), torch.ones(4, 1)).item())
    return meter.mean()


meter = Meter()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    model.train()
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    loss = test(model, meter=meter)
    print(f"loss {loss}")
"""


def test_a_meter_that_the_loop_gives_an_evaluation(tmp_path: Path) -> None:
    assert plan_of(written(tmp_path, MEASURING, {})).evaluation is not None
