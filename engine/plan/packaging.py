"""Settings files of the project that the client opens, Python code to execute among them: they travel with it."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import Path

from engine.facts import Facts
from engine.facts.configuration import Option
from engine.facts.data import writes
from engine.facts.values import Literal, Object, Value, options, written_parts
from engine.plan.literals import Range, origins
from engine.result import Place

SETTINGS = {".py", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg"}
LARGEST = 1_000_000


@dataclass(frozen=True)
class SettingsFile:
    """A settings file that the client opens by a literal path.

    Attributes:
        name: its path, relative to the folder the script is run in, without ``..``.
        text: the same as source, ``{}`` where it is as it was written.
        literal: where that path is written.
        depth: how many folders below the converted folder the file with the literal lies.
        content: its bytes.
    """

    name: str
    text: str
    literal: Range
    depth: int
    content: bytes


def plan_settings_files(facts: Facts, layout: dict[str, tuple[str, ...]]) -> tuple[SettingsFile, ...]:
    """The settings files that are opened by a path written in the source, relative to where the script is run."""
    folder = facts.project.entry.path.parent
    found: dict[Place, SettingsFile] = {}
    for event in facts.trace.events:
        if event.name not in ("builtins.open", ".open", ".read_text", "pathlib.Path", "yaml.safe_load"):
            continue
        if event.name.endswith("open") and writes(event):
            continue
        for value in [*event.args[:1], event.receiver]:
            for leaf in _paths(value):
                assert leaf.written is not None
                path = folder / leaf.value
                inside = (
                    path.suffix in SETTINGS
                    and leaf.value not in layout
                    and path.is_file()
                    and folder in path.resolve().parents
                )
                if not inside or path.stat().st_size > LARGEST or not isinstance(leaf.written[0], ast.Constant):
                    continue
                literal = Range.of(*leaf.written)
                places = layout.get(literal.place.file, ())
                if places:
                    name = Path(os.path.relpath(path, folder)).as_posix()
                    text = f'"{name}"' if ".." in leaf.value else "{}"
                    depth = places[0].count("/")
                    found[literal.place] = SettingsFile(name, text, literal, depth, path.read_bytes())
    return tuple(found.values())


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
