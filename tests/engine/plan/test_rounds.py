"""A loop that counts by itself starts anew in every round."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
first = 0
{before}
while step < 10 and going:
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        step += 1
        if step == 10:
            going = False
            break
"""


@pytest.mark.parametrize("before", ["step = 0\ngoing = True", "step, going = first, True"])
def test_counters_start_where_they_were_set_before_the_loop(before: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(before=before))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == ("going = True", "step = 0")


@pytest.mark.parametrize(
    ("before", "resets"),
    [
        ("step = 0\ngoing = True\nstep += 2", ("going = True", "step = 2")),
        ("step, going = 3, True\nstep -= 2", ("going = True", "step = 1")),
    ],
)
def test_what_is_added_to_a_counter_before_the_loop_counts(before: str, resets, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(before=before))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == resets


def test_a_counter_moved_under_a_condition_before_the_loop_is_not_guessed(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(before="step, going = 0, True\nif torch.rand(1) > 0.5:\n    step += 1"))
    plan = make_plan(gather(Project(script)))
    assert not isinstance(plan, Plan) and "step" in str(plan)


TRAINER = """
import torch
from torch import nn
finished = 0
class Trainer:
    def __init__(self, epochs=4):
        self.model = nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.epoch, self.epochs, self.started = {start}, epochs, False
    def pass_over(self):
        global finished
        self.optimizer.zero_grad()
        self.model(torch.ones(4, 2)).sum().backward()
        self.optimizer.step()
        self.epoch += 1
        finished += 1
    def fit(self):
        while {test}:
            self.pass_over()
            {also}
            print(self.epoch)
def epochs_done():
    return len(open("log.txt").readlines())
Trainer().fit()
"""


@pytest.mark.parametrize(
    ("test", "also", "resets"),
    [
        ("self.epoch < self.epochs", "pass", ("self.epoch = 0",)),
        ("self.epochs > self.epoch", "self.started = True", ("self.epoch = 0",)),
        ("True", "if self.epoch == self.epochs: return", ("self.epoch = 0",)),
        ("True", "if self.epoch == self.epochs: break", ("self.epoch = 0",)),
    ],
)
def test_a_counter_that_an_object_keeps_starts_anew(
    test: str, also: str, resets: tuple[str, ...], tmp_path: Path
) -> None:
    """In the method of the loop, or in one that the loop calls; what it counts up to stays what the job sets."""
    script = tmp_path / "train.py"
    script.write_text(TRAINER.format(start="0", test=test, also=also))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == resets


COUNTS_DOWN = """
import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
class Trainer:
    def __init__(self, epochs):
        self.model = nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.epochs = epochs
        {start}
    def fit(self, epochs):
        {before}
        {header}:
            self.optimizer.zero_grad()
            self.model(torch.ones(4, 2)).sum().backward()
            self.optimizer.step()
            {change}
args = parser.parse_args()
Trainer(args.epochs).fit(args.epochs)
"""


@pytest.mark.parametrize(
    ("start", "before", "header", "resets"),
    [
        ("pass", "left = epochs", "while left > 0", ("left = epochs",)),
        ("pass", "left = self.epochs", "while left", ("left = self.epochs",)),
        ("self.left = self.epochs", "pass", "while self.left > 0", ("self.left = self.epochs",)),
        ("pass", "left = 0", "for left in range(self.epochs, 0, -1)", ()),
        ("pass", "left = 0", "for left in range(self.epochs - 1, -1, -1)", ()),
    ],
)
def test_a_loop_that_counts_down_starts_at_what_an_option_says(
    start: str, before: str, header: str, resets: tuple[str, ...], tmp_path: Path
) -> None:
    change = f"{'self.' if 'self.left' in header else ''}left -= 1" if "while" in header else "pass"
    script = tmp_path / "train.py"
    script.write_text(COUNTS_DOWN.format(start=start, before=before, header=header, change=change))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == resets
    assert (plan.epochs is not None and plan.epochs.option == "--epochs") is ("for" in header)


