"""An iterator that is made once is used up by the first round; what goes on, or is made anew, is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project

SCRIPT = """
import itertools
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

def once():
    yield from loader

def for_ever():
    while True:
        for batch in loader:
            yield batch

class Endless(torch.utils.data.Sampler):
    def __iter__(self):
        return itertools.count()

x = torch.ones(8, 2)
loader = DataLoader(TensorDataset(x), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
for epoch in {epochs}:
    {inside}
    for {batch}:
        {first}
        optimizer.zero_grad()
        model(x[:4]).sum().backward()
        optimizer.step()
"""


def outcome(folder: Path, before: str, batch: str, epochs: str = "range(3)", inside: str = "", first: str = "") -> str:
    """The code of the refusal; empty for a script that converts."""
    script = folder / "train.py"
    text = {"before": before, "batch": batch, "epochs": epochs, "inside": inside or "pass", "first": first or "pass"}
    script.write_text(SCRIPT.format(**text))
    plan = make_plan(gather(Project(script)))
    return "" if isinstance(plan, Plan) else " ".join(result.code for result in plan)


@pytest.mark.parametrize(
    ("before", "batch"),
    [
        ("batches = iter(loader)", "batch in batches"),
        ("batches = once()", "batch in batches"),
        ("batches = zip(x.split(4), x.split(4))", "batch in batches"),
        ("batches = map(len, loader)", "batch in batches"),
        ("batches = enumerate(loader)", "i, batch in batches"),
        ("batches = itertools.islice(loader, 3)", "batch in batches"),
        ("batches = itertools.islice(itertools.cycle(loader), 3)", "batch in batches"),
        ("batches = (batch for batch in loader)", "batch in batches"),
        ("batches = zip(loader, for_ever())", "batch in batches"),
        ("batches = once()", "i, batch in enumerate(batches)"),
    ],
)
def test_what_is_made_before_the_epochs_is_used_up(before: str, batch: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, before, batch) == "FLR167"


def test_the_message_says_what_and_where(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    text = {"before": "batches = iter(loader)", "batch": "batch in batches", "inside": "pass", "first": "pass"}
    script.write_text(SCRIPT.format(epochs="range(3)", **text))
    (refusal,) = make_plan(gather(Project(script)))
    line = SCRIPT[: SCRIPT.index("{before}")].count("\n") + 1
    assert refusal.message.startswith(f"batches, made at train.py:{line}, can be gone through only once")
    assert refusal.place.line == line + 3


@pytest.mark.parametrize(
    ("before", "batch"),
    [
        ("", "batch in iter(loader)"),
        ("", "batch in once()"),
        ("batches = list(iter(loader))", "batch in batches"),
        ("batches = itertools.cycle(loader)", "i, batch in zip(range(3), batches)"),
        ("batches = for_ever()", "i, batch in zip(range(3), batches)"),
        ("batches = zip(for_ever(), itertools.count())", "i, batch in zip(range(3), batches)"),
    ],
)
def test_what_never_ends_or_is_made_anew_converts(before: str, batch: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, before, batch) == ""


def test_what_the_loop_makes_anew_converts(tmp_path: Path) -> None:
    assert outcome(tmp_path, "batches = iter(loader)", "batch in batches", inside="batches = iter(loader)") == ""


def test_epochs_that_can_be_gone_through_once(tmp_path: Path) -> None:
    assert outcome(tmp_path, "epochs = iter(range(3))", "batch in loader", epochs="epochs") == "FLR167"


NEXT = "i in range(2)"


@pytest.mark.parametrize(
    ("before", "first", "code"),
    [
        ("batches = iter(loader)", "batch = next(batches)", "FLR167"),
        ("batches = once()", "batch = next(batches)", "FLR167"),
        ("batches = for_ever()", "batch = next(batches)", ""),
        ("batches = iter(DataLoader(TensorDataset(x), sampler=Endless()))", "batch = next(batches)", ""),
        ("batches = iter(loader)", "batch = next(batches, None)", ""),
    ],
)
def test_next(before: str, first: str, code: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, before, NEXT, first=first) == code


def test_next_of_an_iterator_that_is_begun_again(tmp_path: Path) -> None:
    again = """try:
            batch = next(batches)
        except StopIteration:
            batches = iter(loader)
            batch = next(batches)"""
    assert outcome(tmp_path, "batches = iter(loader)", NEXT, first=again) == ""
