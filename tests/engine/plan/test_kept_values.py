"""What ends a round early starts anew in every round, wherever the program keeps it and asks for it."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

HEAD = """
import torch
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from torch import nn
class Stopper:
    def __init__(self, patience):
        self.patience, self.bad, self.best, self.stopped = patience, 0, 9.0, False
    def look(self, loss):
        if loss < self.best:
            self.best, self.bad = loss, 0
        else:
            self.bad += 1
            if self.bad >= self.patience:
                self.stopped = True
        return self.stopped, self.best
    @property
    def tired(self):
        return self.bad >= self.patience
class Budget:
    def __init__(self, limit):
        self.limit, self.used = limit, 0
    def spend(self):
        self.used += 1
        return self.used >= self.limit
@dataclass
class Progress:
    step: int = 0
batches = (torch.ones(4, 2), torch.zeros(4, 2))
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
INLINE = """
def main():
{init}
    for epoch in range(4):
        if {first}:
            break
        for x in batches:
            optimizer.zero_grad()
            loss = model(x).sum()
            loss.backward()
            optimizer.step()
            {count}
            if {test}:
                break
        if {test}:
            break
main()
"""
FUNCTION = """
def train({parameters}):
    {declared}
    for x in batches:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        {count}
        if {test}:
            return
def main():
{init}
    for epoch in range(4):
        {call}
main()
"""
TRAINER = """
class Trainer:
    def __init__(self):
{init}
    def train(self):
        for x in batches:
            optimizer.zero_grad()
            loss = model(x).sum()
            loss.backward()
            optimizer.step()
            {count}
            if {test}:
                return
    def done(self, loss):
        return {test}
    def fit(self):
        for epoch in range(4):
            self.train()
            if self.done(epoch):
                break
Trainer().fit()
"""


def planned(folder: Path, script: str) -> Plan:
    """The plan of a script that converts."""
    path = folder / "train.py"
    path.write_text(HEAD + script)
    plan = make_plan(gather(Project(path)))
    assert isinstance(plan, Plan), [result.message for result in plan]
    return plan


def told(plan: Plan) -> list[str]:
    """What is told of the rounds."""
    return [decision.subject for decision in plan.rounds.decisions]


@pytest.mark.parametrize(
    ("init", "kept"),
    [
        ("step = 0", "step"),
        ('s = {"step": 0}', "s['step']"),
        ('s = {"run": {"step": 0}}', "s['run']['step']"),
        ("s = SimpleNamespace(run=SimpleNamespace(step=0))", "s.run.step"),
        ("s = Progress()", "s.step"),
    ],
)
@pytest.mark.parametrize(
    ("count", "test"), [("+= 1", "{} >= 6"), ("+= 1", "not {} < 6"), ("+= 1", "6 <= {}"), ("+= len(x)", "{} > 20")]
)
def test_a_number_of_steps_in_the_function_of_the_loop(
    init: str, kept: str, count: str, test: str, tmp_path: Path
) -> None:
    parts = {"init": indent(init, "    "), "first": "False", "count": f"{kept} {count}", "test": test.format(kept)}
    plan = planned(tmp_path, INLINE.format(**parts))
    assert (plan.rounds.resets, told(plan)) == ((f"{kept} = 0",), ["epoch numbers"])


@pytest.mark.parametrize("test", ["{} <= 0", "not {}", "0 >= {}"])
def test_a_number_that_shrinks(test: str, tmp_path: Path) -> None:
    parts = {"init": "    left = 6", "first": "False", "count": "left -= 1", "test": test.format("left")}
    assert planned(tmp_path, INLINE.format(**parts)).rounds.resets == ("left = 6",)


@pytest.mark.parametrize(
    ("init", "parameters", "declared", "kept", "call", "resets"),
    [
        ('s = {"step": 0}', "s", "pass", 's["step"]', "train(s)", ("s['step'] = 0",)),
        ("s = Progress()", "s", "pass", "s.step", "train(**{'s': s})", ("s.step = 0",)),
        ("s = Progress()\nonce = partial(train, s=s)", "s", "pass", "s.step", "once()", ("s.step = 0",)),
        ("s = Progress()", "s", "pass", "s.step", "train(*[s])", ("s.step = 0",)),
        ("pass", "", "global done", "done", "train()", ("global done", "done = 0")),
        ("global done", "", "global done", "done", "train()", ("done = 0",)),
    ],
)
def test_a_number_of_steps_that_a_function_counts(
    init: str, parameters: str, declared: str, kept: str, call: str, resets: tuple[str, ...], tmp_path: Path
) -> None:
    parts = {"init": indent(init, "    "), "parameters": parameters, "declared": declared, "call": call}
    script = FUNCTION.format(**parts, count=f"{kept} += 1", test=f"{kept} >= 6")
    assert planned(tmp_path, f"done = 0\n{script}").rounds.resets == resets


