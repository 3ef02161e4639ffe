"""What the server builds the model by, and what of it can be written into a job."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from engine.facts import FirstWeights, Symbol
from engine.facts.source_text import DEFINITIONS
from engine.result import Place
from engine.source import SourceFile

DEVICE = re.compile(r"(cuda|mps|xpu)(:\d+)?")
FILE_NAMES = ("model.py", "global_model.py", "flare_model.py")


@dataclass(frozen=True)
class ModelPlan:
    """How the server builds the model.

    Attributes:
        class_path: importable callable, such as ``model.Net``.
        args: its keyword arguments, as JSON.
        missing: constructor arguments whose value only a person can say, with where each comes from.
        file: the file written for the server; empty where the class can be imported from where it stands.
        text: what is written there.
        moved: statements of the entry that move to that file.
        imported: the names the entry imports back from it.
        repeats: of what sets the model's weights after construction, what the server does as well.
        defaults: options of the script that the model reads by itself, as written, with the values the server takes.
        sizes: sizes of the data that the model reads by itself, with the values given; ``...`` where one is missing.
        problem: why the server cannot build the model at all; empty where it can.
        problem_place: where that is.
    """

    class_path: str
    args: dict[str, Any]
    missing: tuple[tuple[str, str], ...] = ()
    file: str = ""
    text: str = ""
    moved: tuple[Place, ...] = ()
    imported: tuple[str, ...] = ()
    repeats: tuple[FirstWeights, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    problem_place: Place | None = field(default=None)


def leaving(model: ModelPlan, entry: SourceFile, changed: Collection[Place]) -> ModelPlan:
    """The plan in which definitions stay in the script where something in them is changed for a site, such as a class
    of settings with the number of epochs; the server's file has them as they were.

    Args:
        model: the plan.
        entry: the script.
        changed: the places that other steps change.
    """
    lines = [place.line for place in changed if place.file == entry.name]
    staying = {
        entry.place(node): node.name
        for node in entry.tree.body
        if isinstance(node, DEFINITIONS) and any(node.lineno <= line <= (node.end_lineno or 0) for line in lines)
    }
    moved = tuple(place for place in model.moved if place not in staying)
    imported = tuple(name for name in model.imported if name not in staying.values())
    return replace(model, moved=moved, imported=imported)


def unbuildable(problem: str, place: Place | None) -> ModelPlan:
    """No plan: why the server cannot build the model, and where that stands."""
    return ModelPlan("", {}, problem=problem, problem_place=place)


def pinned(
    args: dict[str, Any], given: dict[str, Any], source: str
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """Arguments with those the user pinned, and the ones whose value is still not known; the server has no GPU."""
    args = {name: "cpu" if _is_device(name, value) else value for name, value in args.items()} | given
    return args, tuple((name, source) for name, value in args.items() if not is_plain(value))


def _is_device(name: str, value: Any) -> bool:
    """True for an argument that says where the model computes, so that the server can say something else."""
    if isinstance(value, Symbol) and value.kind == "torch.device":
        return True
    return bool(DEVICE.fullmatch(value)) if isinstance(value, str) else name == "device" and not is_plain(value)


def is_plain(value: Any) -> bool:
    """True for a value that can be written into the job as JSON, and comes back the same but for tuples."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (str, int, float))


def free_file(layout: dict[str, tuple[str, ...]]) -> str:
    """A file name for the server's model that the project does not use."""
    taken = {place.split("/")[0].removesuffix(".py") for places in layout.values() for place in places}
    return next(name for name in FILE_NAMES if name.removesuffix(".py") not in taken)
