"""``train``: the output document of runs that end well, early, by a fault, by a limit and by Ctrl-C."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from engine import trainer
from engine.simulate.artifacts import Round
from engine.simulate.failures import Failure
from engine.simulate.result import Simulation
from engine.trainer import schemas

ROOT = Path(__file__).parents[3]


def train(path: Path, **options: Any) -> dict[str, Any]:
    """The output document, which keeps to its schema whatever happened."""
    document = trainer.train(path, **{"device": "cpu", "time_limit": 120.0} | options)
    jsonschema.validate(document, schemas.output_schema())
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


def refused(path: Path) -> str:
    """The sentence of a run that ends in an error, which costs one line and names a key."""
    document = train(path)
    assert document["status"] == "error"
    assert trainer.exit_code(document) == 2
    assert document["error"].startswith("$")
    assert "\n" not in document["error"]
    return document["error"]


def test_the_digits_specification_trains(tmp_path):
    folder = tmp_path / "specifications"
    shutil.copytree(ROOT / "fixtures/specifications", folder)
    document = train(folder / "digits.yaml")
    assert document["status"] == "success"
    assert trainer.exit_code(document) == 0
    assert document["metrics"]["valAccuracy"] >= 0.95
    assert document["metrics"]["epochsTrained"] == 10
    assert [point["epoch"] for point in document["learningCurve"]] == list(range(1, 11))
    assert document["checkpointPath"] == str(folder / "checkpoints/digits/best.pt")
    written = sorted(path.name for path in (folder / "checkpoints/digits").iterdir())
    assert written == ["best.pt", "epoch_10.pt", "epoch_5.pt", "history.json", "last.pt", "learning_curve.svg"]
    assert "validation loss" in trainer.render(document)


def test_the_best_checkpoint_is_the_one_of_the_least_validation_loss(run_script, workplace, document):
    run_script(document(trainingConfig={"epochs": 6, "learningRate": 0.1}), workplace)
    history = json.loads((workplace / "checkpoints/history.json").read_text())
    best = torch.load(workplace / "checkpoints/best.pt", weights_only=True)
    assert best["best_loss"] == min(epoch["val"]["loss"] for epoch in history)
    assert history[best["epoch"] - 1]["val"]["loss"] == best["best_loss"]


def test_progress_goes_to_standard_error_and_a_seed_repeats_the_run(write, document, capfd):
    path = write(document())
    one, two, other = train(path, seed=7), train(path, seed=7), train(path, seed=8)
    assert one["learningCurve"] == two["learningCurve"] != other["learningCurve"]
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "epoch 2/2: train loss" in captured.err


def test_early_stopping(write, document):
    training = {"epochs": 50, "learningRate": 1e-9, "earlyStopping": {"patience": 2, "minDelta": 0.5}}
    result = train(write(document(trainingConfig=training)))
    assert result["status"] == "early_stopped"
    assert trainer.exit_code(result) == 0
    assert result["metrics"]["epochsTrained"] == 3  # the first is the best, two more are no better


def test_distributed_data_parallel_resumes_exactly(write, document, workplace):
    training = {"epochs": 3, "parallel": "DistributedDataParallel", "processes": 2}
    checkpoints = {"saveEvery": 1, "saveDir": "whole"}
    whole = train(write(document(trainingConfig=training, checkpointConfig=checkpoints)))
    assert whole["status"] == "success", whole
    checkpoints = {"saveDir": "resumed", "resumeFrom": "whole/epoch_1.pt"}
    resumed = train(write(document(trainingConfig=training, checkpointConfig=checkpoints)))
    assert resumed["learningCurve"] == whole["learningCurve"]
    states = [torch.load(workplace / name / "last.pt", weights_only=True)["model"] for name in ("whole", "resumed")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_tensorboard_is_used_where_it_is_installed_and_asked_for_where_not(write, document, workplace):
    result = train(write(document(trackingConfig={"tensorboardDir": "curves"})))
    if importlib.util.find_spec("tensorboard"):
        assert list((workplace / "curves").glob("events.out.tfevents.*"))
    else:
        assert "$.trackingConfig: TensorBoard is not installed; run `pip install tensorboard`" in result["error"]


def test_the_learning_curve_is_a_picture(write, document, workplace):
    train(write(document()))
    picture = (workplace / "checkpoints/learning_curve.svg").read_text()
    assert picture.count("<polyline") == 2 and "nan" not in picture


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trainingConfig": {"epochs": -3}}, "$.trainingConfig.epochs is -3"),
        ({"trainingConfig": {"optimizer": "SGDM"}}, "$.trainingConfig.optimizer cannot be"),
        ({"dataConfig": {"trainPath": "data/none.csv"}}, "$.dataConfig.trainPath: "),
        ({"dataConfig": {"valPath": "data/binary_val.npz"}}, "$.dataConfig.valPath: "),
        ({"dataConfig": {"trainPath": "data"}}, "is none of a .csv"),
        ({"modelPath": "none.py"}, "$.modelPath: "),
        ({"modelPath": "data"}, "is not a Python file"),
        ({"modelClass": "Other"}, "$.modelClass: "),
        ({"checkpointConfig": {"resumeFrom": "none.pt"}}, "$.checkpointConfig.resumeFrom: "),
        (
            {"dataConfig": {"labelColumn": "species"}},
            "$.dataConfig.labelColumn: data/classification_train.csv: no column",
        ),
        ({"modelArgs": {"inputs": 7, "outputs": 3}}, "$.modelPath: "),
    ],
)
def test_a_faulty_specification(write, document, changes, sentence):
    assert sentence in refused(write(document(**changes)))


def test_a_loss_that_becomes_nan_leaves_the_last_good_checkpoint(workplace, write, document):
    result = train(write(document(trainingConfig={"learningRate": 1e30, "optimizer": "SGD"})))
    assert result["checkpointPath"] == str(workplace / "checkpoints/last.pt")
    state = torch.load(result["checkpointPath"], weights_only=True)
    assert all(value.isfinite().all() for value in state["model"].values())


def test_a_run_that_takes_too_long_is_ended(workplace, write, document):
    result = train(write(document(trainingConfig={"epochs": 10**7})), time_limit=2.0)
    assert result["status"] == "error"
    assert result["error"].startswith("The training took longer than 2 seconds; raise the time limit")


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_checkpoint_that_goes_on_exactly(run_script, workplace, write, document, request_to_end):
    path = write(document(trainingConfig={"epochs": 10**5}))
    code = "import json; from pathlib import Path; import engine.trainer as t; print(json.dumps(t.train(Path(PATH))))"
    command = [sys.executable, "-c", code.replace("PATH", repr(str(path)))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 300
    while not (workplace / "checkpoints/best.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (workplace / "checkpoints/best.pt").exists()
    process.send_signal(request_to_end)
    result = json.loads(process.communicate(timeout=100)[0])
    jsonschema.validate(result, schemas.output_schema())
    assert result["status"] == "error" and result["error"].startswith("Interrupted after ")
    state = torch.load(result["checkpointPath"], weights_only=True)
    epochs = str(state["epoch"] + 1)
    resumed = run_script(document(), workplace, "--epochs", epochs, "--resume", result["checkpointPath"])
    whole = run_script(document(), workplace, "--epochs", epochs, "--save-dir", "whole")
    assert all(torch.equal(resumed["model"][name], whole["model"][name]) for name in whole["model"])


def test_nothing_heavy_is_imported_with_the_package():
    code = "import sys, engine.trainer; print({'torch', 'pydantic', 'jinja2', 'rich', 'yaml'} & sys.modules.keys())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout
    assert printed == "set()\n"


def test_the_document_of_a_federated_run_has_its_curve_by_round(tmp_path):
    rounds = [Round(n, {"site-1": {"loss": 1 / (n + 1), "accuracy": 0.5}}) for n in range(4)]
    run = Simulation(
        job="digits",
        sites=("site-1",),
        num_rounds=3,
        metric="accuracy",
        direction="max",
        rounds=tuple(rounds),
        updates=(),
        failures=(),
        global_model=tmp_path / "FL_global_model.pt",
        selected_model=None,
        workspace=tmp_path,
        seconds=6.0,
    )
    document = trainer.simulation_document(run)
    jsonschema.validate(document, schemas.output_schema())
    assert document["status"] == "success" and document["checkpointPath"].endswith("FL_global_model.pt")
    assert document["learningCurve"] == [{"epoch": n, "valLoss": 1 / (n + 1)} for n in (1, 2, 3)]
    assert document["metrics"] == {"valLoss": 0.25, "valAccuracy": 0.5, "epochsTrained": 3, "trainingTime": 6.0}
    failed = trainer.simulation_document(replace(run, failures=(Failure("site-1", "it ran out of memory"),)))
    assert failed["status"] == "error" and failed["error"] == "site-1: it ran out of memory"
