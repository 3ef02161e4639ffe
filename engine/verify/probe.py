"""The calls that `engine.verify.original` puts into the source. Runs in the child process of the original."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from engine.verify.arrays import ArrayRecorder
from engine.verify.recorder import Recorder, TrainingMode, random_streams

KEPT_EVALUATIONS = 2
"""Evaluations after this many are not recorded: each keeps a copy of the model."""
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?: ?%)?|\bnan\b|\binf\b")


class Probe:
    """Records the epoch loop and the evaluations of the original.

    Args:
        recorder: sees the optimizer steps.
        log: the file that standard output goes to.

    Attributes:
        recording: what was seen, in plain values.
    """

    def __init__(self, recorder: Recorder | ArrayRecorder, log: Path) -> None:
        self._recorder = recorder
        self._log = log
        self._printed = self._printed_before_step = 0
        self._known: dict[str, float] = {}
        self._objects: dict[str, Any] = {}
        self._loaded: list[torch.nn.Module] = []
        self._unplaced: list[dict[str, Any]] = []
        self._mode = TrainingMode()
        self.recording: dict[str, Any] = {"loops": 0, "evaluations": []}
        register_optimizer_step_post_hook(self._after_step)

    def watch_loading(self) -> None:
        """Note the modules that a state is loaded into."""
        load = torch.nn.Module.load_state_dict

        @functools.wraps(load)
        def noted(module: torch.nn.Module, *arguments: Any, **options: Any) -> Any:
            self._loaded.append(module)
            return load(module, *arguments, **options)

        torch.nn.Module.load_state_dict = noted

    def _after_step(self, *hooked: Any) -> None:
        self._printed_before_step = self._output_size()

    def step_begins(self, *arrays: Any) -> None:
        """Called before an update of arrays."""
        self._recorder.step_begins(*arrays)

    def step_ends(self, *arrays: Any) -> None:
        """Called after an update of arrays."""
        self._recorder.step_ends(*arrays)
        self._after_step()

    def loop_begins(self, *model: Any) -> None:
        """Called before the epoch loop, with its model: a module, or arrays."""
        self.recording["loops"] += 1
        if self.recording["loops"] > 1:
            return
        self._recorder.begin(*model)
        parts = [part for one in model if isinstance(one, torch.nn.Module) for part in one.modules()]
        loaded = any(part is one for part in parts for one in self._loaded)
        self.recording |= {"initial": self._recorder.state(), "streams": random_streams(), "loaded": loaded}

    def loop_ends(self) -> None:
        """Called when the epoch loop is left at its end or by `break`."""
        state = self._recorder.state()
        if self.recording["loops"] == 1 and state is not None:
            self.recording["final"] = state
            self.recording["steps_in_loop"] = len(self._recorder.steps)
            self._unplaced = self._evaluation(self._printed_before_step, {}, placed=False)

    def evaluation_begins(self, scope: dict[str, Any]) -> None:
        """Called before a statement that evaluates the model, with the variables of its scope."""
        self._printed = self._output_size()
        self._known, self._objects = numbers_in(scope), _objects_in(scope)
        self._mode.begin()

    def evaluation_ends(self, scope: dict[str, Any]) -> None:
        """Called after a statement that evaluates the model, with the variables of its scope."""
        in_training_mode = self._mode.end()
        if len(self.recording["evaluations"]) < KEPT_EVALUATIONS:
            set_anew = {name for name, item in _objects_in(scope).items() if item is not self._objects.get(name)}
            values = {
                name: value
                for name, value in numbers_in(scope).items()
                if name in set_anew or value != self._known.get(name)
            }
            self.recording["evaluations"] += self._evaluation(self._printed, values, True, in_training_mode)

    def ends(self) -> None:
        """Called when the script has ended: where no statement evaluated, what its loop printed last counts."""
        self.recording["evaluations"] = self.recording["evaluations"] or self._unplaced

    def _evaluation(
        self, start: int, values: dict[str, float], placed: bool, in_training_mode: bool = False
    ) -> list[dict[str, Any]]:
        """The model's state with the numbers printed since an offset of the output; nothing where it is not known.

        Args:
            start: the offset.
            values: variables that were set, also to what they were before.
            placed: the statements that evaluate are known; else the numbers are all that the last epoch printed after
                its last step.
            in_training_mode: something of the model computed in training mode.
        """
        state = self._recorder.state()
        if state is None:
            return []
        end = self._output_size()
        printed = self._log.read_bytes()[start:end].decode("utf-8", errors="replace")
        numbers = {"printed": NUMBER.findall(printed), "values": values}
        return [{"state": state, **numbers, "placed": placed, "in_training_mode": in_training_mode}]

    def _output_size(self) -> int:
        sys.stdout.flush()
        return os.path.getsize(self._log)


def numbers_in(scope: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the variables of a scope, and one level inside its collections and ``self``."""
    numbers = {name: _number(item) for name, item in _objects_in(scope).items() if not name.startswith("__")}
    return {name: number for name, number in numbers.items() if number is not None}


def _objects_in(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a scope, and what its collections and ``self`` hold."""
    return {inner: item for name, value in scope.items() for inner, item in _items(name, value)}


def _items(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if name == "self":
        return [(f"self.{attribute}", item) for attribute, item in getattr(value, "__dict__", {}).items()]
    if isinstance(value, dict):
        return [(f"{name}[{key}]", item) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return [(f"{name}[{index}]", item) for index, item in enumerate(value[-8:])]
    return [(name, value)]


def _number(value: Any) -> float | None:
    """A plain number, or the one number of a tensor or array; None for anything else."""
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    elif isinstance(value, numpy.ndarray | numpy.generic):
        value = value.item() if value.size == 1 else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
