"""A training that stands in no loop: which statements are it, and which cannot be repeated every round."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from engine.facts import gather
from engine.facts.entry import find_entry
from engine.source import Project
from rules import blockers

HEAD = """\
import torch
from torch import nn
x, y = torch.ones(4, 2), torch.ones(4, 1)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
STEP = """\
optimizer.zero_grad()
loss = (model(x) - y).square().mean()
loss.backward()
optimizer.step()
"""
FUNCTION = f"def step(x, y):\n{''.join(f'    {line}' + chr(10) for line in STEP.splitlines())}    return loss.item()\n"

TRAINS = {
    "at module level": (f"{HEAD}{STEP}print(loss)\n", (6, 9)),
    "the loss before the gradients are cleared": (
        f"{HEAD}print(model(x))\npredicted = model(x)\nloss = (predicted - y).mean()\noptimizer.zero_grad()\n"
        "loss.backward()\noptimizer.step()\n",
        (7, 11),
    ),
    "training mode right before": (f"{HEAD}model.train()\n{STEP}", (6, 10)),
    "cleared after the step": (
        f"{HEAD}loss = model(x).mean()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()\nprint(loss)\n",
        (6, 9),
    ),
    "up to the schedule": (
        f"{HEAD}schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)\n{STEP}print(loss)\nschedule.step()\n",
        (7, 12),
    ),
    "in a function called once": (f"{HEAD}{FUNCTION}step(x, y)\n", (7, 10)),
    "a function called twice": (f"{HEAD}{FUNCTION}step(x, y)\nprint('half')\nstep(x, y)\n", (12, 14)),
    "a function called in a comprehension": (f"{HEAD}{FUNCTION}losses = [step(x, y) for _ in 'ab']\n", (12, 12)),
    "one step for all batches": (
        f"{HEAD}optimizer.zero_grad()\nfor batch in (x, x):\n    model(batch).mean().backward()\noptimizer.step()\n",
        (6, 9),
    ),
    "a closure": (
        f"{HEAD}def closure():\n    optimizer.zero_grad()\n    loss = model(x).mean()\n    loss.backward()\n"
        "    return loss\noptimizer.step(closure)\nprint('done')\n",
        (11, 11),
    ),
    "on lines of its own, with semicolons": (
        f"{HEAD}optimizer.zero_grad(); loss = model(x).mean()\nloss.backward(); optimizer.step()  # done\n",
        (6, 7),
    ),
    "in a with block": (
        f"{HEAD}with torch.autograd.set_detect_anomaly(True):\n    optimizer.zero_grad()\n    loss = model(x).mean()\n"
        "    loss.backward()\n    optimizer.step()\n    print(loss)\n",
        (7, 10),
    ),
    "a name that meant something else before": (
        f"{HEAD}with torch.no_grad():\n    loss = model(x).mean()\n{STEP}",
        (8, 11),
    ),
    "a part of the model, by its weight": (
        f"{HEAD}penalty = model.weight.square().sum()\nprint(x.shape)\noptimizer.zero_grad()\n"
        "(model(x).mean() + penalty).backward()\noptimizer.step()\n",
        (6, 10),
    ),
}

CANNOT_BE_REPEATED = {
    "saved in between": (
        f"{HEAD}optimizer.zero_grad()\nloss = model(x).mean()\ntorch.save(model.state_dict(), 'first.pt')\n"
        "loss.backward()\noptimizer.step()\n",
        8,
        "weights are saved",
    ),
    "the optimizer is built in between": (
        "import torch\nmodel = torch.nn.Linear(2, 1)\nloss = model(torch.ones(4, 2)).mean()\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\noptimizer.zero_grad()\nloss.backward()\n"
        "optimizer.step()\n",
        4,
        "built once",
    ),
    "a copy of the model in between": (
        f"import copy\n{HEAD}teacher = copy.deepcopy(model)\noptimizer.zero_grad()\n"
        "loss = (model(x) - teacher(x)).mean()\nloss.backward()\noptimizer.step()\n",
        7,
        "copied",
    ),
    "never cleared": (f"{HEAD}model(x).mean().backward()\noptimizer.step()\n", 6, "not cleared"),
    "left in between": (
        f"{HEAD}def main():\n    optimizer.zero_grad()\n    loss = model(x).mean()\n    if loss > 9:\n        return\n"
        "    loss.backward()\n    optimizer.step()\nmain()\n",
        10,
        "may be left",
    ),
    "a shared line": (
        f"{HEAD}optimizer.zero_grad(); model(x).mean().backward(); optimizer.step(); print()\n",
        6,
        "line",
    ),
}


@pytest.mark.parametrize("case", TRAINS)
def test_what_trains_is_told(case: str, tmp_path: Path) -> None:
    source, lines = TRAINS[case]
    path = tmp_path / "train.py"
    path.write_text(source)
    facts = gather(Project(path))
    assert [result.message for result in blockers(facts)] == []
    assert facts.loop is not None and facts.loop.kind == "once"
    assert (facts.loop.statements[0].lineno, facts.loop.statements[-1].end_lineno) == lines


@pytest.mark.parametrize("case", CANNOT_BE_REPEATED)
def test_what_cannot_be_repeated_is_refused(case: str, tmp_path: Path) -> None:
    source, line, reason = CANNOT_BE_REPEATED[case]
    path = tmp_path / "train.py"
    path.write_text(source)
    facts = gather(Project(path))
    assert facts.loop is None
    found = blockers(facts)
    assert [(result.code, result.place.line) for result in found] == [("FLR103", line)]
    assert reason in found[0].message


def test_a_step_in_a_loop_goes_before_one_in_none(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(HEAD + STEP + "for epoch in range(3):\n" + "".join(f"    {line}\n" for line in STEP.splitlines()))
    (loop,) = gather(Project(path)).loops
    assert (loop.kind, loop.place.line) == ("range", 10)


def test_the_loader_behind_what_the_model_is_given_is_the_training_data(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    loading = dedent("""\
        from torch.utils.data import DataLoader, TensorDataset
        loader = DataLoader(TensorDataset(x, y), batch_size=2)
        shown = DataLoader(TensorDataset(y, y))
        print(next(iter(shown)))
        x, y = next(iter(loader))
    """)
    path.write_text(HEAD + loading + STEP)
    data = gather(Project(path)).data
    assert data is not None and data.loader is not None
    assert data.loader.place.line == 7


def test_a_folder_with_such_a_script_has_an_entry(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(HEAD + STEP)
    (tmp_path / "show.py").write_text("print('nothing')\n")
    assert find_entry(tmp_path) == tmp_path / "train.py"
