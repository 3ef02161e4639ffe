"""One thing that a rule refuses, in the shapes in which people write it, and what merely looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.source import Project
from rules import blockers

LOOP = """
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        {step}
    {epoch}
"""
START = """
import copy, itertools, random
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
loader = test_loader = torch.load("batches.pt", weights_only=True)
@torch.no_grad()
def evaluate(model):
    return sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader)
"""
MODEL = "model = nn.Linear(4, 2)"
SGD = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"


def script(*before: str, step: str = "pass", epoch: str = "print(evaluate(model))", optimizer: str = SGD) -> str:
    """A training script: what stands before its loop, and in it."""
    loop = LOOP.format(step=step.replace("\n", "\n        "), epoch=epoch.replace("\n", "\n    "))
    return "\n".join([START, *before, optimizer, loop])


def net(constructor: str, forward: str, before: str = "") -> str:
    """A model that builds something in its constructor and uses it in its forward pass."""
    return f"""
{before}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        {constructor}
    def forward(self, x):
        {forward}
model = Net()
"""


FIT = f"""
def fit(lr=0.1):
    {MODEL}
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    {LOOP.format(step="pass", epoch="print(evaluate(model))").strip().replace(chr(10), chr(10) + "    ")}
    return evaluate(model)
"""
COPY = f"{MODEL}\nother = copy.deepcopy(model)"
FOLLOWED = "self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)\n        return self.head(x - self.mean)"
WORDS = 'words = set(open("text.txt").read().split())\n'

AVERAGES = [
    script(
        COPY, step="for p, q in zip(other.parameters(), model.parameters()):\n    p.data += 0.1 * (q.data - p.data)"
    ),
    script(
        COPY,
        step="torch._foreach_lerp_(list(other.parameters()), list(model.parameters()), 0.1)",
        epoch="print(evaluate(other))",
    ),
    script(
        MODEL,
        "other = nn.Linear(4, 2)",
        epoch="print(evaluate(other))",
        step="other.load_state_dict({k: (v + model.state_dict()[k]) / 2 for k, v in other.state_dict().items()})",
    ),
]
SEVERAL = [
    script(MODEL, "other = nn.Linear(2, 4)", optimizer=f"{SGD}\n{added}")
    for added in ('optimizer.add_param_group({"params": other.parameters()})',)
] + [
    script(
        MODEL,
        "other = nn.Linear(2, 4)",
        "weights = list(model.parameters())",
        joined,
        optimizer="optimizer = torch.optim.SGD(weights, lr=0.1)",
    )
    for joined in ("weights.extend(other.parameters())", "weights += other.parameters()")
]
LOOSE = [
    script(MODEL, f"scale = {tensor}", optimizer=f"optimizer = torch.optim.SGD({given}, lr=0.1)")
    for tensor in ("nn.Parameter(torch.ones(1))", "torch.ones(1, requires_grad=True)")
    for given in (
        "[*model.parameters(), scale]",
        "list(model.parameters()) + [scale]",
        '[{"params": model.parameters()}, {"params": [scale]}]',
    )
]
RUNS = [
    START + FIT + again
    for again in (
        "[fit(lr) for lr in (0.1, 0.01)]",
        "{lr: fit(lr) for lr in (0.1, 0.01)}",
        "for lr in (0.1, 0.01): fit(lr)",
    )
]
BUFFERS = (
    [
        script(net(register, FOLLOWED, before="KEEP = False"))
        for register in (
            'self.register_buffer("mean", torch.zeros(4), persistent=KEEP)',
            'for name in ("mean",): self.register_buffer(name, torch.zeros(4), persistent=False)',
            "self.mean = nn.Buffer(torch.zeros(4), persistent=False)",
        )
    ]
    + [
        script(net(constant, "return self.head(x @ self.constant)"))
        for constant in (
            "self.constant = torch.randn(4, 4) / 2",
            "drawn = torch.rand(4, 4)\n        self.constant = (drawn > 0.5).float()",
            "self.constant = torch.from_numpy(np.random.randn(4, 4)).float()",
        )
    ]
    + [
        script(
            net("self.mean = torch.zeros(4)", FOLLOWED).replace("model = Net()", "class Sub(Net): pass\nmodel = Sub()")
        )
    ]
)
VOCABULARIES = [
    script(WORDS, ids, MODEL)
    for ids in (
        "ids = dict(zip(words, range(len(words))))",
        "ids = dict((word, i) for i, word in enumerate(words))",
        "ids = {word: i for i, word in enumerate([w.lower() for w in words])}",
        "words = ['<pad>'] + list(words)\nids = {word: i for i, word in enumerate(words)}",
        "words = list(words)\nids = {words[i]: i for i in range(len(words))}",
        "words = list(words)\nids = {word: words.index(word) for word in words}",
        "ids = {}\nfor word in words:\n    ids.setdefault(word, len(ids))",
        "ids, number = {}, 0\nfor word in words:\n    ids[word] = number\n    number += 1",
        "numbers = itertools.count()\nids = {word: next(numbers) for word in words}",
        "def known(words):\n    return words.union(['<pad>'])\nids = {word: i for i, word in enumerate(known(words))}",
        "ids = {word: hash(word) % 100 for word in sorted(words)}",
    )
]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        *(("FLR113", text) for text in AVERAGES),
        *(("FLR108", text) for text in SEVERAL),
        *(("FLR121", text) for text in LOOSE),
        *(("FLR109", text) for text in RUNS),
        *(("FLR111", text) for text in BUFFERS),
        *(("FLR117", text) for text in VOCABULARIES),
        ("FLR116", script("class Dense(nn.LazyLinear): pass", "model = nn.Sequential(nn.ReLU(), Dense(2))")),
    ],
)
def test_every_shape_is_refused(tmp_path: Path, code: str, text: str) -> None:
    assert code in codes(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        script(COPY, epoch="print(evaluate(model))"),
        script(MODEL, "best = None", epoch="score = evaluate(model)\nbest = copy.deepcopy(model)"),
        script(MODEL, "teacher = nn.Linear(4, 2)\nteacher.load_state_dict({})\nprint(evaluate(teacher))"),
        script(
            MODEL,
            "weights = list(model.parameters())\nweights += []",
            optimizer=SGD.replace("model.parameters()", "weights"),
        ),
        script(
            net("self.scale = nn.Parameter(torch.ones(1))", "return self.head(x) * self.scale"),
            optimizer="optimizer = torch.optim.SGD(list(model.head.parameters()) + [model.scale], lr=0.1)",
        ),
        START + FIT + "for settings in [{'lr': 0.1}]: fit(**settings)",
        START + FIT + "scores = [power ** 2 for power in range(3)]\nfit()",
        script(net("self.activations = [nn.ReLU(), nn.Dropout(0.1)]", "return self.head(self.activations[0](x))")),
        script(net('self.register_buffer("constant", torch.randn(4, 4) / 2)', "return self.head(x @ self.constant)")),
        script(
            net("bound = torch.rand(4)\n        self.scale = nn.Parameter(bound)", "return self.head(x * self.scale)")
        ),
        *(
            script(WORDS, ids, MODEL)
            for ids in (
                "words = sorted(words)\nids = {word: i for i, word in enumerate(words)}",
                "words = list(words)\nwords.sort()\nids = dict(zip(words, range(len(words))))",
                "lengths = {word: len(word) for word in words}",
                "for number, word in enumerate(words): print(number)",
            )
        ),
    ],
)
def test_what_looks_alike_is_not(tmp_path: Path, text: str) -> None:
    assert codes(tmp_path, text) == set()


def codes(folder: Path, text: str) -> set[str]:
    """The rules that refuse a script."""
    (folder / "train.py").write_text(text)
    return {result.code for result in blockers(gather(Project(folder / "train.py")))}
