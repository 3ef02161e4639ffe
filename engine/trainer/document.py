"""The output document of a training run, and what it looks like to people."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from engine.simulate.artifacts import Round
    from engine.simulate.result import Simulation

_SCAFFOLDED = re.compile(r"^Scaffolded from (\S.*)\.$", re.MULTILINE)


class Section(BaseModel):
    """An object of the output document."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Metrics(Section):
    """The figures of the last epoch, and of the run as a whole. What was not measured is left out."""

    train_loss: float | None = Field(None, description="Mean training loss of the last epoch")
    val_loss: float | None = Field(None, description="Mean validation loss after the last epoch")
    train_accuracy: float | None = Field(None, ge=0, le=1, description="Accuracy while training in the last epoch")
    val_accuracy: float | None = Field(None, ge=0, le=1, description="Validation accuracy after the last epoch")
    train_mae: float | None = Field(None, description="Extension: mean absolute training error, of a regression")
    val_mae: float | None = Field(None, description="Extension: mean absolute validation error, of a regression")
    epochs_trained: int | None = Field(None, ge=0, description="Epochs trained, or rounds of a federated run")
    training_time: float | None = Field(None, ge=0, description="Seconds spent on the epochs")


class CurvePoint(Section):
    """One epoch, or one round of a federated run."""

    epoch: int = Field(ge=1)
    train_loss: float | None = None
    val_loss: float | None = None


class OutputDocument(Section):
    """What came of a training run."""

    status: Literal["success", "error", "early_stopped"]
    metrics: Metrics
    checkpoint_path: str = Field(description="Best checkpoint; after an error the one to resume from, or empty")
    learning_curve: list[CurvePoint] = []
    error: str | None = Field(None, description="Extension: what went wrong and what to do about it, of an error")


def build(
    status: str, history: list[dict[str, Any]], checkpoint: Path | None, error: str | None = None
) -> dict[str, Any]:
    """The output document.

    Args:
        status: one of the three the schema allows.
        history: for each epoch ``{"epoch", "train": {...}, "val": {...}, "seconds"}``, with metrics under their names.
        checkpoint: the checkpoint to name, if there is one.
        error: what went wrong.
    """
    last = history[-1] if history else {}
    metrics = Metrics(
        **_named("train", last.get("train", {})),
        **_named("val", last.get("val", {})),
        epochs_trained=len(history),
        training_time=round(sum(epoch["seconds"] for epoch in history), 3),
    )
    curve = [
        CurvePoint(epoch=item["epoch"], train_loss=item["train"].get("loss"), val_loss=item["val"].get("loss"))
        for item in history
    ]
    document = OutputDocument(
        status=status,
        metrics=metrics,
        checkpoint_path=str(checkpoint or ""),
        learning_curve=curve,
        error=error,
    )
    return document.model_dump(by_alias=True, exclude_none=True)


def of_simulation(simulation: Simulation) -> dict[str, Any]:
    """The output document of a federated run; see :func:`engine.trainer.simulation_document`."""
    rounds = [each for each in simulation.rounds if each.rounds > 0]
    share = simulation.seconds / max(1, len(rounds))
    history = [{"epoch": each.rounds, "train": {}, "val": dict(_overall(each)), "seconds": share} for each in rounds]
    checkpoint = simulation.best_model or simulation.global_model
    if simulation.succeeded:
        return build("success", history, checkpoint)
    told = "; ".join(f"{failure.site}: {failure.message}" for failure in simulation.failures)
    return build("error", history, checkpoint, told)


def _overall(each: Round) -> Iterator[tuple[str, float]]:
    """The finite metrics of a round's global model, under the names the scaffolded script gives them."""
    for name, reported in (("loss", "loss"), ("accuracy", "accuracy"), ("mae", "mae"), ("mae", "error")):
        value = each.overall(reported)
        if value is not None and math.isfinite(value):
            yield name, value


def _named(prefix: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": metrics[name] for name in ("loss", "accuracy", "mae") if name in metrics}


def specification_name(script: str) -> str | None:
    """The specification a script was scaffolded from; see :func:`engine.trainer.specification_name`."""
    found = _SCAFFOLDED.search(script)
    return found.group(1) if found else None


def render(document: dict[str, Any]) -> str:
    """The output document as text for people."""
    metrics = document["metrics"]
    lines = [f"status      {document['status']}"]
    if "error" in document:
        lines.append(f"error       {document['error']}")
    lines.append(f"checkpoint  {document['checkpointPath'] or 'none'}")
    lines += [f"{name:<15} {value:.6g}" for name, value in metrics.items()]
    if document["learningCurve"]:
        lines += ["", f"{'epoch':>5}  {'train loss':>12}  {'validation loss':>15}"]
        lines += [
            f"{point['epoch']:>5}  {_number(point.get('trainLoss')):>12}  {_number(point.get('valLoss')):>15}"
            for point in document["learningCurve"]
        ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"
