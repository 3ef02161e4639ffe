"""The learning curves of a report."""

from __future__ import annotations

import math

import pytest

from engine.page.curves import curves


def simulation(*values: dict[str, float], metric: str = "accuracy", **more: object) -> dict:
    """A run whose sites report these values of a metric round by round."""
    rounds = [
        {"rounds": n, "sites": {site: {metric: value} for site, value in each.items()}, "weights": {"a": 1.0, "b": 3.0}}
        for n, each in enumerate(values)
    ]
    return {"rounds": rounds, "sites": ["a", "b"], "metric": metric, "baseline": None, **more}


def test_the_global_model_is_the_weighted_mean() -> None:
    (curve,) = curves(simulation({"a": 0.0, "b": 0.4}, {"a": 0.4, "b": 0.8}))
    assert curve["columns"] == ["global model", "a", "b"]
    assert curve["table"] == [["0", "0.3", "0", "0.4"], ["1", "0.7", "0.4", "0.8"]]
    assert [line["name"] for line in curve["lines"]] == ["a", "b", "global model"]


def test_points_lie_within_the_axes_and_higher_values_higher() -> None:
    (curve,) = curves(simulation({"a": -3.0, "b": 17.5}, {"a": 2.0, "b": 247.0}, {"a": 7.0, "b": 99.0}))
    for line in curve["lines"]:
        assert [x for x, _ in line["points"]] == [curve["left"], (curve["left"] + curve["right"]) / 2, curve["right"]]
        assert all(curve["top"] <= y <= curve["bottom"] for _, y in line["points"])
    (_, low), (_, high), (_, middle) = next(line["points"] for line in curve["lines"] if line["name"] == "b")
    assert high < middle < low
    assert [float(text) for _, text in curve["values"]] == [-50.0, 0.0, 50.0, 100.0, 150.0, 200.0, 250.0]


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e-9, 1e12])
def test_values_that_do_not_change(value: float) -> None:
    (curve,) = curves(simulation({"a": value, "b": value}))
    positions = [y for line in curve["lines"] for _, y in line["points"]]
    assert len(positions) == 3
    assert all(math.isfinite(y) and curve["top"] <= y <= curve["bottom"] for y in positions)


def test_a_site_that_reports_nothing_in_a_round_has_no_point_there() -> None:
    (curve,) = curves(simulation({"a": 1.0, "b": 1.0}, {"a": 2.0}))
    assert len(next(line["points"] for line in curve["lines"] if line["name"] == "b")) == 1
    assert curve["table"][1] == ["1", "2", "2", "-"]


def test_the_central_run_is_within_the_picture() -> None:
    (curve,) = curves(simulation({"a": 0.1, "b": 0.1}, baseline={"epochs": 3, "metrics": {"accuracy": 0.9}}))
    assert curve["top"] <= curve["baseline"] <= curve["bottom"]
    assert curve["central"] == "0.9"


def test_no_rounds_are_no_curves() -> None:
    assert curves(simulation()) == []


def test_many_sites_are_all_drawn_and_some_named() -> None:
    sites = [f"site-{n}" for n in range(100)]
    run = simulation({site: 0.5 for site in sites}, {site: 0.6 for site in sites}) | {"sites": sites}
    (curve,) = curves(run)
    assert len(curve["lines"]) == 101
    assert (sum(line["named"] for line in curve["lines"]), curve["unnamed"]) == (9, 92)
