"""A copy of the first weights that training goes by is refused: a site takes it before it has received any weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import copy
import torch
from torch import nn
def train(model, optimizer, x, kept):
    for batch in x:
        optimizer.zero_grad()
        {loss}.backward()
        optimizer.step()
x = [torch.ones(4, 2), torch.zeros(4, 2)]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
for epoch in range(3):
    {inside}
    train(model, optimizer, x, {kept})
{after}
"""
ANCHOR = "kept = [p.detach().clone() for p in model.parameters()]"
NAMED = "kept = {name: p.detach().clone() for name, p in model.named_parameters()}"
TEACHER = "kept = copy.deepcopy(model).requires_grad_(False)"
NEAR = "sum(((p - q) ** 2).sum() for p, q in zip(model.parameters(), kept))"
LIKE = "(model(batch) - kept(batch)).pow(2).sum()"
PLAIN = "model(batch).sum()"


def refusal(folder: Path, **parts: str) -> str:
    """The code of what refuses a script; empty where it is converted."""
    given = dict.fromkeys(("before", "inside", "after"), "pass") | {"loss": PLAIN, "kept": "None"} | parts
    script = folder / "train.py"
    script.write_text(SCRIPT.format(**given))
    plan = make_plan(gather(Project(script)))
    return "" if isinstance(plan, Plan) else plan[0].code


@pytest.mark.parametrize(("copied", "loss"), [(ANCHOR, NEAR), (NAMED, PLAIN), (TEACHER, LIKE)])
def test_training_that_goes_by_the_first_weights(copied: str, loss: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, before=copied, loss=loss, kept="kept") == "FLR170"


def test_a_teacher_that_follows_from_epoch_to_epoch_begins_with_the_first_weights(tmp_path: Path) -> None:
    assert refusal(tmp_path, before=TEACHER, loss=LIKE, kept="kept", after=f"    {TEACHER}") == "FLR170"


def test_what_the_message_says_to_do_instead(tmp_path: Path) -> None:
    assert refusal(tmp_path, inside=f"if epoch == 0: {ANCHOR}", loss=NEAR, kept="kept") == ""


def test_weights_that_the_server_starts_from_as_well(tmp_path: Path) -> None:
    loaded = 'model.load_state_dict(torch.load("start.pt"))\n'
    (tmp_path / "start.pt").write_bytes(b"")
    assert refusal(tmp_path, before=loaded + ANCHOR, loss=NEAR, kept="kept") == ""
    assert refusal(tmp_path, before=ANCHOR + "\n" + loaded, loss=NEAR, kept="kept") == "FLR170"


def test_a_copy_that_training_does_not_go_by(tmp_path: Path) -> None:
    """To show in the end how far the weights have come, or to keep the best ones in."""
    moved = "print(sum((p - q).norm() for p, q in zip(model.parameters(), kept)))"
    assert refusal(tmp_path, before=ANCHOR, after=moved) == ""
    assert refusal(tmp_path, before="best = copy.deepcopy(model.state_dict())", after="print(best)") == ""


def test_another_model_is_no_copy(tmp_path: Path) -> None:
    assert refusal(tmp_path, before="kept = nn.Linear(2, 1).requires_grad_(False)", loss=LIKE, kept="kept") == ""


def test_the_best_weights_are_kept_anew(tmp_path: Path) -> None:
    """In the loop over the phases of an epoch, which trains, too."""
    script = tmp_path / "train.py"
    script.write_text("""
import copy
import torch
from torch import nn
x = [torch.ones(4, 2), torch.zeros(4, 2)]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
best, lowest = copy.deepcopy(model.state_dict()), 9.0
for epoch in range(3):
    for phase in ("train", "val"):
        for batch in x:
            loss = model(batch).sum()
            if phase == "train":
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        if phase == "val" and loss.item() < lowest:
            best, lowest = copy.deepcopy(model.state_dict()), loss.item()
torch.save(best, "best.pt")
""")
    plan = make_plan(gather(Project(script)))
    assert isinstance(plan, Plan), [result.message for result in plan]
