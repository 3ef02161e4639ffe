"""Programs made at random: a few on every run; ``python -m benchmarks.fuzz`` tries ten thousand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.mutation import mutated

PROGRAM = (Path(__file__).parent.parent / "fixtures/digits/source/train.py").read_text()


def test_programs_made_at_random_give_no_trouble() -> None:
    counts, troubles = fuzz.run(fuzz.programs(16, start=3))
    assert troubles == []
    assert sum(counts.values()) == 16
    assert counts["convert"] and counts["refuse"]


def test_trouble_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "TIME_LIMIT", 1)
    monkeypatch.setattr(fuzz, "inspected", lambda script: [None for _ in iter(int, 1)])
    counts, (hang,) = fuzz.run([("hangs", PROGRAM, None)])
    assert "still running after 1 s" in hang
    monkeypatch.undo()
    monkeypatch.setattr(fuzz, "lint", lambda *_, **__: 1 / 0)
    _, (crash,) = fuzz.run([("crashes", PROGRAM, None)])
    assert "ZeroDivisionError" in crash


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