def test_a_counter_that_starts_at_an_option_out_of_reach_is_refused(tmp_path: Path) -> None:
    lines = {"start": "self.left = epochs", "header": "while self.left > 0", "change": "self.left -= 1"}
    script = tmp_path / "train.py"
    script.write_text(COUNTS_DOWN.format(before="pass", **lines))
    (refused,) = make_plan(gather(Project(script)))
    assert refused.code == "FLR153"


@pytest.mark.parametrize(
    ("start", "test", "what"),
    [("epochs_done()", "self.epoch < self.epochs", "self.epoch"), ("0", "finished < self.epochs", "finished")],
)
def test_a_counter_that_cannot_start_anew_is_refused(start: str, test: str, what: str, tmp_path: Path) -> None:
    """One of which it is not known how it starts, and a global one."""
    script = tmp_path / "train.py"
    script.write_text(TRAINER.format(start=start, test=test, also="pass"))
    (refused,) = make_plan(gather(Project(script)))
    assert refused.code == "FLR153"
    assert refused.message.startswith(f"this loop is bounded by {what}, ")


RESUMED = """
import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--resume", default="")
parser.add_argument("--start_epoch", type=int, default=0)
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{resume}
for epoch in range(args.start_epoch, args.epochs):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("resume", "resets"),
    [("", ()), ("from resuming import resume\nresume(args, model)", ("args.start_epoch = 0",))],
)
def test_a_first_epoch_that_another_file_sets_starts_anew(resume: str, resets: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "resuming.py").write_text(
        "import torch\ndef resume(args, model):\n    if args.resume:\n        state = torch.load(args.resume)\n"
        "        model.load_state_dict(state['model'])\n        args.start_epoch = state['epoch'] + 1\n"
    )
    script = tmp_path / "train.py"
    script.write_text(RESUMED.format(resume=resume))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == resets


SKIPPING = """
import os
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{first}
if os.path.exists("last.pt"):
    state = torch.load("last.pt")
    model.load_state_dict(state["model"])
    done = state["epoch"]
for epoch in range(3):
    if {test}:
        {body}
    optimizer.zero_grad()
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("first", "test", "body", "resets"),
    [
        ("done = 0", "epoch < done", "continue", ("done = 0",)),
        ("done = -1", "epoch <= done", "print(epoch)\n        continue", ("done = -1",)),
        ("done = 0", "done > epoch", "continue", ("done = 0",)),
        ("done = 0", "epoch > done", "continue", ()),
        ("done = 0", "epoch < done", "print(epoch)", ()),
        ("done = os.cpu_count()", "epoch < done", "continue", ()),
        ("done, warm = 0, 1", "epoch < warm", "continue", ()),
    ],
)
def test_epochs_that_a_checkpoint_passes_over_are_trained(
    first: str, test: str, body: str, resets: tuple[str, ...], tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(SKIPPING.format(first=first, test=test, body=body))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == resets


ONE_PASS = """
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.ones(8, 2), batch_size=2)
def batches_of(loader):
    for batch in loader:
        yield batch
{before}
for x in {header}:
    optimizer.zero_grad()
    model(x).sum().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "before", ["iter(loader)", "batches_of(loader)", "(b for b in loader)", "map(torch.abs, loader)"]
)
def test_an_iterator_that_ends_with_the_first_round_is_refused(before: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ONE_PASS.format(before=f"batches = {before}", header="batches"))
    (refused,) = make_plan(gather(Project(script)))
    assert (refused.code, refused.place.line) == ("FLR167", 11)
    assert refused.message.startswith("batches, made at train.py:10, can be gone through only once")


@pytest.mark.parametrize("header", ["loader", "iter(loader)", "batches_of(loader)", "batches"])
def test_one_pass_over_the_data_can_be_done_every_round(header: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ONE_PASS.format(before="batches = list(loader)", header=header))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.repeatable


def test_a_round_of_a_training_in_no_loop_is_a_decision(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    step = "optimizer.zero_grad()\nmodel(torch.ones(4, 2)).sum().backward()\noptimizer.step()\n"
    script.write_text(ONE_PASS.partition("loader =")[0] + step)
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.repeatable
    assert [d.decision for d in plan.decisions if d.subject == "rounds"] == [
        "a round does lines 6 to 8 of train.py once, since no loop is around what trains; all before it, the data it "
        "uses among it, is made once"
    ]


PRUNING = """
import torch
from torch import nn
from torch.nn.utils import prune
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(4):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
{when}
        prune.l1_unstructured(model, "weight", amount=0.1)
"""


def test_a_model_that_is_pruned_while_it_trains_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PRUNING.format(when="    if epoch % 2:"))
    result = make_plan(gather(Project(script)))
    assert isinstance(result, list)
    assert [(one.code, one.place.line) for one in result] == [("FLR163", 12)]


def test_a_model_that_is_pruned_after_training_is_not(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PRUNING.format(when="if True:\n    for _ in range(3):"))
    assert isinstance(make_plan(gather(Project(script))), Plan)


LIMITED = """
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
step = 0
for epoch in range(4):
    {first}
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        if step >= 6:
            break
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        step += 1
"""


@pytest.mark.parametrize(("first", "resets"), [("print(epoch)", ("step = 0",)), ("step = 0", ())])
def test_a_limit_of_steps_over_all_epochs_starts_anew(first: str, resets: tuple[str, ...], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LIMITED.format(first=first))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert plan.rounds.resets == resets
    assert [decision.subject for decision in plan.rounds.decisions] == ["epoch numbers"] * len(resets)


PRIVATE = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader
loader = DataLoader(torch.ones(8, 2), batch_size=2)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
if {wanted}:
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
for epoch in range(4):
    for x in loader:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
"""


def test_differentially_private_training_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PRIVATE.format(wanted=True))
    result = make_plan(gather(Project(script)))
    assert isinstance(result, list)
    assert [(one.code, one.place.line) for one in result] == [("FLR164", 10)]


