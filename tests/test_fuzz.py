"""Programs made at random: a few on every run; ``python -m benchmarks.fuzz`` tries ten thousand."""

from __future__ import annotations

import faulthandler
import itertools
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.mutation import encoded, fixtures, library, mutated

PROGRAM = (Path(__file__).parent.parent / "fixtures/digits/source/train.py").read_text()
PIECES = [
    "try : pass\nexcept\\\n    : pass\n",
    "with (x) , y as z: global a;\n",
    "def \u0192(*, a = lambda: 0, **k) -> ...: \f pass\n",
]
MATERIAL = fuzz.Material(fixtures(), [], library(), PIECES)


def test_programs_made_at_random_give_no_trouble() -> None:
    found = list(fuzz.run(range(16), 3, MATERIAL))
    assert [number for number, _, _ in found] == list(range(16))
    assert [trouble for _, _, trouble in found if trouble] == []
    assert {"convert", "refuse"} <= {verdict for _, verdict, _ in found}


def test_a_crash_and_a_hang_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fuzz.Made("digits", PROGRAM.encode())
    monkeypatch.setattr(fuzz, "TIME_LIMIT", 1)
    monkeypatch.setattr(fuzz, "inspected", lambda facts: [None for _ in iter(int, 1)])
    assert "still running after 1 s" in fuzz.attempt(made)[1]
    monkeypatch.setattr(fuzz, "inspected", lambda facts: 1 / 0)
    assert "ZeroDivisionError" in fuzz.attempt(made)[1]


def test_a_program_that_ends_the_process_or_never_answers_is_told_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tried(made: fuzz.Made) -> tuple[str, str]:
        if made.name.startswith("1 "):
            faulthandler.disable()  # what it would print looks like a crash of the tests
            os.abort()
        if made.name.startswith("2 "):
            time.sleep(60)
        return "refuse", ""

    monkeypatch.setattr(fuzz, "attempt", tried)
    monkeypatch.setattr(fuzz, "STUCK", 3)
    zero, one, two, three = fuzz.run(range(4), 3, MATERIAL)
    assert zero[1:] == three[1:] == ("refuse", "")
    assert one[1] == two[1] == "trouble"
    assert one[2].endswith("kills the process")
    assert two[2].endswith("hangs")


def test_what_changes_on_a_second_run_or_loses_a_comment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fuzz.Made("digits", PROGRAM.encode())
    assert fuzz.attempt(made) == ("convert", "")
    real, runs = fuzz.build, itertools.count()

    def restless(*arguments):
        outcome = real(*arguments)
        return replace(outcome, files={**outcome.files, "client.py": b"# %d" % next(runs) + outcome.files["client.py"]})

    monkeypatch.setattr(fuzz, "build", restless)
    assert "a second run gives other files" in fuzz.attempt(made)[1]
    monkeypatch.setattr(fuzz, "build", lambda *arguments: replace(real(*arguments), files={"client.py": b""}))
    assert "comments are lost" in fuzz.attempt(made)[1]


def test_mutations_are_the_same_for_the_same_seed_and_mostly_python() -> None:
    made = [mutated(PROGRAM, random.Random(number)) for number in range(30)]
    assert made == [mutated(PROGRAM, random.Random(number)) for number in range(30)]
    assert len(set(made)) > 25
    python = 0
    for text in made:
        try:
            compile(text, "", "exec")
            python += 1
        except (SyntaxError, ValueError):
            pass
    assert 18 < python < 30


def test_some_programs_are_in_other_encodings() -> None:
    made = {encoded("x = '\u00e9'\n", random.Random(number)) for number in range(500)}
    assert "x = '\u00e9'\n".encode() in made
    assert any(b"latin-1" in each and b"'\xe9'" in each for each in made)
    assert any(each.startswith(b"\xff\xfe") for each in made)
