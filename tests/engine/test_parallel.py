"""Linting by several processes: the same outcome whatever their number, when one dies, and an end when interrupted."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixit import LintRule

from engine import parallel
from engine.configuration import Configuration
from engine.lint import Examiner, Outcome, Task, lint
from engine.selection import Selection
from rules import RULES, PlainTensorState, UnsafeTorchLoad, from_toml

LOAD = "import torch\nx = torch.load(path)\n"
FILES = 36


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with many files."""
    monkeypatch.chdir(tmp_path)
    for number in range(FILES):
        (tmp_path / f"f{number:02}.py").write_text(LOAD + "from f00 import x as y\n" * (number % 10 == 1))
    return tmp_path


class Deadly(UnsafeTorchLoad, LintRule):
    """Ends the process that looks at a certain file."""

    @classmethod
    def may_match(cls, text: str) -> bool:
        if "# deadly" in text and parallel.__dict__.get("_work"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().may_match(text)


def linted(jobs: int | None, rules=(PlainTensorState, UnsafeTorchLoad), **options) -> Outcome:
    return lint([Path()], lambda: rules, jobs=jobs, **options)


def test_the_outcome_does_not_depend_on_the_number_of_processes(folder: Path) -> None:
    (folder / "f05.py").write_bytes(b"torch\0")
    (folder / "f20.py").write_text("import torch\nprint 'old'\n")
    (folder / "f21.py").write_text("import torch  # noqa: FLR202\n")
    one = linted(1)
    assert (len(one.left), len(one.errors)) == (34, 2)
    assert linted(2) == linted(3) == linted(None) == one


def test_fixing_does_not_depend_on_it_either(folder: Path) -> None:
    before = {path: path.read_text() for path in folder.glob("*.py")}
    one = linted(1, fix=True)
    after = {path: path.read_text() for path in folder.glob("*.py")}
    for path, text in before.items():
        path.write_text(text)
    assert linted(2, fix=True) == one
    assert {path: path.read_text() for path in folder.glob("*.py")} == after
    assert len(one.fixed) == FILES


def test_a_process_that_dies_costs_its_file_alone(folder: Path) -> None:
    for name in ("f03.py", "f30.py"):
        (folder / name).write_text(f"{LOAD}# deadly\n")
    outcome = linted(2, [Deadly])
    assert [error.partition(":")[0] for error in outcome.errors] == ["f03.py", "f30.py"]
    assert "died" in outcome.errors[0]
    assert len(outcome.left) == FILES - 2
    assert outcome.exit_code == 2


def test_the_work_can_be_sent_to_processes_that_are_not_forked() -> None:
    examiner = Examiner(Selection(RULES, Configuration(), ["FLR2"], []), {})
    sent = pickle.loads(pickle.dumps(examiner.file))
    task = Task("f01.py", [], asked=True, trained=False)
    assert sent(task) == examiner.file(task)


STABLE = """
[[rule]]
name = "NoItem"
code = "TEAM201"
find = "torch.load($path)"
replace = "torch.load($path, mmap=True)"
safety = "safe"
message = "Map what is loaded."
where.unlike.path = "'.*'"
step = true

[[rule.example]]
before = "import torch\\ntorch.load(x)"
after = "import torch\\ntorch.load(x, mmap=True)"
"""


def test_a_teams_rules_reach_processes_that_are_not_forked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "team.toml").write_text(STABLE)
    team = from_toml.read(folder / "team.toml")
    here = linted(1, team)
    assert len(here.left) == FILES
    monkeypatch.setattr(parallel, "START", "spawn")  # as on macOS and Windows
    assert linted(2, team) == here
    assert len(linted(2, team, fix=True).fixed) == FILES


INTERRUPTED = """
import os, sys, time
from pathlib import Path
from rules import UnsafeTorchLoad
from fixit import LintRule
from engine.lint import lint
class Slow(UnsafeTorchLoad, LintRule):
    @classmethod
    def may_match(cls, text):
        os.write(1, b"looking\\n")
        time.sleep(60)
try:
    lint([Path()], lambda: [Slow], jobs=2)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interrupt_ends_all_processes(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
    )
    assert [running.stdout.readline() for _ in range(2)] == ["looking\n"] * 2
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
    _, said = running.communicate(timeout=40)
    assert (running.returncode, said) == (130, "")
    for _ in range(100):
        try:
            os.killpg(running.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("processes are left")
