"""What FLARE's recipes make of the sites' updates, against the same algorithm in a few lines of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import algorithms, from_scratch
from benchmarks.jobs import curve_run
from engine.job import job_settings, update_job
from engine.simulate import Simulation, deploy, simulate
from engine.simulate.artifacts import load_parameters
from tests.engine.simulate.conftest import converted

pytest.importorskip("nvflare")
pytestmark = pytest.mark.simulator

Run = Callable[..., Simulation]


def job(folder: Path, **settings: object) -> Path:
    directory = converted(folder)
    for name, content in update_job(directory, force=True, **settings).items():
        (directory / name).write_bytes(content)
    return directory


def run(folder: Path, how: Run = simulate, **settings: object) -> Simulation:
    directory = job(folder, **settings)
    result = how(directory, rounds=2, workspace=folder / "workspace", keep_updates=True, time_limit=240)
    assert result.failures == ()
    return result


@pytest.fixture
def initial(tmp_path: Path) -> Path:
    """A file with the weights that a job starts from."""
    layers = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))
    torch.save({f"layers.{name}": value for name, value in layers.state_dict().items()}, tmp_path / "initial.pt")
    return tmp_path / "initial.pt"


JOBS = {
    "fedopt with SGD": (
        "fedopt-pt",
        algorithms.fedopt("SGD", lr=0.7, momentum=0.6),
        "torch.optim.SGD:lr=0.7,momentum=0.6",
    ),
    "fedopt with Adam": ("fedopt-pt", algorithms.fedopt("Adam", lr=0.01), "torch.optim.Adam:lr=0.01"),
    "cyclic": ("cyclic-pt", algorithms.cyclic, None),
}


@pytest.mark.parametrize(("recipe", "expected", "optimizer"), JOBS.values(), ids=JOBS)
def test_the_global_model_is_that_of_the_algorithm(tmp_path: Path, recipe: str, expected: Any, optimizer: Any) -> None:
    result = run(tmp_path, **job_settings(recipe=recipe, server_optimizer=optimizer))
    assert algorithms.largest_difference(result, expected(result)) < 1e-5


WHOLE_RUNS = {
    "fedprox-pt": ({"fedprox_mu": from_scratch.MU}, from_scratch.fedprox),
    "scaffold-pt": ({}, from_scratch.scaffold),
    "swarm-pt": ({}, from_scratch.fedavg),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("recipe", WHOLE_RUNS)
def test_whole_runs_are_those_of_the_paper(recipe: str) -> None:
    settings, expected = WHOLE_RUNS[recipe]
    assert curve_run(recipe, settings, simulate, expected()) < 1e-5


def test_fedeval_measures_a_model_at_every_site(tmp_path: Path, initial: Path) -> None:
    directory = job(tmp_path, recipe="fedeval-pt", initial_ckpt=str(initial))
    result = simulate(directory, workspace=tmp_path / "workspace", time_limit=240)
    assert (result.failures, result.num_rounds, result.global_model) == ((), 0, None)
    assert {site: list(metrics) for site, metrics in result.rounds[0].sites.items()} == {
        "site-1": ["accuracy"],
        "site-2": ["accuracy"],
    }


def assert_same_model(left: Simulation, right: Simulation) -> None:
    expected = {name: torch.as_tensor(value).double() for name, value in load_parameters(right.global_model).items()}
    assert algorithms.largest_difference(left, expected) < 1e-6
    for before, after in zip(left.rounds, right.rounds, strict=True):
        assert before.overall("accuracy") == pytest.approx(after.overall("accuracy"))


@pytest.mark.timeout(900)
def test_simulator_components_and_deployment_train_the_same_model(tmp_path: Path, initial: Path) -> None:
    simulated = run(tmp_path / "simulated", initial_ckpt=str(initial))
    components = run(tmp_path / "components", initial_ckpt=str(initial), style="fedjob")
    assert_same_model(simulated, components)
    deployed = run(tmp_path / "deployed", deploy, initial_ckpt=str(initial))
    assert_same_model(simulated, deployed)
