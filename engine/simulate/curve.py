"""The learning curve of a run as a picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from engine.simulate.result import Simulation


def draw_curve(result: Simulation, path: Path) -> Path | None:
    """Draw the metric of the global model after every round: overall, per site, and the centralised run beside it.

    Args:
        result: what came of a run.
        path: the picture; its ending says which kind, such as ``.png`` or ``.svg``.

    Returns:
        The path; ``None`` where there is no metric to draw, or matplotlib is not installed.
    """
    if not (result.metric and result.rounds) or importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="rounds", ylabel=result.metric, title=result.job)
    for site in result.sites:
        points = [(each.rounds, each.sites[site].get(result.metric)) for each in result.rounds if site in each.sites]
        axes.plot(*zip(*points, strict=True), linewidth=1, alpha=0.6, label=site)
    overall = [(each.rounds, each.overall(result.metric)) for each in result.rounds]
    axes.plot(*zip(*overall, strict=True), linewidth=2.5, color="black", marker="o", label="global model")
    if result.metric in result.baseline:
        label = f"trained centrally, {result.baseline_epochs} epochs"
        axes.axhline(result.baseline[result.metric], linestyle="--", color="gray", label=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    figure.savefig(path, dpi=150)
    return path
