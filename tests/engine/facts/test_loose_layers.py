"""Layers that the model does not hold: found wherever the model keeps them, unless their weights are the same at all
sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.source import Project

SCRIPT = """
import torch
from functools import partial
from torch import nn

{outside}

def through(layer, x):
    return layer(x.relu())

def make_head():
    layer = nn.Linear(4, 3)
    def head(x):
        return layer(x)
    return head

class Head:
    def __init__(self):
        self.layer = nn.Linear(4, 3)
    def __call__(self, x):
        return self.layer(x)
    def run(self, x):
        return self.layer(x)

class Net(nn.Module):
    {of_class}
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 4)
        {kept}
    def forward(self, x{default}):
        return {computed}

model = Net()
{model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x in loader:
        model(x).sum().backward()
        optimizer.step()
"""
HEAD = "head = nn.Linear(4, 3)\n"
LOCAL = "layer = nn.Linear(4, 3)\n        "
BODY = "self.head(self.body(x))"


def script(outside="", of_class="", kept="pass", default="", computed=BODY, model="") -> str:
    """A program whose model keeps a layer somewhere."""
    return SCRIPT.format(outside=outside, of_class=of_class, kept=kept, default=default, computed=computed, model=model)


def found(folder: Path, text: str) -> list[str]:
    """What is told of a program."""
    (folder / "train.py").write_text(text)
    return [layer.text for layer in gather(Project(folder / "train.py")).loose_layers]


@pytest.mark.parametrize(
    "parts",
    [
        {"kept": LOCAL + "self.head = lambda x: layer(x)"},
        {"kept": LOCAL + "self.head = lambda x, layer=layer: layer(x)"},
        {"kept": "self.head = lambda x: nn.Linear(4, 3)(x)"},
        {"kept": "layers = [nn.Linear(4, 3)]\n        self.head = lambda x: layers[0](x)"},
        {"kept": LOCAL + "def head(x):\n            return layer(x)\n        self.head = head"},
        {"kept": "self.head = make_head()"},
        {"kept": "self.head = partial(through, nn.Linear(4, 3))"},
        {"kept": LOCAL + "self.head = partial(lambda x, layer: layer(x), layer=layer)"},
        {"kept": LOCAL + "self.head = partial(layer)"},
        {"kept": "self.head = Head()"},
        {"kept": "self.head = Head()", "computed": "self.head.run(self.body(x))"},
        {"kept": LOCAL + "self.body.register_forward_hook(lambda module, given, out: layer(out))", "computed": "x"},
        {"of_class": "head = nn.Linear(4, 3)"},
        {"outside": "head = nn.Linear(4, 3)", "computed": "head(self.body(x))"},
        {"outside": "head = nn.Linear(4, 3)\ndef use(x):\n    return head(x)", "computed": "use(self.body(x))"},
        {"default": ", head=nn.Linear(4, 3)", "computed": "head(self.body(x))"},
        {"computed": "nn.Linear(4, 3)(self.body(x))"},
    ],
)  # fmt: skip
def test_a_layer_that_the_model_computes_with_and_does_not_hold_is_found(tmp_path: Path, parts: dict[str, str]) -> None:
    assert found(tmp_path, script(**parts)) == ["nn.Linear(4, 3)"]


@pytest.mark.parametrize(
    "parts",
    [
        {"kept": "self.layer = nn.Linear(4, 3)\n        self.head = lambda x: self.layer(x)"},
        {"kept": "self.head = self.layer = nn.Linear(4, 3)"},
        {"kept": "self.layer = nn.Linear(4, 3)\n        self.head = partial(through, self.layer)"},
        {"kept": LOCAL + "self.add_module('layer', layer)\n        self.head = lambda x: layer(x)"},
        {"kept": LOCAL + "setattr(self, 'layer', layer)\n        self.head = lambda x: layer(x)"},
        {
            "kept": LOCAL
            + "self.all = nn.ModuleList()\n        self.all.append(layer)\n        self.head = lambda x: layer(x)"
        },
        {"kept": LOCAL + "self.all = nn.Sequential(nn.ReLU(), layer)\n        self.head = lambda x: layer(x)"},
        {"kept": LOCAL + "self.norm = nn.utils.weight_norm(layer)\n        self.head = lambda x: layer(x)"},
        {"kept": "self.head = lambda x: nn.LayerNorm(4)(nn.ReLU()(x))"},
        {"kept": "self.head = lambda x: x", "outside": "unused = nn.Linear(4, 3)"},
        {"outside": "head = nn.ReLU()", "computed": "head(self.body(x))"},
        {"computed": "self.lazily(x)", "of_class": "def lazily(self, x):\n        self.head = nn.Linear(4, 3)"},
        {"outside": HEAD + "head.load_state_dict(torch.load('h.pt'))", "computed": "head(self.body(x))"},
        {"outside": HEAD + "from timm import load_checkpoint as get\nget(head, '')", "computed": "head(self.body(x))"},
        {"outside": HEAD + "nn.init.eye_(head.weight)", "computed": "head(self.body(x))"},
        {"outside": HEAD + "head.weight.data.copy_(torch.eye(4))", "computed": "head(self.body(x))"},
        {"outside": HEAD + "head.weight = nn.Parameter(torch.eye(4))", "computed": "head(self.body(x))"},
        {"outside": "head = torch.hub.load('repository', 'head')", "computed": "head(self.body(x))"},
        {"model": "import copy\nfirst = copy.deepcopy(model)\nmodel.register_forward_hook(lambda m, i, o: first(o))"},
    ],
)  # fmt: skip
def test_layers_of_the_model_and_those_that_are_the_same_everywhere_are_not(
    tmp_path: Path, parts: dict[str, str]
) -> None:
    assert found(tmp_path, script(**parts)) == []
