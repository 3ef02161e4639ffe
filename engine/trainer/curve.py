"""The learning curve as a picture that every browser shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

LEFT, RIGHT, TOP, BOTTOM = 60.0, 620.0, 30.0, 350.0


def write(history: list[dict[str, Any]], path: Path) -> None:
    """Draw training and validation loss over the epochs.

    Args:
        history: for each epoch ``{"epoch", "train": {"loss"}, "val": {"loss"}}``, at least one; finite figures.
        path: the SVG file to write.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engine.trainer", "."), trim_blocks=True, keep_trailing_newline=True
    )
    path.write_text(environment.get_template("learning_curve.svg.j2").render(_drawing(history)), encoding="utf-8")


def _drawing(history: list[dict[str, Any]]) -> dict[str, Any]:
    epochs = [item["epoch"] for item in history]
    curves = {
        name: [(item["epoch"], item[part]["loss"]) for item in history]
        for name, part in (("training", "train"), ("validation", "val"))
    }
    losses = [loss for points in curves.values() for _, loss in points]
    low, high = min(0.0, *losses), max(losses)

    def across(epoch: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (epoch - epochs[0]) / max(1, epochs[-1] - epochs[0]), 2)

    def down(loss: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (loss - low) / ((high - low) or 1.0), 2)

    step = max(1, len(epochs) // 10)
    return {
        "x_ticks": [{"at": across(epoch), "label": epoch} for epoch in epochs[::step]],
        "y_ticks": [{"at": down(value), "label": f"{value:.3g}"} for value in (low, (low + high) / 2, high)],
        "lines": [
            {
                "name": name,
                "colour": colour,
                "points": " ".join(f"{across(epoch)},{down(loss)}" for epoch, loss in curves[name]),
            }
            for name, colour in (("training", "#1f77b4"), ("validation", "#d62728"))
        ],
    }
