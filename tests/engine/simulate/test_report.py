"""A finished run as text, as JSON and as a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.simulate import Simulation, draw_curve, render_text
from engine.simulate.artifacts import Round
from engine.simulate.failures import Failure


def rounds(*values: tuple[float, float]) -> tuple[Round, ...]:
    weights = {"a": 3.0, "b": 1.0}
    return tuple(
        Round(number, {"a": {"accuracy": a, "loss": 1 - a}, "b": {"accuracy": b, "loss": 1 - b}}, weights)
        for number, (a, b) in enumerate(values)
    )


RESULT = Simulation(
    job="train",
    sites=("a", "b"),
    num_rounds=2,
    metric="accuracy",
    direction="max",
    rounds=rounds((0.1, 0.2), (0.8, 0.4), (0.6, 0.5)),
    updates=(),
    failures=(),
    global_model=Path("/work space/global.pt"),
    selected_model=Path("/work space/best.pt"),
    workspace=Path("/work space"),
    seconds=12.3,
)


def test_the_global_metric_is_weighted_by_steps() -> None:
    assert [each.overall("accuracy") for each in RESULT.rounds] == pytest.approx([0.125, 0.7, 0.575])
    assert RESULT.rounds[0].overall("recall") is None


def test_the_table_has_a_row_per_round_and_marks_the_best() -> None:
    table = render_text(RESULT).split("\n\n")[1].splitlines()
    assert [line.split() for line in table] == [
        ["rounds", "accuracy", "loss", "a", "b"],
        ["0", "0.1250", "0.8750", "0.1000", "0.2000"],
        ["1", "0.7000", "0.3000", "0.8000", "0.4000", "best"],
        ["2", "0.5750", "0.4250", "0.6000", "0.5000"],
    ]


def test_the_best_model_is_the_final_one_where_it_came_out_best() -> None:
    assert RESULT.best_model == Path("/work space/best.pt")
    assert replace(RESULT, metric="loss", direction="max").best_round == RESULT.rounds[0]
    better = replace(RESULT, rounds=rounds((0.1, 0.2), (0.5, 0.4), (0.6, 0.5)))
    assert better.best_model == better.global_model


def test_the_centralised_run_stands_below_the_rounds() -> None:
    text = render_text(replace(RESULT, baseline={"accuracy": 0.75, "loss": 0.3}, baseline_epochs=6))
    assert "central, 6 epochs    0.7500  0.3000" in text


def test_a_failure_of_several_sites_is_told_once() -> None:
    failures = tuple(Failure(site, "ValueError: [red]no[/red]", "client.py", 7, "train.py:5") for site in "ab")
    text = render_text(replace(RESULT, failures=failures))
    assert text.count("ValueError: [red]no[/red]") == 1
    assert "a, b: ValueError" in text and "at client.py:7, which was train.py:5" in text


def test_what_is_no_failure_is_told_as_a_note() -> None:
    text = render_text(replace(RESULT, warnings=(Failure("site-2", "all its steps were skipped"),)))
    assert "Note:\n  site-2: all its steps were skipped\n" in text
    assert "Failed" not in text


def test_a_run_without_a_metric_still_names_its_model() -> None:
    text = render_text(replace(RESULT, metric="", rounds=(), selected_model=None))
    assert "global.pt" in text and "best" not in text


def test_json_has_everything_a_program_needs() -> None:
    values = json.loads(json.dumps(RESULT.as_json()))
    assert values["schema_version"] == 1 and values["succeeded"] is True
    assert values["rounds"][1]["global"] == pytest.approx(0.7)
    assert values["best_model"] == "/work space/best.pt"


@pytest.mark.parametrize(("name", "start"), [("curve.png", b"\x89PNG"), ("curve.svg", b"<?xml")])
def test_the_curve_is_drawn(name: str, start: bytes, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = draw_curve(replace(RESULT, baseline={"accuracy": 0.75}, baseline_epochs=6), tmp_path / name)
    assert path and path.read_bytes().startswith(start)


def test_nothing_is_drawn_without_a_metric(tmp_path: Path) -> None:
    assert draw_curve(replace(RESULT, metric=""), tmp_path / "curve.png") is None
    assert list(tmp_path.iterdir()) == []
