"""The job of a model in NumPy: FLARE's `NumpyFedAvgRecipe` with every parameter of it that a job can set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.job import job_spec_from, render
from engine.result import UserError
from tests.conftest import FIXTURES

CONVERTED = FIXTURES / "numpy_breast_cancer" / "expected"


def job(**settings: Any) -> str:
    """The text of job.py."""
    return render(job_spec_from(CONVERTED, **settings))


def test_the_initial_model_travels_in_the_job() -> None:
    text = job()
    assert "from nvflare.app_common.np.recipes import NumpyFedAvgRecipe" in text
    assert "from model import build_model" in text and "from model_arrays import pack" in text
    assert "model=pack(*build_model(measurements=30)).tolist()," in text
    assert "add_final_global_evaluation" not in text  # FLARE has it for PyTorch alone


def test_every_parameter_of_the_recipe_can_be_set() -> None:
    text = job(
        name="tumours", num_clients=4, num_rounds=7, aggregator="mine:Median", aggregator_data_kind="WEIGHTS",
        launch_external_process=True, command="nice python3 -u", params_transfer_type="DIFF", initial_ckpt="w.npy",
    )  # fmt: skip
    for expected in (
        'name="tumours"', 'default=4, help="number of sites"', 'default=7, help="number of rounds"',
        'train_script="client.py"', "train_args=train_args", "from mine import Median", "aggregator=Median()",
        "aggregator_data_kind=DataKind.WEIGHTS", "launch_external_process=True", 'command="nice python3 -u"',
        "params_transfer_type=TransferType.DIFF", "from nvflare.client.config import TransferType",
        'initial_ckpt="w.npy"',
    ):  # fmt: skip
        assert expected in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "fedavg-pt"}, "trains a model of NumPy, and fedavg-pt is for PyTorch"),
        ({"recipe": "fedprox-pt"}, "trains a model of NumPy"),
        ({"server_expected_format": "pytorch"}, "exchanges NumPy arrays"),
        ({"cross_site_eval": True}, "no cross-site evaluation"),
        ({"style": "fedjob"}, "fedjob"),
    ],
)
def test_what_is_not_for_numpy_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        job(**settings)


def test_a_client_of_pytorch_is_not_run_as_one_of_numpy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="trains a model of PyTorch, and fedavg-numpy is for NumPy"):
        render(job_spec_from(FIXTURES / "digits" / "expected", recipe="fedavg-numpy"))
