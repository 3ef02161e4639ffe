"""Training in NumPy is proven like any other: calls around its updates stand in for the hooks of an optimizer."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

np = pytest.importorskip("numpy")
pytest.importorskip("nvflare")

from codemods.__main__ import main  # noqa: E402
from codemods.commands import OK  # noqa: E402
from engine.verify import Settings, verify  # noqa: E402
from engine.verify.arrays import ArrayRecorder, updates_in  # noqa: E402
from engine.verify.report import Outcome, Report  # noqa: E402

SCRIPT = """\
import numpy as np

x, y = np.load("x.npy"), np.load("y.npy")
w, b, v, lr = np.zeros((3, 1)), 0.0, np.zeros((3, 1)), 0.5


def loss(w, b):
    return np.mean((w.T @ x + b - y) ** 2)


for epoch in range(4):
    error = w.T @ x + b - y
    v = 0.9 * v + x @ error.T / y.size
    if epoch % 2:
        lr = lr * 0.9
    w -= lr * v
    b = b - lr * error.mean()
    print(loss(w, b))
"""


def proven(folder: Path, change: Callable[[str], str] = str, start: np.ndarray | None = None) -> Report:
    """What verify says of the script's conversion; samples stand in columns, momentum stays at the site.

    Args:
        folder: where it is converted.
        change: of the client.
        start: the weights that the job starts from, in a file.
    """
    random = np.random.default_rng(0)
    np.save(folder / "x.npy", random.normal(size=(3, 40)))
    np.save(folder / "y.npy", random.normal(size=(1, 40)))
    (folder / "train.py").write_text(SCRIPT)
    arguments = ["apply", str(folder / "train.py"), "--out", str(folder / "out")]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == OK
    client = folder / "out" / "client.py"
    changed = change(client.read_text())
    client.write_text(changed)
    if start is not None:
        np.save(folder / "start.npy", start)
        arguments = ["job", str(folder / "out"), "--initial-ckpt", str(folder / "start.npy")]
        assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == OK
    return verify(folder / "out", Settings(sites=(2,), time_limit=120))


def failing(report: Report) -> set[str]:
    """The proofs that fail."""
    return {check.proof for check in report.checks if check.outcome is Outcome.FAILS}


def test_every_proof_holds(tmp_path: Path) -> None:
    report = proven(tmp_path)
    assert [check for check in report.checks if check.outcome is not Outcome.HOLDS] == []
    assert {"P1", "P2", "P3", "P4", "P5", "P6"} <= {check.proof for check in report.checks}


@pytest.mark.parametrize(
    ("good", "bad", "proof"),
    [
        ("steps += 1", "steps += 2", "P3"),
        ("w[...], b = model", "_, b = model", "P2"),
        ("model_arrays.pack(w, b)", "model_arrays.pack(w, b + 1e-9)", "P1"),
    ],
)
def test_a_fault_in_the_client_shows(tmp_path: Path, good: str, bad: str, proof: str) -> None:
    def change(client: str) -> str:
        assert client.count(good) == 1
        return client.replace(good, bad)

    assert proof in failing(proven(tmp_path, change))


@pytest.mark.parametrize(("numbers", "fails"), [(4, set()), (3, {"P4", "P5"})])
def test_the_file_of_weights_to_start_from_is_for_these_arrays(tmp_path: Path, numbers: int, fails: set[str]) -> None:
    report = proven(tmp_path, start=np.linspace(0.1, 0.7, numbers))
    assert failing(report) == fails
    assert ("start.npy holds 3 numbers, and the model has 4" in "".join(c.detail for c in report.checks)) == bool(fails)


def test_updates_are_found_where_they_stand_deeper() -> None:
    source = ast.parse("for e in r:\n    w -= g\n    print(w)\n    b = b - h\n")
    client = ast.parse("w -= g\nwhile x:\n    if y:\n        for e in r:\n            w -= g\n            b = b - h\n")
    assert updates_in(source, [2, 4], client) == (5, 6)
    assert updates_in(source, [2, 4], ast.parse("w -= g\n")) is None


def test_the_recorder_counts_and_fails_where_it_is_told() -> None:
    recorder, w = ArrayRecorder(), np.zeros(2)
    recorder.begin(w, 0.5)
    recorder.step_begins(w, 0.5)
    w += 1
    recorder.step_ends(w, 0.5)
    assert (recorder.counts, len(recorder.steps)) == ({0: 1}, 1)
    assert recorder.first != recorder.steps[0]["after"]
    assert recorder.state()["numpy_key"].tolist() == [1, 1, 0.5]
    recorder.restart(fail_at=1)
    with pytest.raises(RuntimeError, match="planted"):
        recorder.step_begins(w, 0.5)


@pytest.mark.parametrize("pattern", ["numpy_class", "numpy_dict"])
def test_attributes_and_entries_are_trained_to_the_last_bit(
    project: Callable[[str], Path], tmp_path: Path, pattern: str
) -> None:
    arguments = ["apply", str(project(f"patterns/{pattern}")), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == OK
    report = verify(tmp_path / "out", Settings(sites=(2,), time_limit=120))
    assert [check for check in report.checks if check.outcome is not Outcome.HOLDS] == []
