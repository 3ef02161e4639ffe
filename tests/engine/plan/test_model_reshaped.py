"""A model whose layers are set by functions that it is handed to is built with them at the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.result import Result
from engine.source import Project

BEFORE = """\
import torch
from torch import nn
from torch.nn.utils import parametrizations


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.body(x))


class Adapter(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base, self.more = base, nn.Linear(2, 2)

    def forward(self, x):
        return self.base(x) + self.more(x)


def add_adapters(module):
    for name, child in module.named_children():
        setattr(module, name, Adapter(child))
    return module


def new_head(module, size):
    module.head = nn.Linear(2, size)


def add_norms(module):
    for layer in module.children():
        parametrizations.spectral_norm(layer)


def tie(module):
    module.head.weight = module.body.weight


def build():
    return Net()


"""
AFTER = """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
"""
RESHAPED = {
    "adapters": "add_adapters(model)",
    "head": "new_head(model, 5)",
    "norms": "add_norms(model)",
    "tied in a function": "tie(model)",
    "tied": "model.head.weight = model.body.weight",
    "added": "model.add_module('more', nn.Linear(2, 2))",
}
ELSEWHERE = "def main():\n    new_head(model, 5)\n\n\nmodel = Net()\nmain()"
OPTION = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--wide', action='store_true')\n"
OTHERS = {
    "of another model": "model = Net()\nteacher = Net()\nadd_adapters(teacher)",
    "by an option": OPTION + "model = Net()\nif parser.parse_args().wide:\n    new_head(model, 5)",
}


def plan_for(folder: Path, text: str) -> Plan | list[Result]:
    """The plan for a script, or why it is refused."""
    script = folder / "train.py"
    script.write_text(BEFORE + text + "\n" + AFTER)
    return make_plan(gather(Project(script)))


@pytest.mark.parametrize("statements", RESHAPED.values(), ids=RESHAPED)
def test_the_server_builds_it_by_the_same_statements(tmp_path: Path, statements: str) -> None:
    plan = plan_for(tmp_path, f"model = Net()\n{statements}")
    assert isinstance(plan, Plan)
    assert plan.model.class_path == "model.build_model"
    body = "".join(f"    {line}\n" for line in statements.splitlines())
    assert f"    model = Net()\n{body}    return model\n" in plan.model.text


def test_a_call_around_the_construction(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, "model = add_adapters(Net())")
    assert isinstance(plan, Plan)
    assert "    return add_adapters(Net())\n" in plan.model.text


@pytest.mark.parametrize("change", ["model.head = nn.Linear(model.body.out_features, 5)", "new_head(model, 5)"])
def test_a_model_that_a_function_returns_is_changed_beside_its_call(tmp_path: Path, change: str) -> None:
    plan = plan_for(tmp_path, f"def main():\n    global model\n    model = build()\n    {change}\n\n\nmain()")
    assert isinstance(plan, Plan)
    assert f"    model = build()\n    {change}\n    return model\n" in plan.model.text


def test_layers_set_away_from_the_construction_are_refused(tmp_path: Path) -> None:
    refused = plan_for(tmp_path, ELSEWHERE)
    assert isinstance(refused, list)
    assert ["away from where it is built" in result.message for result in refused] == [True]


@pytest.mark.parametrize("statements", OTHERS.values(), ids=OTHERS)
def test_what_is_no_change_of_the_model(tmp_path: Path, statements: str) -> None:
    plan = plan_for(tmp_path, statements)
    assert isinstance(plan, Plan)
    assert plan.model.class_path == "model.Net"
