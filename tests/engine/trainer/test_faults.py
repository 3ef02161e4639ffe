"""What a run meets in the data and the model, told in the terms of the specification.

The scripts run in the test process; ``test_train`` shows that their standard error is read back from a real process.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.result import UserError
from engine.trainer.checks import check_files
from engine.trainer.explain import explain
from engine.trainer.reading import parse


@pytest.fixture
def fault(run_script, workplace):
    """Runs the script of a document that cannot train; returns the sentence about it."""

    def run(content: dict) -> str:
        specification = parse(content)
        try:
            check_files(specification, workplace)
            run_script(content, workplace)
        except UserError as error:
            return error.message
        except Exception:
            text = traceback.format_exc()
            return explain(text, specification, workplace, workplace / "scripts/train.py")
        raise AssertionError("the script ran to its end")

    return run


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"dataConfig": {"labelColumn": "species"}},
            "$.dataConfig.labelColumn: data/classification_train.csv: no column",
        ),
        ({"dataConfig": {"validationFraction": 0.001}}, "$.dataConfig.validationFraction: "),
        ({"modelArgs": {"inputs": 7, "outputs": 3}}, "shapes cannot be multiplied"),
        ({"modelArgs": {"inputs": 6, "outputs": 2}}, "$.modelArgs: IndexError: Target 2 is out of bounds"),
        ({"modelArgs": {"width": 6}}, "$.modelArgs: TypeError"),
        ({"task": "regression"}, "$.modelArgs: RuntimeError: shape"),
        ({"task": "binary"}, "labels other than 0 and 1"),
        ({"trainingConfig": {"learningRate": 1e30, "optimizer": "SGD"}}, "$.trainingConfig.learningRate: the loss"),
        ({"dataConfig": {"batchSize": 23}}, "$.dataConfig.batchSize: ValueError: Expected more than 1 value"),
        ({"checkpointConfig": {"saveDir": "net.py"}}, "$.checkpointConfig.saveDir: "),
        ({"checkpointConfig": {"resumeFrom": "net.py"}}, "$.checkpointConfig.resumeFrom: net.py: "),
        ({"device": "cuda:99"}, "$.device: "),
    ],
)
def test_specifications_that_do_not_fit(fault, document, changes, sentence):
    content = document(**changes)
    if "validationFraction" in content["dataConfig"]:
        del content["dataConfig"]["valPath"]
    told = fault(content)
    assert told.startswith("$.") and sentence in told


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"train.csv": b"a,label\n1,0\nnan,1\n"}, "$.dataConfig.trainPath: train.csv: missing, NaN or infinite values"),
        ({"train.csv": b"a,label\n1,0\n,1\n"}, "$.dataConfig.trainPath: train.csv: missing, NaN or infinite values"),
        ({"train.csv": b"a,label\n1,0\nx,1\n"}, "could not convert string to float: 'x'; every column"),
        ({"train.csv": b"a,label\n1,0\n2\n"}, "$.dataConfig.trainPath: train.csv: expected sequence of length 2"),
        ({"train.csv": b"a,label\n1,0.5\n2,1\n"}, "labels that are not class numbers"),
        ({"train.csv": b"a,label\n"}, "$.dataConfig.trainPath: train.csv: 0 inputs and 0 labels"),
        ({"val.csv": b"a,label\n"}, "$.dataConfig.valPath: val.csv: 0 inputs and 0 labels"),
        ({"val.csv": b"b,label\n1,0\n"}, "$.dataConfig.valPath: the columns of"),
        ({"net.py": b"from torch import nn\nclass Net(nn.Module):\n    pass\nraise RuntimeError('no')\n"}, "line 4"),
        (
            {"net.py": b"import nothing_of_this_name\nclass Net(Module):\n    pass\n"},
            "net.py line 1: ModuleNotFoundError",
        ),
        ({"net.py": b"class Net(:\n"}, "does not parse in line 1"),
        ({"net.py": b"import torch\n"}, "$.modelPath: "),
        ({"net.py": b"from torch.nn import Module\nclass A(Module): ...\nclass B(Module): ...\n"}, "defines A, B"),
    ],
)
def test_faulty_files(fault, workplace, document, files, sentence):
    good = {
        "train.csv": b"a,label\n1,0\n2,1\n",
        "val.csv": b"a,label\n1,0\n2,1\n",
        "net.py": (workplace / "net.py").read_bytes(),
    }
    (workplace / "net.py").unlink()
    for name, content in (good | files).items():
        (workplace / name).write_bytes(content)
    told = fault(document(dataConfig={"trainPath": "train.csv", "valPath": "val.csv"}))
    assert told.startswith("$.") and sentence in told


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.npz", {"inputs": np.zeros((4, 6)), "y": np.zeros(4)}, "$.dataConfig.inputKey: a.npz: no array 'x'"),
        ("a.npz", {"x": np.zeros((4, 6)), "y": np.zeros(3)}, "a.npz: 4 inputs and 3 labels"),
        ("a.npy", np.zeros(4), "a.npy: an array of 1 dimensions"),
        ("a.npy", b"text", "$.dataConfig.trainPath: "),
        ("a.pt", {"x": torch.zeros(4, 6)}, "$.dataConfig.labelKey: a.pt: no tensor 'y'"),
        ("a.pt", b"text", "$.dataConfig.trainPath: "),
    ],
)
def test_faulty_arrays(fault, workplace, document, name, content, sentence):
    _save(workplace / name, content)
    content = document(dataConfig={"trainPath": name})
    del content["dataConfig"]["valPath"]
    assert sentence in fault(content)


def _save(path: Path, content: object) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    else:
        torch.save(content, path)


def test_an_image_folder_without_images(fault, workplace, document):
    (workplace / "images/cats").mkdir(parents=True)
    told = fault(document(dataConfig={"trainPath": "images", "valPath": "images"}))
    assert told.startswith("$.dataConfig.trainPath: images: no image")


def test_a_process_that_was_killed_says_its_last_line(document, workplace):
    told = explain("warming up\nKilled\n\n", parse(document()), workplace, workplace / "train.py")
    assert "Killed" in told and json.dumps(told)
