"""The calls that `engine.verify.original` puts into the source. Runs in the child process of the original."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy
import torch

from engine.verify.recorder import Recorder, copied_state, random_streams

KEPT_EVALUATIONS = 2
"""Evaluations after this many are not recorded: each keeps a copy of the model."""
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?|\bnan\b|\binf\b")


class Probe:
    """Records the epoch loop and the evaluations of the original.

    Args:
        recorder: sees the optimizer steps.
        log: the file that standard output goes to.

    Attributes:
        recording: what was seen, in plain values.
    """

    def __init__(self, recorder: Recorder, log: Path) -> None:
        self._recorder = recorder
        self._log = log
        self._printed = 0
        self._known: dict[str, float] = {}
        self.recording: dict[str, Any] = {"loops": 0, "evaluations": []}

    def loop_begins(self, model: torch.nn.Module) -> None:
        """Called before the epoch loop, with its model."""
        self.recording["loops"] += 1
        if self.recording["loops"] > 1:
            return
        self._recorder.model = model
        self._recorder.restart()
        self.recording |= {"initial": copied_state(model), "streams": random_streams()}

    def loop_ends(self) -> None:
        """Called when the epoch loop is left at its end or by `break`."""
        if self.recording["loops"] == 1 and self._recorder.model is not None:
            self.recording["final"] = copied_state(self._recorder.model)
            self.recording["steps_in_loop"] = len(self._recorder.steps)

    def evaluation_begins(self, scope: dict[str, Any]) -> None:
        """Called before a statement that evaluates the model, with the variables of its scope."""
        self._printed = self._output_size()
        self._known = numbers_in(scope)

    def evaluation_ends(self, scope: dict[str, Any]) -> None:
        """Called after a statement that evaluates the model, with the variables of its scope."""
        model = self._recorder.model
        if model is None or len(self.recording["evaluations"]) >= KEPT_EVALUATIONS:
            return
        end = self._output_size()
        with open(self._log, encoding="utf-8", errors="replace") as stream:
            stream.seek(self._printed)
            printed = stream.read(end - self._printed)
        values = {name: value for name, value in numbers_in(scope).items() if self._known.get(name) != value}
        self.recording["evaluations"].append(
            {"state": copied_state(model), "printed": NUMBER.findall(printed), "values": values}
        )

    def _output_size(self) -> int:
        sys.stdout.flush()
        return os.path.getsize(self._log)


def numbers_in(scope: dict[str, Any]) -> dict[str, float]:
    """The numbers among the variables of a scope, also inside its tuples, lists, dictionaries and objects' attributes."""
    found: dict[str, float] = {}
    for name, value in scope.items():
        if name.startswith("__"):
            continue
        if name == "self":
            found |= {f"self.{inner}": number for inner, number in numbers_in(getattr(value, "__dict__", {})).items()}
        elif isinstance(value, dict):
            found |= {f"{name}[{key}]": number for key, item in value.items() for number in _number(item)}
        elif isinstance(value, tuple | list):
            found |= {f"{name}[{index}]": number for index, item in enumerate(value[-8:]) for number in _number(item)}
        else:
            found |= {name: number for number in _number(value)}
    return found


def _number(value: Any) -> list[float]:
    """A number as a list of one; an empty list for anything else."""
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    elif isinstance(value, numpy.ndarray | numpy.generic):
        value = value.item() if value.size == 1 else None
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
