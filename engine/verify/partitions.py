"""Which samples a site trains on, seen at the calls of the conversion's `site_data.part`. Runs in the children."""

from __future__ import annotations

import functools
import importlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch

from engine.verify.recorder import digest

HELPER = "site_data"


def watch_partitions() -> list[dict[str, Any]]:
    """Wrap `site_data.part` of the converted project.

    Returns:
        A list that gets one item per call and argument: ``whole`` and ``part``, each a list of names of samples; both
        None where the samples cannot be told apart.
    """
    calls: list[dict[str, Any]] = []
    helper: Any = importlib.import_module(HELPER)
    part: Callable[..., Any] = helper.part

    @functools.wraps(part)
    def watched(*wholes: Any, **options: Any) -> Any:
        parts = part(*wholes, **options)
        pairs = [(wholes[0], parts)] if len(wholes) == 1 else zip(wholes, parts, strict=True)
        calls.extend(_samples(whole, piece) for whole, piece in pairs)
        return parts

    helper.part = watched
    return calls


def _samples(whole: Any, part: Any) -> dict[str, Any]:
    if part is whole:
        return {"whole": None, "part": None, "same": True}
    if hasattr(part, "dataset") and hasattr(part, "indices"):
        return {"whole": _positions(whole), "part": _positions(part), "same": False}
    if isinstance(whole, numpy.ndarray) and whole.shape[:1] == part.shape[:1]:
        whole, part = whole.T.copy(), part.T.copy()  # samples stand in columns
    try:
        return {"whole": _names(whole), "part": _names(part), "same": False}
    except (TypeError, ValueError, AttributeError):
        return {"whole": None, "part": None, "same": False}


def _positions(samples: Any) -> list[int]:
    """Where each sample stands in the innermost data set, which every site has in the same order."""
    if hasattr(samples, "indices") and hasattr(samples, "dataset"):
        inner = _positions(samples.dataset)
        return [inner[index] for index in samples.indices]
    return list(range(len(samples)))


def _names(samples: Any) -> list[str]:
    """A name per sample, the same for equal samples."""
    if isinstance(samples, torch.Tensor | numpy.ndarray):
        return [digest(torch.as_tensor(row)) for row in samples]
    if isinstance(samples, Sequence):
        return [pickle.dumps(sample).hex() for sample in samples]
    raise TypeError(f"the samples of {type(samples).__name__} have no names")