def test_differential_privacy_that_is_switched_off_says_nothing(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PRIVATE.format(wanted=False))
    assert isinstance(make_plan(gather(Project(script))), Plan)


ENDS_OR_RESTARTS = """
import time
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
start = time.time()
for {header}:
    {began}
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    if time.time() - {since} > 60:
        break
"""


@pytest.mark.parametrize(
    ("header", "began", "since", "topics"),
    [
        ("epoch in range(3)", "pass", "start", ["time limit"]),
        ("epoch in range(3)", "began = time.time()", "began", []),
        ("epoch, lr in enumerate([0.1, 0.01])", "began = time.time()", "began", ["local epochs"]),
    ],
)
def test_what_a_round_does_in_another_way_is_told(
    header: str, began: str, since: str, topics: list[str], tmp_path: Path
) -> None:
    """A time limit over all rounds, and a list that every round goes through."""
    script = tmp_path / "train.py"
    script.write_text(ENDS_OR_RESTARTS.format(header=header, began=began, since=since))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert [one.subject for one in plan.rounds.decisions] == topics


COUNTED = """
from itertools import count
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for {target} in {epochs}:
    if epoch == 3:
        break
    optimizer.zero_grad()
    (model(torch.ones(4, 2)).sum() * {weight}).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("target", "epochs"),
    [("epoch", "count()"), ("epoch", "range(4, 0, -1)"), ("i, epoch", "enumerate(range(3))")],
)
def test_an_epoch_number_that_cannot_go_on_is_told_where_training_depends_on_it(
    target: str, epochs: str, tmp_path: Path
) -> None:
    for weight, told in (("epoch", [("epoch numbers", ("P2",))]), ("2", [])):
        script = tmp_path / "train.py"
        script.write_text(COUNTED.format(target=target, epochs=epochs, weight=weight))
        plan = make_plan(gather(Project(script)))
        assert isinstance(plan, Plan)
        assert [(one.subject, one.exempts) for one in plan.rounds.decisions] == told


LEFT_OVER = """
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
micro = 0
for epoch in range(3):
    for x in (torch.ones(4, 2), torch.zeros(4, 2)):
        model(x).sum().backward()
        micro += 1
        if micro % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
{after}
"""


@pytest.mark.parametrize(
    ("after", "subjects"), [("if micro % 4:\n    optimizer.step()", ["after the loop"]), ("print(micro)", [])]
)
def test_a_step_for_what_is_left_over_after_the_loop_is_told(after: str, subjects: list[str], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LEFT_OVER.format(after=after))
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan)
    assert [one.subject for one in plan.rounds.decisions] == subjects
