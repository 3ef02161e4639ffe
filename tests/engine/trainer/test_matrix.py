"""Combinations of options such that every pair of them meets: each trains, converts, and is proved bit for bit."""

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


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_every_combination_is_federated_faithfully(tmp_path, row):
    path = write_project(row, tmp_path / "project")
    assert convert(path) == ""
    assert faults(prove(path)) == []
