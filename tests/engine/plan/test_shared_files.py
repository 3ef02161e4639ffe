"""Files that the sites of a simulation have in common, and all write."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan import Plan
from tests.codemods.tools import plan_of, written

SCRIPT = """\
import argparse
import logging
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

ROOT = "data"
parser = argparse.ArgumentParser()
parser.add_argument("--root", default="store")
parser.add_argument("--log", default="log")
parser.add_argument("--dump", action="store_true")
args = parser.parse_args()
points = np.load(os.path.join(args.root, "points.npy")), np.load(ROOT + "/more.npy")
{prepare}
loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
{write}
"""


def planned(folder: Path, write: str = "", prepare: str = "") -> Plan:
    return plan_of(written(folder, SCRIPT.format(write=write, prepare=prepare), {}))


def said(plan: Plan) -> list[str]:
    return [one.decision for one in plan.decisions if one.subject == "written files"]


@pytest.mark.parametrize(
    ("write", "why"),
    [
        ('torch.save(model.state_dict(), "/scratch/model.pt")', "its path is the same"),
        ('torch.save(model.state_dict(), f=os.path.expanduser("~/model.pt"))', "its path is the same"),
        ('np.save(os.path.join(tempfile.gettempdir(), "x.npy"), points)', "its path is the same"),
        ('(Path.home() / "x.txt").write_text("done")', "its path is the same"),
        ('open("/scratch/log.csv", "a").write("done")', "its path is the same"),
        ('logging.basicConfig(filename="/scratch/log")', "its path is the same"),
        ('SummaryWriter(log_dir="/scratch/runs")', "its path is the same"),
        ('np.save(os.path.join(os.environ["OUT"], "x.npy"), points)', "they share the environment, where OUT is"),
        ('np.save(os.path.join(args.root, "x.npy"), points)', "it lies at --root, where they read their data"),
        ('np.save(ROOT + "/x.npy", points)', "it lies at --data-dir, where they read their data"),
    ],
)
def test_what_all_sites_write_is_told(tmp_path: Path, write: str, why: str) -> None:
    plan = planned(tmp_path, write)
    (decision,) = said(plan)
    line = (tmp_path / "train.py").read_text().splitlines().index(write) + 1
    assert decision == f"the sites of a simulation all write the file at train.py:{line}: {decision.partition(': ')[2]}"
    assert why in decision


@pytest.mark.parametrize(
    "write",
    [
        'torch.save(model.state_dict(), "model.pt")',
        'np.save(os.path.join(args.log, "x.npy"), points)',
        'np.save(os.path.join(os.path.dirname(__file__), "x.npy"), points)',
        'print(open("/etc/hostname").read())',
        'if args.dump:\n    np.save("/scratch/x.npy", points)',
    ],
)
def test_what_each_site_writes_for_itself_is_not(tmp_path: Path, write: str) -> None:
    assert said(planned(tmp_path, write)) == []


def test_a_file_that_the_script_makes_for_itself_is_no_data(tmp_path: Path) -> None:
    cache = 'if not os.path.exists("cache.npy"):\n    np.save("cache.npy", points[0])\npoints = np.load("cache.npy")'
    plan = planned(tmp_path, prepare=cache)
    assert [setting.option for setting in plan.paths] == ["--root", "--data-dir"]
