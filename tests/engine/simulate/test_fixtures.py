"""The training projects of ``fixtures/``, converted, exported, and run with the project out of reach."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.simulate.artifacts import load_parameters
from engine.simulate.preparation import prepare
from engine.simulate.run import run_prepared

pytest.importorskip("nvflare")
pytestmark = pytest.mark.simulator

ROOT = Path(__file__).parents[3]
DATA = {
    "digits": (),
    "breast_cancer": ("--data-path", "data/breast_cancer.csv"),
    "diabetes": ("--data-dir", "data"),
    "ddp_gloo": (),
}
ARGUMENTS = {"ddp_gloo": ("--arg", "1", "--arg", "1")}  # total_epochs save_every


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", DATA)
def test_the_exported_job_trains_the_weighted_mean_without_its_project(name: str, tmp_path: Path) -> None:
    import torch

    project = tmp_path / "project"
    shutil.copytree(ROOT / "fixtures" / name / "source", project)
    command = [sys.executable, "-m", "codemods", "apply", str(project), *ARGUMENTS.get(name, ())]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, stdout=subprocess.DEVNULL)
    option, *path = DATA[name] or ("",)
    arguments = (option, str(tmp_path / path[0])) if path else ()
    epochs = None if name in ARGUMENTS else 1
    prepared = prepare(project / "federated", 2, 2, epochs, tmp_path / "workspace", True, arguments)
    if path:
        shutil.move(project / path[0].split("/")[0], tmp_path)
    shutil.rmtree(project)

    result = run_prepared(prepared, time_limit=240)

    assert result.failures == ()
    assert [each.rounds for each in result.rounds] == [0, 1, 2]
    updates = [update for update in result.updates if update.round == 1]
    sent = [torch.load(result.workspace / "updates" / "round-1" / f"{update.site}.pt") for update in updates]
    total = sum(update.steps for update in updates)
    for key, value in load_parameters(result.global_model).items():
        mean = sum(update.steps / total * each[key].double() for update, each in zip(updates, sent, strict=True))
        torch.testing.assert_close(torch.as_tensor(value).double(), mean, rtol=0, atol=1e-6)
