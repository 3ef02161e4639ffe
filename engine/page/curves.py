"""The learning curves of a simulation, as coordinates of a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 680, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 40
MOST_NAMED = 8
TICKS = 5


def curves(simulation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One drawing for each metric that the rounds report, the one that selects the best model first.

    Args:
        simulation: a `Simulation` as JSON.

    Returns:
        For each metric its ``name``, ``lines`` (with ``name``, ``kind`` and ``points`` in the drawing), ``ticks`` of
        both axes as pairs of position and text, the ``table`` of values, and the size of the drawing.
    """
    names = {name: None for each in simulation["rounds"] for site in each["sites"].values() for name in site}
    ordered = sorted(names, key=lambda name: name != simulation["metric"])
    return [_curve(simulation, name) for name in ordered]


def _curve(simulation: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """The drawing of one metric."""
    rounds = simulation["rounds"]
    series = {"global model": [(each["rounds"], _mean(each, metric)) for each in rounds]}
    for site in simulation["sites"]:
        series[site] = [(each["rounds"], each["sites"].get(site, {}).get(metric)) for each in rounds]
    points = {name: [(x, y) for x, y in line if y is not None and math.isfinite(y)] for name, line in series.items()}
    baseline = ((simulation.get("baseline") or {}).get("metrics") or {}).get(metric)
    values = [y for line in points.values() for _, y in line] + ([] if baseline is None else [baseline])
    low, high, step = _range(values)
    last = max((each["rounds"] for each in rounds), default=1) or 1
    horizontal = _scale(0, last, LEFT, WIDTH - RIGHT)
    vertical = _scale(low, high, HEIGHT - BOTTOM, TOP)
    lines = [
        {
            "name": name,
            "kind": "global" if name == "global model" else f"site site-{index % 6}",
            "named": index <= MOST_NAMED,
            "points": [(round(horizontal(x), 1), round(vertical(y), 1)) for x, y in line],
        }
        for index, (name, line) in enumerate(points.items())
    ]
    count = round((high - low) / step)
    found = [dict(line) for line in series.values()]
    return {
        "name": metric,
        "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM,
        "lines": [*lines[1:], lines[0]],  # the global model is drawn over the others
        "unnamed": max(len(lines) - 1 - MOST_NAMED, 0),
        "baseline": None if baseline is None else round(vertical(baseline), 1),
        "rounds": [(round(horizontal(x), 1), str(x)) for x in _whole(last)],
        "values": [(round(vertical(low + n * step), 1), f"{low + n * step:.6g}") for n in range(count + 1)],
        "table": [[str(x), *(_number(line.get(x)) for line in found)] for x in found[0]],
        "columns": list(series),
        "central": _number(baseline) if baseline is not None else None,
    }  # fmt: skip


def _mean(each: Mapping[str, Any], metric: str) -> float | None:
    """The mean of a metric over the sites, weighted by their steps as the server does it."""
    values = {site: found[metric] for site, found in each["sites"].items() if metric in found}
    weights = {site: each["weights"].get(site, 1.0) for site in values}
    total = sum(weights.values())
    return sum(values[site] * weights[site] for site in values) / total if total else None


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    """Round ends around values, and the step between the lines in between."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    spread = (high - low) or abs(high) or 1.0
    rough = spread / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return (low, high, step) if high > low else (low, low + step, step)


def _whole(last: int) -> Iterable[int]:
    """Numbers of rounds to write below the axis, not more than a dozen."""
    return range(0, last + 1, max(1, math.ceil(last / 12)))


def _scale(low: float, high: float, start: float, end: float):
    """A linear map from values to positions."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
