"""Settings of a job as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.job import job_settings
from engine.job.settings import component
from engine.result import UserError


def test_only_what_was_given_is_set() -> None:
    assert job_settings(num_rounds=None, cross_site_eval=False, recipe=None, site=()) == {}
    assert job_settings(num_rounds=3, recipe="fedopt-pt") == {"num_rounds": 3, "recipe": "fedopt-pt"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch.optim.Adam", {"path": "torch.optim.Adam", "args": {}}),
        (
            "torch.optim.Adam:lr=1e-2, betas=(0.9, 0.99)",
            {"path": "torch.optim.Adam", "args": {"lr": 0.01, "betas": [0.9, 0.99]}},
        ),
        ("torch.optim.SGD:nesterov=True", {"path": "torch.optim.SGD", "args": {"nesterov": True}}),
    ],
)
def test_an_optimizer_with_arguments(text: str, expected: dict[str, object]) -> None:
    assert component(text) == expected


@pytest.mark.parametrize(
    "text", ["torch.optim.Adam:0.1", "torch.optim.Adam:lr=rate", "torch.optim.Adam:lr=", "a.B:**{}"]
)
def test_an_argument_that_is_no_plain_value_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="CLASS:NAME=VALUE"):
        component(text)


def test_a_checkpoint_inside_the_folder_travels_with_the_job(tmp_path: Path) -> None:
    inside, outside = tmp_path / "federated" / "initial.pt", tmp_path / "initial.pt"
    inside.parent.mkdir()
    inside.touch()
    outside.touch()
    assert job_settings(initial_ckpt=inside, directory=inside.parent) == {"initial_ckpt": "initial.pt"}
    assert job_settings(initial_ckpt=outside, directory=inside.parent) == {"initial_ckpt": "../initial.pt"}
    assert job_settings(initial_ckpt=outside, directory=Path("elsewhere")) == {"initial_ckpt": str(outside)}
    with pytest.raises(UserError, match="does not exist"):
        job_settings(initial_ckpt=tmp_path / "missing.pt")


def test_how_a_simulation_splits_the_data() -> None:
    assert job_settings(partition="even", site_weights="3,1") == {"partition": "even", "site_weights": [3.0, 1.0]}
    assert job_settings(alpha=0.1) == job_settings(alpha=0.1, partition="dirichlet")
    assert job_settings(alpha=0.1) == {"partition": "dirichlet", "alpha": 0.1}
    with pytest.raises(UserError, match="--alpha is for --partition dirichlet, and not for even"):
        job_settings(alpha=0.1, partition="even")
    with pytest.raises(UserError, match="--site-weights 3:1 is not understood"):
        job_settings(site_weights="3:1")


def test_a_launch_command_puts_the_client_into_processes_of_its_own() -> None:
    assert job_settings(command="torchrun --standalone --nproc_per_node=2") == {
        "launch_external_process": True,
        "command": "python3 -u -m torch.distributed.run --standalone --nproc_per_node=2",
    }
    assert job_settings(command="nice python3")["command"] == "nice python3"
    assert job_settings(script_arguments=()) == {}