@pytest.mark.parametrize(
    ("init", "count", "test", "resets", "subjects"),
    [
        ("self.step = 0", "self.step += 1", "self.step >= 6", ("self.step = 0",), ["epoch numbers"]),
        ("self.b = Budget(6)", "pass", "self.b.spend()", ("self.b.used = 0",), ["epoch numbers"]),
        ("self.off = False", "self.off = self.off or True", "self.off", (), ["early stopping"]),
        ("self.all = []", "self.all.append(loss)", "len(self.all) > 6", (), ["early stopping"]),
        ("self.step = 0", "self.step += 1", "loss > 3", (), []),
    ],
)
def test_what_a_trainer_counts(
    init: str, count: str, test: str, resets: tuple[str, ...], subjects: list[str], tmp_path: Path
) -> None:
    plan = planned(tmp_path, TRAINER.format(init=indent(init, " " * 8), count=count, test=test))
    assert (plan.rounds.resets, told(plan)) == (resets, subjects)


@pytest.mark.parametrize(
    ("first", "count", "test", "resets"),
    [
        ("False", "s.look(loss)", "s.stopped", ("s.stopped = False",)),
        ("s.stopped", "s.look(loss)", "False", ("s.stopped = False",)),
        ("False", "stop, best = s.look(loss)", "stop", ("s.stopped = False",)),
        ("False", "seen = s.look(loss)", "seen[0]", ("s.stopped = False",)),
        ("False", "s.look(loss)", "s.tired", ()),
        ("s.tired", "s.look(loss)", "False", ("s.bad = 0",)),
    ],
)
def test_an_object_that_ends_the_training(
    first: str, count: str, test: str, resets: tuple[str, ...], tmp_path: Path
) -> None:
    """Its flag is lowered, its patience starts anew where nothing would be trained before; its best value goes on."""
    plan = planned(tmp_path, INLINE.format(init="    s = Stopper(3)", first=first, count=count, test=test))
    assert plan.rounds.resets == resets
    assert all("P2" in decision.exempts for decision in plan.rounds.decisions[-1:])
    assert told(plan)


def test_a_learning_rate_that_ends_the_training_goes_on(tmp_path: Path) -> None:
    count = 'optimizer.param_groups[0]["lr"] *= 0.5'
    test = 'optimizer.param_groups[0]["lr"] < 0.01'
    plan = planned(tmp_path, INLINE.format(init="    pass", first="False", count=count, test=test))
    assert told(plan) == ["early stopping"]


WHILE = """
def main():
    {init}
    epoch = 0
    while {test}:
        epoch += 1
        for x in batches:
            optimizer.zero_grad()
            loss = model(x).sum()
            loss.backward()
            optimizer.step()
        {count}
main()
"""


@pytest.mark.parametrize(
    ("init", "test", "count", "reset"),
    [
        ('s = {"stop": False}', 'not s["stop"]', "if loss < 0:\n            s['stop'] = True", "s['stop'] = False"),
        ("s = Stopper(3)", "not s.stopped", "s.look(loss)", "s.stopped = False"),
        ("s = Budget(3)", "s.used < 3", "s.spend()", "s.used = 0"),
    ],
)
def test_a_while_loop_that_an_object_or_a_dictionary_ends(
    init: str, test: str, count: str, reset: str, tmp_path: Path
) -> None:
    plan = planned(tmp_path, WHILE.format(init=init, test=test, count=count))
    assert reset in plan.rounds.resets


def test_a_while_loop_that_a_function_inside_counts_for(tmp_path: Path) -> None:
    count = "tell()"
    init = "step = 0\n    def tell():\n        nonlocal step\n        step += 1"
    assert planned(tmp_path, WHILE.format(init=init, test="step < 3", count=count)).rounds.resets == ("step = 0",)
