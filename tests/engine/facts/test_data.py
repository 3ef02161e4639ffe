"""The data a program trains on: its source, its loader, and every path it is read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import DataFact, gather
from engine.source import Project

HEADER = """import argparse
import glob
import os
from pathlib import Path as P
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets

class Rows(Dataset):
    def __init__(self, csv_path, scale=1.0):
        self.rows = pd.read_csv(csv_path)

parser = argparse.ArgumentParser()
parser.add_argument("--data-dir", default="../data")
parser.add_argument("source")
args = parser.parse_args()
DATA = "./images"
"""
TRAINING = """
loader = DataLoader(data, batch_size=2)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        model(x).sum().backward()
        optimizer.step()
"""


def data_of(folder: Path, lines: str) -> DataFact:
    """The data of a program that reads it by some lines."""
    path = folder / "train.py"
    path.write_text(HEADER + lines + TRAINING)
    data = gather(Project(path)).data
    assert data is not None
    return data


@pytest.mark.parametrize(
    ("lines", "source", "paths"),
    [
        ("data = datasets.MNIST('../data')", "torchvision.datasets.MNIST", [("../data", "'../data'", None)]),
        ("data = datasets.MNIST(root=DATA)", "torchvision.datasets.MNIST", [("./images", '"./images"', None)]),
        (
            "data = datasets.ImageFolder(os.path.join(args.data_dir, 'train'))",
            "torchvision.datasets.ImageFolder",
            [("../data", '"../data"', "data_dir")],
        ),
        ("data = Rows('rows.csv')", "train.Rows", [("rows.csv", "'rows.csv'", None)]),
        ("data = Rows(args.source)", "train.Rows", [(None, "args.source", "source")]),
        ("data = np.load(P(DATA) / 'x.npy')", "numpy.load", [("./images", '"./images"', None)]),
        (
            "data = np.load(P(__file__).parent / 'in' / 'x.npy')",
            "numpy.load",
            [("in", "P(__file__).parent / 'in'", None)],
        ),
        ("data = [open(n) for n in glob.glob('in/*.png')]", "glob.glob", [("in/*.png", "'in/*.png'", None)]),
        ("data = torch.load('tensors.pt')", "torch.load", [("tensors.pt", "'tensors.pt'", None)]),
        ("data = np.load('/'.join(['in', 'x.npy']))", "numpy.load", [("in", "'in'", None)]),
        (
            "from monai.data import ImageDataset\nnames = [os.sep.join([DATA, name]) for name in ('a.png', 'b.png')]\n"
            "data = ImageDataset(image_files=names, labels=[0, 1])",
            "monai.data.ImageDataset",
            [("./images", '"./images"', None)],
        ),
        (
            "own = argparse.ArgumentParser()\nown.add_argument('--root', type=P, default=P('in', 'a') / 'b')\n"
            "data = np.load(own.parse_args().root / 'x.npy')",
            "numpy.load",
            [("in/a/b", "own.parse_args().root / 'x.npy'", "root")],
        ),
        ("data = torch.randn(8, 2)", None, []),
    ],
)
def test_paths(tmp_path: Path, lines: str, source: str | None, paths: list) -> None:
    data = data_of(tmp_path, lines)
    found = [(path.value, path.expression.text, path.option and path.option.destination) for path in data.paths]
    assert (data.source, found[:1]) == (source, paths)


@pytest.mark.parametrize(
    "lines",
    [
        "data = torch.randn(8, 2)\nopen('log.txt', 'w').write('started')",
        "import pickle\ndata = torch.randn(8, 2)\nwith open('', 'rb') as file:\n    pickle.load(file)",
        "data = torch.randn(8, 2)\ncheckpoint = torch.load('last_checkpoint.pt')",
        "import yaml\ndata = torch.randn(8, 2)\nsettings = yaml.safe_load(open('settings.yaml'))",
        "data = torch.randn(8, 2)\nprint(os.listdir('runs'))",
        "data = torch.randn(8, 2)\nprint(glob.glob('checkpoints/*.pt'))",
        "data = torch.randn(8, 2)\nfound = glob.glob('kept/*.pt')\n"
        "if found:\n    checkpoint = torch.load(max(found, key=os.path.getmtime))",
        "data = torch.randn(8, 2)\nnames = sorted(os.listdir('kept'))\n"
        "if names:\n    checkpoint = torch.load(os.path.join('kept', names[-1]))",
        "data = torch.randn(8, 2)\nfound = sorted(P(args.data_dir).glob('*.pt'))\n"
        "args.resume = str(found[-1]) if found else ''\nif args.resume:\n    checkpoint = torch.load(args.resume)",
        "data = torch.randn(8, 2)\nprint(open(P(__file__).parent / 'config.json').read())",
    ],
)
def test_what_is_no_training_data(tmp_path: Path, lines: str) -> None:
    assert data_of(tmp_path, lines).paths == ()


def test_loader_and_data_set(tmp_path: Path) -> None:
    data = data_of(tmp_path, "data = Rows('rows.csv')")
    assert data.loader is not None and data.dataset is not None
    assert (data.loader.text, data.dataset.text) == ("DataLoader(data, batch_size=2)", "data")


@pytest.mark.parametrize(
    ("call", "paths"),
    [
        ("load_dataset('imdb')", []),
        ("load_dataset('nyu-mll/glue', 'mrpc')", []),
        ("load_dataset('csv', data_files='rows.csv')", ["rows.csv"]),
        ("load_dataset('./rows')", ["./rows"]),
    ],
)
def test_a_data_set_of_the_hub_is_no_path(call: str, paths: list[str], tmp_path: Path) -> None:
    found = data_of(tmp_path, f"from datasets import load_dataset\ndata = {call}['train']\n")
    assert [path.value for path in found.paths] == paths


OWN_LOADER = """
class Batches(DataLoader):
    def __init__(self, {parameters}):
        super().__init__({given}, batch_size=2)

loader = Batches([1.0, 2.0], [0.0, 1.0])
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        model(x).sum().backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("parameters", "given", "expected"),
    [
        ("dataset, names", "dataset", "[1.0, 2.0]"),
        ("rows, names", "dataset=rows", "[1.0, 2.0]"),
        ("inputs, targets", "list(zip(inputs, targets))", None),  # half of the samples would be split, half not
    ],
)
def test_the_data_set_of_a_loader_of_ones_own(
    parameters: str, given: str, expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(HEADER + OWN_LOADER.format(parameters=parameters, given=given))
    data = gather(Project(tmp_path / "train.py")).data
    assert data is not None and data.loader is not None
    assert (data.dataset.text if data.dataset else None) == expected


def test_a_loader_that_another_option_builds_is_not_the_training_data(tmp_path: Path) -> None:
    script = """
parser.add_argument("--graphs", action="store_true")
args = parser.parse_args()

def read():
    if args.graphs:
        return next(iter(DataLoader(Rows("graphs.csv"), batch_size=2)))
    return torch.ones(4, 2)

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
features = read()
for epoch in range(3):
    model(features).sum().backward()
    optimizer.step()
"""
    (tmp_path / "train.py").write_text(HEADER + script)
    assert gather(Project(tmp_path / "train.py")).data.loader is None
