"""Combinations of options such that every pair of them meets: each trains, and every other one is converted and proved
bit for bit."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from benchmarks.specification_matrix import FACTORS, pairwise, specification
from benchmarks.trainer_matrix import convert, faults, prove, write_project

ROWS = pairwise()


def name(row: dict[str, Any]) -> str:
    return "-".join(str(row[factor]) for factor in ("optimizer", "scheduler", "format", "task", "workers"))


def test_every_pair_of_options_meets():
    assert len(ROWS) >= 60
    met = {
        frozenset([(first, str(row[first])), (second, str(row[second]))])
        for row in ROWS
        for first, second in itertools.combinations(FACTORS, 2)
    }
    wanted = {
        frozenset([(first, str(one)), (second, str(two))])
        for first, second in itertools.combinations(FACTORS, 2)
        for one, two in itertools.product(FACTORS[first], FACTORS[second])
    }
    assert wanted - met == {frozenset([("format", "images"), ("task", "regression")])}  # folders are classes


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_every_combination_trains(run_script, workplace, row):
    checkpoint = run_script(specification(row), workplace)
    assert checkpoint["epoch"] == 2
    assert len(json.loads((workplace / "checkpoints/history.json").read_text())) == 2


PROVED = ROWS[::2]


def test_every_option_is_proved():
    """With others than in the rest, of which ``python -m benchmarks.trainer_matrix`` proves all."""
    for factor, values in FACTORS.items():
        assert {str(row[factor]) for row in PROVED} == {str(value) for value in values}


@pytest.mark.parametrize("row", PROVED, ids=name)
def test_every_combination_is_federated_faithfully(tmp_path, row):
    path = write_project(row, tmp_path / "project")
    assert convert(path) == ""
    assert faults(prove(path)) == []
