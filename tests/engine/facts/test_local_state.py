"""State beside the model: what the training or the evaluation goes by is told, what is only reported is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import collections
import copy
import random
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler


class Keeper:
    def __init__(self):
        self.mean, self.count, self.total = torch.zeros(2), 0, 0.0

    def update(self, x):
        self.count += len(x)
        self.mean = self.mean + (x - self.mean).sum(0) / self.count

    def add(self, value):
        self.total += value

    def __call__(self, x):
        return x - self.mean


class Centers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("centers", torch.zeros(3, 3))

    def forward(self, out, y):
        for label in y.unique():
            self.centers[label] += 0.5 * (out[y == label].detach().mean(0) - self.centers[label])
        return ((out - self.centers[y]) ** 2).mean()


class Average:
    mean = torch.zeros(2)

    @classmethod
    def update(cls, x):
        cls.mean = 0.9 * cls.mean + 0.1 * x.mean(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.kept, self.shown = nn.Linear(2, 3), {kept}, None
        self.register_buffer("mean", torch.zeros(2))

    def sized(self, count):
        return torch.zeros(count, 3)

    def forward(self, x):
        self.shown = x.softmax(1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            {passed}
        return self.layer(x - self.mean) + self.kept


class Relabelled(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


x, y = torch.randn(12, 2), torch.arange(12) % 3
data = TensorDataset(x, y)
loader, test_loader = DataLoader(data, batch_size=4), DataLoader(data, batch_size=4)
model, criterion, keeper = Net(), nn.CrossEntropyLoss(), Keeper()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}


def evaluate():
    {first}
    correct = 0
    with torch.no_grad():
        for xb, yb in test_loader:
            correct += ({measured}.argmax(1) == yb).sum().item()
            {counted}
    return correct / len(data)


for epoch in range(3):
    {start}
    for xb, yb in loader:
        optimizer.zero_grad()
        out = model({given})
        loss = criterion(out, yb){more}
        loss.backward()
        optimizer.step()
        {inner}
    {end}
    accuracy = evaluate()
"""
PLAIN = {
    "kept": "0.0", "passed": "pass",
    "before": "", "first": "pass", "measured": "model(xb)", "counted": "pass", "start": "pass", "given": "xb",
    "more": "", "inner": "pass", "end": "pass",
}  # fmt: skip
TRAINS = {
    "previous": {
        "more": "\n        if epoch > 0:\n            loss = loss + ((out - previous) ** 2).mean()",
        "end": "previous = out.detach().mean(0)",
    },
    "last": {
        "more": "\n        loss = loss + (((out - last) ** 2).mean() if epoch > 0 else 0.0)",
        "end": "last = out.detach().mean(0)",
    },
    "step.seen": {
        "before": "def step(x, seen=[]):\n    seen.append(x)\n    return torch.cat(seen).mean()",
        "more": " * step(out.detach())",
    },
    "keeper.total": {
        "more": " + getattr(keeper, 'total')",
        "inner": "setattr(keeper, 'total', out.detach().mean())",
    },
    "norm": {
        "before": "norm = torch.ones(1)",
        "inner": "norm = 0.9 * norm + 0.1 * nn.utils.clip_grad_norm_(model.parameters(), norm)",
    },
    "masks": {
        "before": "masks = {}",
        "inner": "for name, p in model.named_parameters():\n            p.data.mul_(masks.get(name, 1))",
        "end": "for name, p in model.named_parameters():\n        masks[name] = p.abs() > 0.1",
    },
    "bounds": {
        "before": "bounds = {}",
        "inner": "for name, p in model.named_parameters():\n            p.data = p.data.clamp(max=bounds.get(name))",
        "end": "for name, p in model.named_parameters():\n        bounds[name] = p.max()",
    },
    "scaler": {
        "before": "from sklearn.preprocessing import StandardScaler\nscaler = StandardScaler()",
        "inner": "scaler.partial_fit(xb)",
        "given": "torch.tensor(scaler.transform(xb))",
    },
    "delta": {"before": "delta = torch.zeros(2)", "given": "xb + delta", "inner": "delta -= delta.grad"},
    "evaluate.scale": {
        "before": "def evaluate(): pass\nevaluate.scale = torch.ones(3)",
        "more": " * evaluate.scale.mean()",
        "inner": "evaluate.scale += out.detach().mean(0)",
    },
    "queue": {
        "before": "queue = torch.randn(8, 3)",
        "more": " + (out @ queue.t()).mean()",
        "inner": "queue[:4] = out.detach()",
    },
    "centers": {
        "before": "centers = torch.zeros(3, 3)",
        "more": " + ((out - centers[yb]) ** 2).mean()",
        "inner": "centers[yb] += 0.1 * (out.detach() - centers[yb])",
    },
    "spread.centers": {
        "before": "spread = Centers()",
        "more": " + spread(out, yb)",
    },
    "teacher": {
        "before": "teacher = nn.Linear(2, 3); teacher.load_state_dict(torch.load('teacher.pt'))",
        "more": " + ((out - teacher(xb)) ** 2).mean()",
        "end": "teacher = copy.deepcopy(model)",
    },
    "student": {
        "before": "student = nn.Linear(2, 3); student.load_state_dict(torch.load('student.pt'))",
        "more": " + ((out - student(xb)) ** 2).mean()",
        "end": "student.load_state_dict(model.state_dict())",
    },
    "each": {
        "before": "each = np.ones(4)",
        "more": " * torch.tensor(each).mean()",
        "inner": "each[:] = out.detach().numpy()[:, 0]",
    },
    "memory": {
        "before": "memory = collections.deque(maxlen=9)",
        "more": " + criterion(model(random.choice(memory or [xb])), yb)",
        "inner": "memory.append(xb)",
    },
    "state": {
        "before": "state = {'weight': torch.ones(3)}",
        "more": " * state['weight'].mean()",
        "inner": "state['weight'] = 0.9 * state['weight'] + out.detach().mean(0)",
    },
    "table": {
        "before": "table, counted = torch.ones(3), torch.zeros(3)",
        "more": " * table[yb].mean()",
        "inner": "counted += out.detach().mean(0)",
        "end": "table = counted / 3; counted = torch.zeros(3)",
    },
    "hidden": {
        "before": "hidden = torch.zeros(3)",
        "given": "xb + hidden[:2]",
        "inner": "hidden = out.detach()[0]",
    },
    "sampler.weights": {
        "before": "sampler = WeightedRandomSampler(torch.ones(12), 12); loader = DataLoader(data, 4, sampler=sampler)",
        "end": "sampler.weights = model(x).detach()[:, 0].exp()",
    },
    "own.y": {
        "before": "own = Relabelled(x, y); loader = DataLoader(own, 4)",
        "end": "own.y = model(x).argmax(1)",
    },
    "balance": {
        "before": "balance = 1.0",
        "more": " * balance",
        "end": "balance = 0.9 * balance + 0.1 * evaluate()",
    },
}
MEASURES = {
    "model.kept": {"kept": "np.zeros(3)", "passed": "self.kept = 0.9 * self.kept + x.mean(0).numpy()"},
    "model.helper.mean": {
        "kept": "0.0, None; self.helper, _ = Keeper()",
        "passed": "self.helper.update(x)\n        x = self.helper(x)",
    },
    "Average.mean": {
        "given": "xb - Average.mean",
        "inner": "Average.update(xb)",
        "measured": "model(xb - Average.mean)",
    },
    "keeper.mean": {
        "given": "keeper(xb)",
        "inner": "keeper.update(xb)",
        "measured": "model(keeper(xb))",
    },
    "prototypes": {
        "before": "prototypes = torch.zeros(3, 3)",
        "measured": "-torch.cdist(model(xb), prototypes)",
        "inner": "prototypes[yb] = out.detach()",
    },
    "norm.running statistics": {
        "before": "norm = nn.BatchNorm1d(2)",
        "given": "norm(xb)",
        "measured": "model(norm(xb))",
    },
    "normed.running statistics": {
        "before": "class Normed(nn.BatchNorm1d):\n    pass\nnormed = Normed(2)",
        "given": "normed(xb)",
        "measured": "model(normed(xb))",
    },
    "head.norm.running statistics": {
        "before": "class Head(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.norm = nn.BatchNorm1d(2)\n    def forward(self, x):\n        return self.norm(x)\nhead = Head()",
        "given": "head(xb)",
        "measured": "model(head(xb))",
    },
    "stem.running statistics": {
        "before": "stem = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(2))",
        "given": "stem(xb)",
        "measured": "model(stem(xb))",
    },
    "own.mean": {
        "before": "class Own(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.register_buffer('mean', torch.zeros(2))\n    def forward(self, x):\n        if self.training:\n"
        "            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)\n        return x - self.mean\nown = Own()",
        "given": "own(xb)",
        "measured": "model(own(xb))",
    },
    "switched.running statistics": {
        "before": "switched = nn.BatchNorm1d(2)",
        "start": "switched.train()",
        "first": "switched.eval()",
        "given": "switched(xb)",
        "measured": "model(switched(xb))",
    },
    "found": {
        "before": "found = torch.zeros(3)",
        "measured": "(model(xb) + found)",
        "end": "found = out.detach().mean(0)",
    },
}
NOTHING = {
    "meter": {
        "first": "keeper.total = 0.0",
        "counted": "keeper.add(1.0)",
        "inner": "keeper.add(loss.item())",
        "end": "print(keeper.total)",
    },
    "losses": {
        "before": "losses, best = [], 0.0",
        "inner": "losses.append(loss.item()); best = max(best, loss.item())",
        "end": "print(np.mean(losses), best)",
    },
    "set anew": {
        "start": "centers = torch.zeros(3)",
        "more": " + (out - centers).mean()",
        "inner": "centers = out.detach()[0]",
    },
    "set anew, there before": {
        "before": "centers = torch.zeros(3)",
        "start": "centers = torch.zeros(3)",
        "more": " + (out - centers).mean()",
        "inner": "centers += out.detach()[0]",
    },
    "constant": {
        "before": "weights = torch.ones(3)",
        "more": " * weights[yb].mean()",
    },
    "counter": {
        "before": "seen = 0",
        "more": " / (1 + seen)",
        "inner": "seen += len(xb)",
    },
    "order": {
        "start": "order = torch.randperm(12); x, y = x[order], y[order]",
        "more": " + model(x).mean()",
    },
    "cache": {
        "before": "cache = {}",
        "start": "cache.setdefault(0, x - x.mean())",
        "given": "cache[0][:4]",
    },
    "iterator": {
        "before": "batches = iter(loader)",
        "given": "next(batches)[0]",
        "end": "batches = iter(loader)",
    },
    "confusion": {
        "before": "matrix = np.zeros((3, 3))",
        "inner": "np.add.at(matrix, (yb.numpy(), out.argmax(1).numpy()), 1)",
        "end": "print(matrix)",
    },
    "averages": {
        "before": "running = 0.0",
        "inner": "running = 0.9 * running + 0.1 * loss.item()",
        "end": "print(running)",
    },
    "mask": {
        "kept": "None",
        "passed": "self.kept = self.sized(len(x)) if self.kept is None else self.kept",
    },
    "by its argument": {
        "before": "def step(x, split):\n    if split == 'train':\n        keeper.out = model(x)\n"
        "    elif split == 'test':\n        keeper.out = None",
        "given": "xb",
        "more": " + (step(xb, 'train') or keeper.out.mean())",
    },
    "record": {
        "before": "record = {}",
        "counted": "record['right'] = correct",
        "inner": "record['loss'] = loss.item()",
        "end": "print(record)",
    },
    "of a passing test": {"before": "best = 0.0", "end": "best = max(best, evaluate()); print(f'accuracy {best:.3f}')"},
    "frozen": {
        "before": "norm = nn.BatchNorm1d(2); norm.eval()",
        "given": "norm(xb)",
        "measured": "model(norm(xb))",
    },
    "first of a loop": {
        "before": "held = torch.zeros(3)",
        "start": "for i, part in enumerate(loader):\n        if i == 0:\n            held = model(part[0]).detach()[0]",
        "more": " + (out - held).mean()",
    },
    "new list": {
        "before": "def step(x, seen=None):\n    seen = []\n    seen.append(x)\n    return torch.cat(seen).mean()",
        "more": " * step(out.detach())",
    },
    "given list": {
        "before": "def step(x, seen=[]):\n    seen.append(x)\n    return torch.cat(seen).mean()",
        "more": " * step(out.detach(), [])",
    },
    "frozen in a module": {
        "before": "stem = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(2)); stem.eval()",
        "given": "stem(xb)",
        "measured": "model(stem(xb))",
    },
    "of the model itself": {
        "before": "model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)); whole = nn.DataParallel(model)\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
        "more": " + whole(xb).mean()",
        "measured": "whole(xb)",
    },
    "clipped": {
        "inner": "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    },
    "type of the output": {
        "before": "weights = torch.ones(3, dtype=torch.float64)",
        "inner": "weights = weights.type_as(out).to(out)",
        "measured": "(weights * model(xb))",
        "more": " + weights[0]",
    },
    "layers of another module": {
        "before": "class Trunk(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layer = self.block()\n    def block(self):\n        return nn.Sequential(nn.BatchNorm1d(2))\n"
        "class Whole(nn.Module):\n    def __init__(self):\n        super().__init__()\n        trunk = Trunk()\n"
        "        self.layer, self.head = trunk.layer, nn.Linear(2, 3)\n"
        "    def forward(self, x):\n        return self.head(self.layer(x))\n"
        "model = Whole()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
    },
}


def facts_of(folder: Path, changes: dict[str, str]):
    """The facts of the script with some of its lines written otherwise."""
    script = folder / "train.py"
    script.write_text(SCRIPT.format(**PLAIN | changes))
    compile(script.read_text(), "train.py", "exec")
    return gather(Project(script))


@pytest.mark.parametrize("name", TRAINS)
def test_what_training_goes_by_is_told(name, tmp_path):
    facts = facts_of(tmp_path, TRAINS[name])
    assert [(state.name, state.measures) for state in facts.local_state] == [(name, False)]
    plan = make_plan(facts)
    assert isinstance(plan, Plan)
    decision = next(decision for decision in plan.decisions if decision.subject == "state beside the model")
    assert f"its own {name}:" in decision.decision


@pytest.mark.parametrize("name", MEASURES)
def test_what_the_evaluation_goes_by_is_found(name, tmp_path):
    assert [(state.name, state.measures) for state in facts_of(tmp_path, MEASURES[name]).local_state] == [(name, True)]


@pytest.mark.parametrize("name", NOTHING)
def test_what_nothing_goes_by_is_left_alone(name, tmp_path):
    assert facts_of(tmp_path, NOTHING[name]).local_state == ()


@pytest.mark.parametrize(("kept", "is_loop"), [("centers = torch.zeros(3, 3)", True), ("print(epochs)", False)])
def test_a_round_does_not_begin_with_new_state(kept, is_loop, tmp_path):
    fit = f"""
def fit(epochs):
    {kept}
    for epoch in range(epochs):
        for xb, yb in loader:
            optimizer.zero_grad()
            out = model(xb)
            (criterion(out, yb) + ((out - centers[yb]) ** 2).mean()).backward()
            optimizer.step()
            centers[yb] = out.detach()


fit(3)
accuracy = evaluate()
"""
    script = tmp_path / "train.py"
    text = SCRIPT.format(**PLAIN | {"before": "centers = torch.zeros(3, 3)"})
    script.write_text(text[: text.index("for epoch in range")] + fit)
    facts = gather(Project(script))
    assert [state.name for state in facts.local_state] == ["centers"]
    assert make_plan(facts).frame.is_loop is is_loop
