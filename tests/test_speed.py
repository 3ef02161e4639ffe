"""The benchmark of speed: what it does where the other side takes too long, and what it holds the tool to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import speed
from engine.lint import MANY

BUSY = [sys.executable, "-c", "while True: pass"]
SHORT = [sys.executable, "-c", "sum(range(1_000_000))"]


def test_a_command_that_does_not_end_is_ended_and_gives_a_bound(tmp_path: Path) -> None:
    with pytest.raises(speed.TooLong) as error:
        speed.seconds(BUSY, tmp_path, limit=1)
    assert 0 < error.value.used < 2
    assert speed.times_as_long(BUSY, SHORT, tmp_path, 3, limit=1).startswith("more than ")
    assert speed.times_as_long(SHORT, SHORT, tmp_path, 1, limit=60).endswith("; 1 runs")


def test_a_command_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ends with 3"):
        speed.seconds([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_the_number_of_processes_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2 * MANY):
        (tmp_path / f"module_{number}.py").write_text("import torch\nstate = torch.load('model.pt')\n")
    assert speed.same_for_any_number_of_processes(tmp_path) == "yes"
    monkeypatch.setattr(speed, "TOOL", [sys.executable, "-c", "import os; print(os.getpid())"])
    assert speed.same_for_any_number_of_processes(tmp_path) == "no"
