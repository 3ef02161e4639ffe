"""Globals of the running script that a model reads, where the server can build it without them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from engine.facts import gather
from engine.plan import Choices, Plan, make_plan
from engine.result import Result
from engine.source import Project

SCRIPT = """
    import torch
    from torch import nn
    from sklearn.datasets import load_digits
    dataset = load_digits()
    n_pixels = dataset.data.shape[1]
    mean = dataset.data.mean()


    class Reads(nn.Module):
        def __init__(self, hidden=4):
            super().__init__()
            self.fc = nn.Linear({read}, hidden)

        def forward(self, x):
            return self.fc({forward})


    model = Reads(hidden=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).sum().backward()
        optimizer.step()
    """


def planned(folder: Path, read: str, forward: str) -> Plan | list[Result]:
    """The plan of a script whose model reads something when it is built, and something when it is run."""
    (folder / "train.py").write_text(dedent(SCRIPT).format(read=read, forward=forward))
    return make_plan(gather(Project((folder / "train.py").resolve())))


@pytest.mark.parametrize(
    ("read", "forward", "name", "line"),
    [
        ("dataset.num_features", "x", "num_features", "dataset = SimpleNamespace(num_features=64)  # of the data"),
        ("n_pixels", "x", "n_pixels", "n_pixels = 64  # of the data, as given"),
        ("n_pixels", "x - mean", "n_pixels", "mean = None  # the data of a site: the server builds the model"),
    ],
)
def test_a_size_of_global_data_that_the_model_reads_is_asked_for(
    read: str, forward: str, name: str, line: str, tmp_path: Path
) -> None:
    plan = planned(tmp_path, read, forward)
    assert isinstance(plan, Plan)
    assert plan.model.missing == ((name, "dataset"),)
    given = make_plan(plan.facts, Choices(model_args={name: 64}))
    assert isinstance(given, Plan)
    assert (given.model.missing, given.model.args, given.model.moved) == ((), {"hidden": 8}, ())
    assert f"\n{line}" in given.model.text
    namespace: dict[str, Any] = {}
    exec(given.model.text, namespace)
    assert namespace["Reads"](**given.model.args).fc.weight.shape == (8, 64)


@pytest.mark.parametrize(
    "read",
    ["dataset.data.shape[1]", "dataset.target", "len(dataset)", "dataset.num_of('x')", "int(mean)"],
)
def test_another_use_of_global_data_in_the_model_is_refused(read: str, tmp_path: Path) -> None:
    found = planned(tmp_path, read, "x")
    assert isinstance(found, list)
    assert [result.code for result in found] == ["FLR151"]


def test_a_model_that_runs_itself_while_it_is_built_has_its_data_then(tmp_path: Path) -> None:
    found = planned(tmp_path, "self.forward(2)", "x - mean")
    assert isinstance(found, list)
    assert [result.code for result in found] == ["FLR151"]
