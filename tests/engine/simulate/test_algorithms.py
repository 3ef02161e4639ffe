"""What FLARE's recipes make of the sites' updates, against the same algorithm in a few lines of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.job import update_job
from engine.simulate import Simulation, deploy, simulate
from engine.simulate.artifacts import load_parameters
from tests.engine.simulate.conftest import converted

pytest.importorskip("nvflare")
pytestmark = pytest.mark.simulator

State = dict[str, Any]
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
    import torch
    from torch import nn

    layers = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))
    torch.save({f"layers.{name}": value for name, value in layers.state_dict().items()}, tmp_path / "initial.pt")
    return tmp_path / "initial.pt"


def kept(result: Simulation, number: int, name: str) -> State:
    import torch

    return torch.load(result.workspace / "updates" / f"round-{number}" / f"{name}.pt")


def mean(result: Simulation, number: int) -> State:
    """What the sites sent in a round, weighted by their steps."""
    steps = {update.site: update.steps for update in result.updates if update.round == number}
    sent = {site: kept(result, number, site) for site in steps}
    total = sum(steps.values())
    return {name: sum(steps[site] / total * sent[site][name].double() for site in steps) for name in sent["site-1"]}


def assert_same(found: State, expected: State) -> None:
    import torch

    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(torch.as_tensor(value).double(), expected[name].double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"path": "torch.optim.SGD", "args": {"lr": 0.7, "momentum": 0.6}},
        {"path": "torch.optim.Adam", "args": {"lr": 0.01}},
    ],
    ids=["SGD", "Adam"],
)
def test_fedopt_steps_the_servers_optimizer_against_the_mean_change(tmp_path: Path, optimizer: Any) -> None:
    import torch

    result = run(tmp_path, recipe="fedopt-pt", optimizer_args=optimizer)
    model = {name: value.double() for name, value in kept(result, 0, "to-site-1").items()}
    trained = [name for name in model if "running" not in name and "num_batches" not in name]
    parameters = {name: torch.nn.Parameter(model[name].clone()) for name in trained}
    server = getattr(torch.optim, optimizer["path"].rsplit(".", 1)[1])(parameters.values(), **optimizer["args"])
    for number in range(2):
        change = mean(result, number)
        for name, parameter in parameters.items():
            parameter.grad = -change[name]
        server.step()
        model = {name: value + change[name] for name, value in model.items()} | {
            name: parameter.detach().clone() for name, parameter in parameters.items()
        }
        if number == 0:
            assert_same(kept(result, 1, "to-site-1"), model)
    assert_same(load_parameters(result.global_model), model)


def test_cyclic_hands_the_model_from_site_to_site(tmp_path: Path) -> None:
    result = run(tmp_path, recipe="cyclic-pt")
    order = [(update.round, update.site) for update in result.updates]
    assert sorted(order) == [(0, "site-1"), (0, "site-2"), (1, "site-1"), (1, "site-2")]
    for (number, site), (following, receiver) in zip(order, order[1:], strict=False):
        assert_same(kept(result, following, f"to-{receiver}"), kept(result, number, site))
    assert_same(load_parameters(result.global_model), kept(result, *order[-1]))


@pytest.mark.timeout(600)
def test_simulator_and_deployment_train_the_same_model(tmp_path: Path, initial: Path) -> None:
    simulated = run(tmp_path / "simulated", initial_ckpt=str(initial))
    deployed = run(tmp_path / "deployed", deploy, initial_ckpt=str(initial))
    assert_same(kept(simulated, 0, "to-site-1"), kept(deployed, 0, "to-site-1"))
    assert_same(load_parameters(simulated.global_model), load_parameters(deployed.global_model))
    assert simulated.rounds == deployed.rounds


def test_recipe_and_components_train_the_same_model(tmp_path: Path, initial: Path) -> None:
    recipe = run(tmp_path / "recipe", initial_ckpt=str(initial))
    components = run(tmp_path / "components", initial_ckpt=str(initial), style="fedjob")
    assert_same(load_parameters(recipe.global_model), load_parameters(components.global_model))
    assert [each.overall("accuracy") for each in recipe.rounds] == pytest.approx(
        [each.overall("accuracy") for each in components.rounds]
    )
