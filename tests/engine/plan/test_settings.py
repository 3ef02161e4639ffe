"""What the job sets means what the script does with it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from engine import output
from engine.facts import gather
from engine.pipeline import convert
from engine.plan import Plan, make_plan
from engine.source import Project

HEAD = """\
import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
epoch, passes = 1, 0
"""
STEP = """\
optimizer.zero_grad()
model(torch.ones(4, 2)).mean().backward()
optimizer.step()
"""


def plan_of(folder: Path, text: str) -> Plan:
    script = folder / "train.py"
    script.write_text(text)
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    return plan


def with_loop(loop: str) -> str:
    """A script with a loop; ``STEP`` in it becomes a training step, which notes a pass."""
    step = STEP + "passes += 1\n"
    return HEAD + "".join(indent(step, line[: -len("STEP\n")]) if "STEP" in line else line
                          for line in dedent(loop).splitlines(keepends=True))  # fmt: skip


LOOPS = [
    "for epoch in range(args.epochs):\n    STEP\n",
    "for epoch in range(1, args.epochs):\n    STEP\n",
    "for epoch in range(1, args.epochs + 1):\n    STEP\n",
    "while epoch < args.epochs:\n    STEP\n    epoch += 1\n",
    "while epoch <= args.epochs:\n    STEP\n    epoch = epoch + 1\n",
    "while args.epochs > epoch:\n    STEP\n    epoch += 1\n",
    "epoch = 0\nwhile epoch <= args.epochs:\n    STEP\n    epoch += 1\n",
    "while epoch < args.epochs + 1:\n    STEP\n    epoch += 1\n",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_the_option_is_told_what_makes_so_many_epochs(loop: str, tmp_path: Path) -> None:
    """The default is what the script trains, and 7 local epochs are 7 passes of the loop."""
    text = with_loop(loop)
    plan = plan_of(tmp_path, text)
    assert plan.epochs is not None
    assert passes(text, 5) == plan.epochs.default
    assert passes(text, 7 + plan.epochs.beyond) == 7


def passes(text: str, told: int) -> int:
    """How many passes a script makes that is told ``--epochs``; its training is left out."""
    loop = text[text.index("epoch, passes") :]
    for line in STEP.splitlines():
        loop = loop.replace(line, "pass")
    names: dict[str, object] = {"args": type("Namespace", (), {"epochs": told})}
    exec(loop, names)
    return names["passes"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    "loop",
    [
        "while epoch < args.epochs:\n    STEP\n    epoch += 2\n",
        "while epoch < args.epochs:\n    for _ in range(2):\n        STEP\n        epoch += 1\n",
        "while epoch < args.epochs:\n    STEP\n    epoch *= 2\n",
    ],
)
def test_a_count_that_is_not_of_epochs_cannot_be_set(loop: str, tmp_path: Path) -> None:
    assert plan_of(tmp_path, with_loop(loop)).epochs is None


def test_the_record_says_by_how_much_an_option_exceeds_the_epochs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, with_loop(LOOPS[1]))
    record = output.record(convert(plan, []), tmp_path, {})
    assert record["arguments"]["epochs"] == {"option": "--epochs", "default": 4, "beyond": 1}
    assert record["original"]["epochs"]["beyond"] == 1


def test_options_are_parsed_before_the_first_setting_they_replace(tmp_path: Path) -> None:
    script = "import torch\nEPOCHS = 7\nimport argparse\nfrom torch import nn\nmodel = nn.Linear(2, 1)\n"
    script += "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nfor epoch in range(EPOCHS):\n"
    plan = plan_of(tmp_path, script + indent(STEP, "    "))
    assert plan.epochs is not None
    assert (plan.epochs.default, plan.parser.declare_at.line) == (7, 2)
