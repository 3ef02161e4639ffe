"""Which script of a folder trains: the one that trains when it is run."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from engine.facts.entry import find_entry
from engine.result import UserError

HEADER = """import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
EPOCHS = """for epoch in range(3):
    model(torch.ones(2)).sum().backward()
    optimizer.step()
"""
LOOP = HEADER + EPOCHS
TRAINER = HEADER + "def train():\n" + indent(EPOCHS, "    ")


def folder(path: Path, **files: str) -> Path:
    """A folder with Python files by name, ``__`` for a slash."""
    for name, text in files.items():
        target = path / (name.replace("__", "/") + ".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return path


def test_a_file_is_itself(tmp_path: Path) -> None:
    assert find_entry(folder(tmp_path, a="x = 1\n") / "a.py") == tmp_path / "a.py"


def test_the_script_that_runs_the_trainer(tmp_path: Path) -> None:
    folder(tmp_path, trainer=TRAINER, go="from trainer import train\ntrain()\n", setup="import setuptools\n")
    assert find_entry(tmp_path).name == "go.py"


def test_a_script_that_trains_arrays(tmp_path: Path) -> None:
    text = """
        import numpy as np
        x, y = np.loadtxt("x.csv"), np.loadtxt("y.csv")
        w = np.zeros(3)
        for epoch in range(10):
            w -= 0.1 * x.T @ (x @ w - y)
        """
    folder(tmp_path, clean="import numpy as np\nfor _ in range(3):\n    print(np.ones(2))\n", train=dedent(text))
    assert find_entry(tmp_path).name == "train.py"


def test_a_script_that_imports_the_training_script_is_not_meant(tmp_path: Path) -> None:
    folder(tmp_path, train=LOOP, predict="from train import model\nprint(model)\n")
    assert find_entry(tmp_path).name == "train.py"


def test_scripts_in_folders_below(tmp_path: Path) -> None:
    folder(tmp_path, readme_tool="print('hello')\n", src__train=LOOP, tests__test_train=LOOP)
    assert find_entry(tmp_path) == tmp_path / "src" / "train.py"


def test_two_scripts_have_to_be_chosen_between(tmp_path: Path) -> None:
    folder(tmp_path, train_a=LOOP, train_b=LOOP)
    with pytest.raises(UserError, match=r"train_a\.py, train_b\.py.*--entry"):
        find_entry(tmp_path)


@pytest.mark.parametrize("files", [{}, {"model": "import torch\n"}, {"broken": "def f(:\n"}])
def test_nothing_that_trains(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(UserError, match="no script that trains"):
        find_entry(folder(tmp_path, **files))


def test_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_entry(tmp_path / "gone")
