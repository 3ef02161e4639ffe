"""Texts of an editor are examined when they change, and no more often."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixit import LintRule

from engine.lsp.analysis import Analyser
from engine.result import Place, Result

TRAINING = "import torch\nimport net\n"


class Counting(LintRule):
    """Finds the second line of every program, and counts how often it is asked."""

    CODE, MESSAGE, VALID, INVALID = "TST301", "found", [], []
    asked: list[str] = []

    @classmethod
    def check(cls, facts):
        cls.asked.append(facts.project.entry.name)
        return [Result("Counting", cls.MESSAGE, cls.CODE, Place(facts.project.entry.name, 2))]


class Failing(Counting):
    """Cannot be run."""

    @classmethod
    def check(cls, facts):
        raise RuntimeError("nothing works")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program of two files, and another."""
    (tmp_path / "net.py").write_text("x = 1\n")
    for name in ("train.py", "other.py"):
        (tmp_path / name).write_text(TRAINING if name == "train.py" else "import torch\nx = 2\n")
    Counting.asked.clear()
    return tmp_path


def texts(folder: Path, **changed: str) -> dict[Path, str]:
    """Both programs as an editor shows them."""
    shown = {name: (folder / f"{name}.py").read_text() for name in ("train", "other")}
    return {folder / f"{name}.py": text for name, text in {**shown, **changed}.items()}


def test_only_what_has_changed_is_examined_anew(folder: Path) -> None:
    analyser = Analyser([Counting])
    first = analyser.examine(texts(folder))
    assert [result.place.line for _, results in first.files.values() for result in results] == [2, 2]
    assert analyser.examine(texts(folder)) == first
    assert Counting.asked == ["train.py", "other.py"]
    analyser.examine(texts(folder, other="import torch\nx = 3\n"))
    assert Counting.asked == ["train.py", "other.py", "other.py"]


def test_a_program_changes_with_its_modules_on_disk_and_in_the_editor(folder: Path) -> None:
    analyser = Analyser([Counting])
    analyser.examine(texts(folder))
    (folder / "net.py").write_text("x = 5\n")
    analyser.examine(texts(folder))
    analyser.examine({**texts(folder), folder / "net.py": "x = 6\n"})
    assert Counting.asked.count("train.py") == 3
    assert Counting.asked.count("other.py") == 1


def test_what_is_forgotten_is_examined_anew(folder: Path) -> None:
    analyser = Analyser([Counting])
    analyser.examine(texts(folder))
    analyser.forget()
    analyser.examine(texts(folder))
    assert Counting.asked == ["train.py", "other.py"] * 2


def test_a_text_that_is_closed_is_not_remembered(folder: Path) -> None:
    analyser = Analyser([Counting])
    analyser.examine(texts(folder))
    assert set(analyser.examine({}).files) == set()
    assert (analyser.programs, analyser.found) == ({}, {})


def test_a_failing_rule_is_an_error_that_names_it(folder: Path) -> None:
    found = Analyser([Failing]).examine({folder / "train.py": TRAINING})
    (error,) = found.errors
    assert "the rule Failing failed: RuntimeError: nothing works" in error


def test_a_text_as_it_lies_on_disk_is_that_file_to_the_byte(folder: Path) -> None:
    path = folder / "marked.py"
    path.write_bytes(b"\xef\xbb\xbfimport torch\r\n")
    source, _ = Analyser([]).examine({path: "import torch\r\n"}).files[path]
    assert source.raw == path.read_bytes()
    source, _ = Analyser([]).examine({path: "import torch\r\nx = 1\r\n"}).files[path]
    assert source.raw == b"import torch\r\nx = 1\r\n"
