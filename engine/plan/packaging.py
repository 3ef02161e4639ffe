"""Settings files of the project that the client opens, Python code to execute among them: they travel with it."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.facts import Facts
from engine.facts.configuration import Option, is_data
from engine.facts.paths import beside_file
from engine.facts.values import Literal, Object, Value, options, written_parts
from engine.facts.writing import writes
from engine.plan.literals import Range, origins
from engine.result import Place

SETTINGS = {".py", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg"}
LARGEST = 1_000_000


@dataclass(frozen=True)
class SettingsFile:
    """A settings file that the client opens by a path written in the source.

    Attributes:
        name: its path in the converted folder.
        content: its bytes.
        text: the path as source where the script has to be told, ``{}`` where it is as it was written.
        literal: where that path is written; None where it starts at ``__file__`` and holds as it is.
        depth: how many folders below the converted folder the file with the literal lies.
    """

    name: str
    content: bytes
    text: str = ""
    literal: Range | None = None
    depth: int = 0


def plan_settings_files(facts: Facts, layout: dict[str, tuple[str, ...]]) -> tuple[SettingsFile, ...]:
    """The settings files that are opened by a path written in the source: one relative to where the script is run, or
    to where a file of the project lies. Data does not travel."""
    found: dict[Place | str, SettingsFile] = {}
    for event in facts.trace.events:
        if event.name not in ("builtins.open", ".open", ".read_text", "pathlib.Path", "yaml.safe_load"):
            continue
        if event.name.endswith("open") and writes(event):
            continue
        for value in [*event.args[:1], event.receiver]:
            for one in (*_beside_run(facts, value, layout), *_beside_file(facts, value, layout)):
                found[one.literal.place if one.literal else one.name] = one
    return tuple(found.values())


def _beside_run(facts: Facts, value: Value | None, layout: dict[str, tuple[str, ...]]) -> Iterator[SettingsFile]:
    """The files at the literal paths that a value may be."""
    folder = facts.project.entry.path.parent
    for leaf in _paths(value):
        assert leaf.written is not None
        path = folder / leaf.value
        if leaf.value in layout or not _travels(path, folder) or not isinstance(leaf.written[0], ast.Constant):
            continue
        literal = Range.of(*leaf.written)
        places = layout.get(literal.place.file, ())
        if places:
            name = Path(os.path.relpath(path, folder)).as_posix()
            text = f'"{name}"' if ".." in leaf.value else "{}"
            yield SettingsFile(name, path.read_bytes(), text, literal, places[0].count("/"))


def _beside_file(facts: Facts, value: Value | None, layout: dict[str, tuple[str, ...]]) -> Iterator[SettingsFile]:
    """The file at a path that starts at ``__file__``: it lies as far from the converted file as it did before."""
    start, name = beside_file(value)
    places = layout.get(start.name, ()) if start is not None else ()
    root = facts.project.root
    if start is None or not places or name in layout or not _travels(root / name, root):
        return
    away = posixpath.relpath(name, posixpath.dirname(start.name) or ".")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(places[0]), away))
    if not target.startswith(".."):
        yield SettingsFile(target, (root / name).read_bytes())


def _travels(path: Path, folder: Path) -> bool:
    """True for a file of settings that lies below a folder and is not large."""
    if path.suffix not in SETTINGS or not path.is_file() or folder.resolve() not in path.resolve().parents:
        return False
    return path.stat().st_size <= LARGEST and not _holds_data(path, os.path.relpath(path, folder))


def _holds_data(path: Path, name: str) -> bool:
    """True for what `is_data` takes for data."""
    with contextlib.suppress(ValueError):  # no JSON
        return path.suffix == ".json" and is_data(name, json.loads(path.read_bytes()))
    return False


def settings_options(facts: Facts) -> tuple[Option, ...]:
    """The options of the script, with a flag, that name a file it reads its settings from; each once."""
    files = facts.trace.settings_files
    parts = (part for file in files for value in file.args[:1] for part in written_parts(value))
    named = (option for part in parts if (option := part.option) is not None and not option.positional)
    return tuple({option.destination: option for option in named}.values())


def _paths(value: Value | None) -> list[Literal]:
    """The literal paths a value may be."""
    found: list[Literal] = []
    for option in options(value):
        if isinstance(option, Object) and option.kind == "pathlib.Path" and option.args:
            option = option.args[0]
        if isinstance(option, Literal) and isinstance(option.value, str):
            whole = [leaf for leaf in origins(option) if leaf.value == option.value]
            found += [leaf for leaf in (whole or [option]) if leaf.written is not None and isinstance(leaf.value, str)]
    return found
