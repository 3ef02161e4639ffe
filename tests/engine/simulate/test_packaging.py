"""What is in the exported job, and that it starts at a site where nothing else is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from codemods.commands import OK
from engine.simulate.preparation import prepare
from tests.conftest import FIXTURES

pytest.importorskip("nvflare")

# in folders that are added to the search path, by a name that is put together, as a package, through a settings file
LAID_OUT = {
    "train.py": """\
import importlib, json, os, sys
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shapes import Net
from training import losses
scale = importlib.import_module("extras.scaling").scale
with open("settings/run.json") as file:
    settings = json.load(file)
data = TensorDataset(scale(torch.ones(16, 4)), torch.ones(16, 1))
loader = DataLoader(data, batch_size=4)
model = Net(settings["width"])
optimizer = torch.optim.SGD(model.parameters(), lr=settings["lr"])
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        losses.error(model(x), y).backward()
        optimizer.step()
""",
    "lib/shapes.py": """\
from torch import nn
class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Linear(width, 1))
    def forward(self, x):
        return self.layers(x)
""",
    "training/__init__.py": "",
    "training/losses.py": "from .parts import error\n",
    "training/parts.py": "from torch.nn.functional import mse_loss as error\n",
    "extras/__init__.py": "",
    "extras/scaling.py": "def scale(x):\n    return x / 2\n",
    "settings/run.json": '{"width": 3, "lr": 0.1}',
}


def started(source: Path, folder: Path) -> set[str]:
    """The files of the exported job of a project, which has been started up to where it loads the first model."""
    arguments = ["apply", str(source / "train.py"), "--out", str(folder / "federated")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == OK, result.output
    prepared = prepare(folder / "federated", 1, 1, None, folder / "workspace", False, ())
    seen = prepared.rehearsed["site-1"]
    assert "error" not in seen, seen
    assert seen["model"] == ""  # it has loaded the server's model, which was built without the client
    custom = prepared.job / "app" / "custom"
    packed = {path.relative_to(custom).as_posix() for path in custom.rglob("*") if path.is_file()}
    written = json.loads((folder / "federated" / "conversion.json").read_text())["files"]
    assert packed - {"flare_observer.py"} == set(written) - {"job.py"}
    return packed


@pytest.mark.parametrize("name", ["config_yaml", "trainer_inherited"])
def test_a_job_of_several_files_starts_without_its_project(name: str, tmp_path: Path) -> None:
    started(FIXTURES / "patterns" / name, tmp_path)


def test_everything_the_client_and_the_server_need_is_packed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name, text in LAID_OUT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    packed = started(project, tmp_path)
    assert {"settings/run.json", "training/parts.py", "training/__init__.py", "extras/scaling.py"} <= packed
    assert "requirements.txt" in packed


def test_a_project_with_data_is_not_packed(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "breast_cancer" / "source", tmp_path / "project")
    packed = started(tmp_path / "project", tmp_path)
    assert not any(name.endswith(".csv") for name in packed)
