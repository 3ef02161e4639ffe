"""A run that was stopped and resumed equals the uninterrupted one, bit for bit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.trainer.torch_arguments import OPTIMIZERS, SCHEDULERS

PAIRS = list(itertools.product(OPTIMIZERS, [None, *SCHEDULERS]))


def differences(one: Any, two: Any, at: str = "") -> list[str]:
    """Where two checkpoints differ, but for the seconds an epoch took."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        keys = [key for key in one if key != "seconds"]
        return [found for key in keys for found in differences(one[key], two[key], f"{at}/{key}")]
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)) and len(one) == len(two):
        pairs = enumerate(zip(one, two, strict=True))
        return [found for index, (a, b) in pairs for found in differences(a, b, f"{at}/{index}")]
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        same = one.dtype == two.dtype and torch.equal(one, two)
    else:
        same = type(one) is type(two) and one == two
    return [] if same else [at]


def resumed_differs(run_script, folder: Path, content: dict[str, Any]) -> list[str]:
    whole = run_script(content, folder, "--save-dir", "whole")
    assert whole["epoch"] == 4
    resumed = run_script(content, folder, "--save-dir", "resumed", "--resume", "whole/epoch_2.pt")
    return differences(whole, resumed)


@pytest.mark.parametrize(("optimizer", "scheduler"), PAIRS)
def test_every_optimizer_with_every_scheduler(run_script, workplace, document, optimizer, scheduler):
    training = {"epochs": 4, "optimizer": optimizer} | ({"scheduler": scheduler} if scheduler else {})
    content = document(trainingConfig=training, checkpointConfig={"saveEvery": 2})
    assert resumed_differs(run_script, workplace, content) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"trainingConfig": {"mixedPrecision": True, "gradientAccumulation": 3, "gradientClipping": 0.5}},
        {"trainingConfig": {"optimizer": "SGD", "optimizerArgs": {"momentum": 0.9, "nesterov": True}}},
        {"trainingConfig": {"optimizer": "LBFGS", "gradientAccumulation": 2, "mixedPrecision": True}},
        {"trainingConfig": {"scheduler": "onecycle", "optimizer": "Adam", "gradientAccumulation": 4}},
        {"trainingConfig": {"scheduler": "warmup_cosine", "schedulerArgs": {"warmup_epochs": 3}}},
        {"trainingConfig": {"earlyStopping": {"patience": 4}, "parallel": "DataParallel"}},
        {"dataConfig": {"numWorkers": 1, "persistentWorkers": True}},
        {"dataConfig": {"numWorkers": 2}},
        {"deterministic": True, "seed": 3},
    ],
)
def test_every_other_state(run_script, workplace, document, changes):
    content = document(checkpointConfig={"saveEvery": 2}, **changes)
    content["trainingConfig"]["epochs"] = 4
    assert resumed_differs(run_script, workplace, content) == []


def test_the_comparison_sees_another_seed(run_script, workplace, document):
    one = run_script(document(), workplace, "--save-dir", "one", "--seed", "1")
    two = run_script(document(), workplace, "--save-dir", "two", "--seed", "2")
    assert "/random_state" in differences(one, two)


def test_a_finished_run_resumes_to_itself(run_script, workplace, document):
    whole = run_script(document(), workplace)
    again = run_script(document(), workplace, "--resume", "checkpoints/last.pt")
    assert differences(whole, again) == []
