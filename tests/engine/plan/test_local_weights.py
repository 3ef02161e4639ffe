"""Weights that the script keeps may not come into the model inside the epoch loop, in whatever way."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import copy
import torch
from torch import nn
def keep(model, kept):
    for p, s in zip(model.parameters(), kept):
        p.data.copy_(s)
class Attack:
    def __init__(self, model):
        self.model, self.backup, self.best = model, {{}}, None
    def run(self):
        for name, p in self.model.named_parameters():
            self.backup[name] = p.data.clone()
            p.data.add_(p.grad)
    def restore(self):
        for name, p in self.model.named_parameters():
            p.data.copy_(self.backup[name])
    def look(self, loss):
        if loss < 1:
            self.best = [p.detach().clone() for p in self.model.parameters()]
        else:
            for p, s in zip(self.model.parameters(), self.best):
                p.data.copy_(s)
    def give_back(self):
        for name, p in self.model.named_parameters():
            p.data = self.backup[name]
model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 1))
attack = Attack(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
best = copy.deepcopy(model)
state, head = copy.deepcopy(model.state_dict()), copy.deepcopy(model[0].state_dict())
slow = [p.detach().clone() for p in model.parameters()]
vector = nn.utils.parameters_to_vector(model.parameters())
restore = model.load_state_dict
for epoch in range(3):
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
{after}
"""


def planned(after: str, folder: Path) -> object:
    """The plan of the script with some statements at the end of its epochs, or what refuses it."""
    script = folder / "train.py"
    script.write_text(SCRIPT.format(after=indent(dedent(after), "    ")))
    return make_plan(gather(Project(script)))


@pytest.mark.parametrize(
    "after",
    [
        "model.load_state_dict(state)",
        "restore(state)",
        "nn.Module.load_state_dict(model, state)",
        "model[0].load_state_dict(head)",
        "nn.utils.vector_to_parameters(vector, model.parameters())",
        "for p, s in zip(model.parameters(), slow):\n    p.data.copy_(s)",
        "keep(model, slow)",
        "for p, s in zip(model.parameters(), slow):\n    p.data = s",
        "model[0].weight.data = head['weight']",
        "model = copy.deepcopy(best)",
        "model = best",
        "attack.look(epoch)",
    ],
)
def test_kept_weights_are_refused(after: str, tmp_path: Path) -> None:
    refused = planned(after, tmp_path)
    assert isinstance(refused, list)
    assert [result.code for result in refused] == ["FLR154"]


def test_layers_that_only_an_option_builds_in_the_loop_are_no_reason(tmp_path: Path) -> None:
    branch = "import os\ngrow = int(os.environ.get('GROW', '0'))\nif grow:\n    model.head = nn.Linear(2, 3)"
    assert isinstance(planned(branch, tmp_path), Plan)


def test_layers_built_in_the_loop_are_refused(tmp_path: Path) -> None:
    refused = planned("model.head = nn.Linear(2, 3)", tmp_path)
    assert isinstance(refused, list)
    assert [result.code for result in refused] == ["FLR163"]


@pytest.mark.parametrize(
    "after",
    [
        "state = copy.deepcopy(model.state_dict())",
        "for p in model.parameters():\n    p.data.copy_(p.data.clamp(-1, 1))",
        "model[0].load_state_dict(model[2].state_dict())",
        "attack.run()\nattack.restore()",
        "attack.run()\nattack.give_back()",
        "for p in model.parameters():\n    p.data = p.data.clamp(-1, 1)",
        "model.drop = nn.Dropout(0.1)",
        "model = model.train()",
    ],
)
def test_weights_of_the_round_itself_stay(after: str, tmp_path: Path) -> None:
    assert isinstance(planned(after, tmp_path), Plan)
