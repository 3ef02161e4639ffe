"""The record of a conversion, and how what would be written is held against what lies there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from unittest.mock import ANY

import pytest

from engine import atomic, output
from engine.plan import Choices
from engine.result import UserError
from tests.codemods.tools import whole_pipeline, written

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
loader = DataLoader(data, batch_size=4)
model = nn.Linear(in_features=2, out_features=1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
"""


def test_the_record_is_what_job_verify_and_simulate_read(tmp_path: Path) -> None:
    entry = written(tmp_path / "project", SCRIPT, {})
    outcome = whole_pipeline(entry, tmp_path / "somewhere" / "federated", Choices())
    record = json.loads(outcome.files[output.CONVERSION])
    assert record == {
        "schema_version": 1,
        "source": {"root": "../../project", "entry": "train.py"},
        "model": {"class_path": "torch.nn.Linear", "args": {"in_features": 2, "out_features": 1}},
        "metric": None,
        "recipe": "fedavg-pt",
        "job": {},
        "arguments": {
            "epochs": {"option": "--epochs", "default": 3},
            "rounds": None,
            "partitions": {"option": "--partitions", "default": "1"},
            "data": [],
        },
        "original": {
            "loop": {"file": "train.py", "line": 9, "end_line": 13},
            "model": "model",
            "optimizer": "optimizer",
            "epochs": {"file": "train.py", "line": 9, "column": 19, "end_line": 9, "end_column": 20},
            "evaluations": [],
        },
        "exchange_format": "numpy",
        "execution": "in_process",
        "steps": ANY,
        "decisions": ANY,
        "files": ANY,
    }
    others = {name: content for name, content in outcome.files.items() if name != output.CONVERSION}
    assert record["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in others.items()}
    assert [step["status"] for step in record["steps"] if step["name"] == "extract_model"] == ["unchanged"]
    assert all(set(decision) == {"subject", "decision", "otherwise", "exempts"} for decision in record["decisions"])


NESTED = """\
import numpy as np
import torch
from tools.net import Net

rows = torch.from_numpy(np.loadtxt("../rows/a.csv"))
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(rows).mean().backward()
    optimizer.step()
"""
NET = "from torch import nn\n\n\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(2, 1)\n"


@pytest.mark.parametrize(("rows", "start"), [("project/rows", "../../project/tools"), ("rows", "../../project")])
def test_relative_paths_start_where_the_data_is_found_from(tmp_path: Path, rows: str, start: str) -> None:
    (tmp_path / rows).mkdir(parents=True)
    (tmp_path / rows / "a.csv").touch()
    (tmp_path / "project/tools").mkdir(parents=True)
    for name, text in (("train", NESTED), ("net", NET), ("__init__", "")):
        (tmp_path / f"project/tools/{name}.py").write_text(text)
    outcome = whole_pipeline(tmp_path / "project/tools/train.py", tmp_path / "somewhere/federated", Choices())
    source = json.loads(outcome.files[output.CONVERSION])["source"]
    assert (source["root"], source["entry"]) == ("../../project", "tools/train.py")
    assert f'SOURCE = HERE / "{start}"' in outcome.files["job.py"].decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that the tool wrote."""
    files = output.complete({}, {"client.py": b"client", "model.py": b"model"})
    atomic.write(tmp_path, files)
    return tmp_path


def compared(folder: Path, **files: str) -> output.Comparison:
    return output.compare(folder, output.complete({}, {f"{name}.py": text.encode() for name, text in files.items()}))


def test_what_is_the_same_is_not_written(folder: Path) -> None:
    assert compared(folder, client="client", model="model") == output.Comparison({}, (), (), ())


def test_what_is_new_or_changed_is_written(folder: Path) -> None:
    comparison = compared(folder, client="other", model="model", job="job")
    assert set(comparison.changed) == {"client.py", "job.py", output.CONVERSION}
    assert (comparison.foreign, comparison.edited, comparison.stale) == ((), (), ())
    output.guard(folder, comparison, force=False)


def test_what_is_no_longer_written_is_named(folder: Path) -> None:
    assert compared(folder, client="client").stale == ("model.py",)
    (folder / "model.py").unlink()
    assert compared(folder, client="client").stale == ()


def test_what_was_edited_is_guarded(folder: Path) -> None:
    (folder / "client.py").write_text("mine")
    comparison = compared(folder, client="other", model="model")
    assert comparison.edited == ("client.py",)
    with pytest.raises(UserError, match=r"client\.py was edited since it was written and is kept"):
        output.guard(folder, comparison, force=False)
    output.guard(folder, comparison, force=True)


@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b""], ids=["Windows", "Neovim", "none"])
def test_newlines_that_an_editor_or_git_changes_count_for_nothing(folder: Path, end: bytes) -> None:
    atomic.write(folder, output.complete({}, {"client.py": b"x = 1\ny = 2\n"}))
    newline = b"\r\n" if end == b"\r\n" else b"\n"
    (folder / "client.py").write_bytes(b"x = 1" + newline + b"y = 2" + end)
    assert compared(folder, client="x = 1\ny = 2\n").changed == {}
    comparison = compared(folder, client="x = 1\ny = 3\n")
    assert set(comparison.changed) == {"client.py", output.CONVERSION}
    assert comparison.edited == ()


def test_what_was_edited_into_what_would_be_written_is_no_conflict(folder: Path) -> None:
    (folder / "client.py").write_text("other")
    comparison = compared(folder, client="other", model="model")
    assert comparison.edited == ()
    assert set(comparison.changed) == {output.CONVERSION}


@pytest.mark.parametrize("record", ["", "[]", "{", '{"files": 3}', '{"files": {"client.py": 3}}'])
def test_a_record_that_cannot_be_read_claims_nothing(folder: Path, record: str) -> None:
    (folder / output.CONVERSION).write_text(record)
    comparison = compared(folder, client="other", model="model")
    with pytest.raises(UserError, match="is kept"):
        output.guard(folder, comparison, force=False)


def test_the_diff_names_the_source_of_each_file() -> None:
    text = output.diff({"client.py": ("train.py", b"a\nb")}, {"client.py": b"a\nc\n", "job.py": b"new\n", "b.py": b""})
    assert text == (
        "--- a/train.py\n+++ b/client.py\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
        "--- /dev/null\n+++ b/job.py\n@@ -0,0 +1 @@\n+new\n"
    )


def test_an_evaluation_without_gradients_is_all_of_its_block(tmp_path: Path) -> None:
    measured = """
with torch.no_grad():
    total = 0.0
    for x, y in loader:
        total += nn.functional.mse_loss(model(x), y).item()
    print("loss", total / len(loader))
torch.save(model.state_dict(), "model.pt")
"""
    entry = written(tmp_path / "project", SCRIPT + measured, {})
    outcome = whole_pipeline(entry, tmp_path / "federated", Choices())
    record = json.loads(outcome.files[output.CONVERSION])
    assert record["original"]["evaluations"] == [{"file": "train.py", "line": 15, "end_line": 20}]


@pytest.mark.parametrize("scaled", [False, True])
def test_a_round_without_a_step_is_expected_where_a_scaler_may_skip_them(scaled: bool, tmp_path: Path) -> None:
    script = SCRIPT
    if scaled:
        script = SCRIPT.replace("optimizer.step()", "scaler.step(optimizer)")
        script = script.replace("for epoch", 'scaler = torch.amp.GradScaler("cpu")\nfor epoch')
    outcome = whole_pipeline(written(tmp_path / "project", script, {}), tmp_path / "federated", Choices())
    record = json.loads(outcome.files[output.CONVERSION])
    assert record["original"].get("may_take_no_step", False) is scaled
