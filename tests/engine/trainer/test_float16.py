"""Half precision as on a GPU, with torch's gradient scaler on the CPU: skipped steps, resumption, federation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.specification_matrix import FACTORS, specification
from benchmarks.trainer_matrix import convert, faults, prove, write_project
from engine import trainer
from tests.engine.trainer.test_resumption import differences

ROW = {name: values[0] for name, values in FACTORS.items()} | {"mixedPrecision": True, "gradientClipping": 1.0}
OVERFLOWING = 2.0**20
"""A first scale whose gradients overflow float16, so that the scaler skips steps and lowers it."""


def as_on_a_gpu(script: str) -> str:
    """The script with what it does on a GPU done on the CPU, from a scale that overflows."""
    assert script.count('device.type == "cuda"') == 2
    script = script.replace('device.type == "cuda"', 'device.type == "cpu"')
    return script.replace("GradScaler(device.type, ", f"GradScaler(device.type, init_scale={OVERFLOWING}, ")


@pytest.fixture
def run_as_on_a_gpu(run_script, monkeypatch):
    """`run_script`, for the script as it runs on a GPU."""
    from tests.engine.trainer import conftest

    render = conftest.render
    monkeypatch.setattr(conftest, "render", lambda *arguments: as_on_a_gpu(render(*arguments)))
    return run_script


def scaled(**changes: Any) -> dict[str, Any]:
    document = specification(ROW | changes)
    document["trainingConfig"]["epochs"] = 4
    return document | {"checkpointConfig": {"saveEvery": 2}}


def test_steps_that_overflow_are_skipped_and_the_scale_is_lowered(run_as_on_a_gpu, workplace: Path):
    checkpoint = run_as_on_a_gpu(scaled(), workplace)
    assert 0 < checkpoint["scaler"]["scale"] < OVERFLOWING
    steps = [state["step"] for state in checkpoint["optimizer"]["state"].values()]
    assert all(0 < step < 4 * 6 for step in steps)  # 24 examples in batches of 4, 4 epochs


@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_resumed_run_equals_the_uninterrupted_one(run_as_on_a_gpu, workplace: Path, accumulation: int):
    content = scaled(gradientAccumulation=accumulation)
    whole = run_as_on_a_gpu(content, workplace, "--save-dir", "whole")
    halfway = torch.load(workplace / "whole/epoch_2.pt", weights_only=True)
    assert halfway["scaler"]["scale"] < OVERFLOWING  # what a resumption could lose
    resumed = run_as_on_a_gpu(content, workplace, "--save-dir", "resumed", "--resume", "whole/epoch_2.pt")
    assert differences(whole, resumed) == []


@pytest.mark.parametrize("accumulation", [1, 3])
def test_skipped_steps_are_not_counted_by_the_federated_script(tmp_path: Path, monkeypatch, accumulation: int):
    scaffold = trainer.scaffold

    def scaffolded(path: Path) -> Path:
        script = scaffold(path)
        script.write_text(as_on_a_gpu(script.read_text()))
        return script

    monkeypatch.setattr(trainer, "scaffold", scaffolded)
    path = write_project(ROW | {"gradientAccumulation": accumulation}, tmp_path / "project")
    assert convert(path) == ""
    report = prove(path)
    assert faults(report) == []
    batches = 2 * 6 // accumulation  # in the two epochs that `verify` trains
    done = [int(check.detail.split()[0]) for check in report.checks if check.proof == "P1"]
    assert len(done) == 1 and 0 < done[0] < batches
