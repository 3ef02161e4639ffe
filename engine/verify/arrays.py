"""What training in NumPy really does, seen from calls around its updates, which are put into both scripts.

The state of such a model is one array under FLARE's name, as it is exchanged. The trace is that of
`engine.verify.recorder`, and `ArrayRecorder` runs in the child processes.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from nvflare.app_common.np.constants import NPConstants

from engine.verify.recorder import digests, random_streams

State = dict[str, torch.Tensor]


def packed(arrays: Sequence[Any]) -> State:
    """The state of a model: a copy of its arrays, end to end where there are several."""
    whole = numpy.array(arrays[0], ndmin=1) if len(arrays) == 1 else numpy.concatenate([*map(numpy.ravel, arrays)])
    return {NPConstants.NUMPY_KEY: torch.from_numpy(whole)}


def as_served(arrays: Sequence[Any]) -> State:
    """The state that FLARE's server makes of the arrays a job starts from: rounded to float32."""
    return {name: value.float().to(value.dtype) for name, value in packed(arrays).items()}


def as_loaded(checkpoint: Path, arrays: Sequence[Any]) -> State:
    """The state that FLARE's server loads from a file of NumPy's, as it is there.

    Raises:
        ValueError: the file is for other arrays.
    """
    loaded = numpy.load(checkpoint)
    expected = sum(map(numpy.size, arrays))
    if not isinstance(loaded, numpy.ndarray) or loaded.size != expected:
        held = f"{loaded.size} numbers" if isinstance(loaded, numpy.ndarray) else "no single array"
        raise ValueError(f"{checkpoint.name} holds {held}, and the model has {expected}: save pack(...) of its arrays")
    return {NPConstants.NUMPY_KEY: torch.from_numpy(loaded)}


class ArrayRecorder:
    """Counts and describes every update of the arrays in this process; see `engine.verify.recorder.Recorder`."""

    def __init__(self) -> None:
        self._state: State | None = None
        self.changed_gradients = None  # no algorithm but FedAvg is for arrays
        self.restart()

    def restart(self, expected: Iterable[str] = (), fail_at: int = 0) -> None:
        """Begin a new trace.

        Args:
            expected: of no use here.
            fail_at: raise an error in place of this update.
        """
        self.steps: list[dict[str, Any]] = []
        self.counts: Counter[int] = Counter()
        self.first: dict[str, str] = {}
        self.fail_at = fail_at

    def begin(self, *arrays: Any) -> None:
        """Begin a new trace, from these arrays."""
        self.restart()
        self.observe(*arrays)

    def observe(self, *arrays: Any) -> None:
        """The arrays as they are now."""
        self._state = packed(arrays)

    def state(self) -> State | None:
        """The model as it was seen last."""
        return self._state

    def parameters(self) -> list[str]:
        """Names of what is trained."""
        return [NPConstants.NUMPY_KEY]

    def step_begins(self, *arrays: Any) -> None:
        """Called before an update, with the arrays."""
        if self.fail_at == len(self.steps) + 1:
            raise RuntimeError("failure planted by verify in place of an update")
        self.first = self.first or digests(packed(arrays))
        self._before = random_streams()

    def step_ends(self, *arrays: Any) -> None:
        """Called after an update, with the arrays."""
        self.observe(*arrays)
        self.counts[0] += 1
        after = digests(packed(arrays))
        self.steps.append({"optimizer": 0, "before": self._before, "training": True, "rates": [], "after": after})


def updates_in(source: ast.Module, lines: Sequence[int], client: ast.Module) -> tuple[int, int] | None:
    """First and last line of the updates in a converted file: the statements that stand alike in its source.

    Args:
        source: the file as it was.
        lines: the first lines of its updates.
        client: the file as it is now.
    """
    wanted = [ast.dump(node) for node in ast.walk(source) if isinstance(node, ast.stmt) and node.lineno in lines]
    for block in (block for node in ast.walk(client) for block in _blocks(node)):
        alike = [statement for statement in block if ast.dump(statement) in wanted]
        if len(alike) == len(wanted):
            return alike[0].lineno, alike[-1].end_lineno or alike[-1].lineno
    return None


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    blocks = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [block for block in blocks if isinstance(block, list)]
