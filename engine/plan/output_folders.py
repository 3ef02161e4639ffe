"""The folders that a script writes to and does not make: they lie beside it, not in the folder of a site."""

from __future__ import annotations

import ast
import os
from pathlib import PurePath

from engine.facts import Facts
from engine.facts.paths import beside_file, folder_beside_file
from engine.facts.trace import Event
from engine.facts.values import Literal, Value, written_parts
from engine.facts.writing import WRITERS, writes_a_file, written_files
from engine.plan.working_folder import working_folder
from engine.source import SourceFile

MAKERS = ("os.mkdir", "os.makedirs", ".mkdir", "pathlib.Path.mkdir")


def output_folders(facts: Facts) -> tuple[str, ...]:
    """The relative folders, as the script has them, that are there where it is run and that it writes to."""
    events = facts.trace.events
    texts = list(filter(None, (_path_text(event, WRITERS[event.name]) for event in events if writes_a_file(event))))
    here = working_folder(facts.project, [path.value for path in facts.data.paths if path.value] if facts.data else [])
    made = {PurePath(_path_text(event, 0)) for event in events if event.name in MAKERS}
    folders = dict.fromkeys(filter(None, map(_folder, texts)))
    return tuple(folder for folder in folders if (here / folder).is_dir() and PurePath(folder) not in made)


def folders_beside(facts: Facts, file: SourceFile) -> tuple[str, ...]:
    """The folders beside a file of the script, relative to it, that are there and that it finds by its ``__file__``.

    Args:
        facts: of the program.
        file: the file.
    """
    start = os.path.dirname(file.name)
    found = [folder_beside_file(value) for _, value in written_files(facts.trace)]
    folders = dict.fromkeys(os.path.relpath(folder, start or ".") for holder, folder in found if holder is file)
    below = [folder for folder in folders if not folder.startswith(".")]
    making = [value for event in facts.trace.events if event.name in MAKERS for value in _made(event)]
    made = {os.path.relpath(path, start or ".") for holder, path in map(beside_file, making) if holder is file}
    return tuple(folder for folder in below if folder not in made and (file.path.parent / folder).is_dir())


def _made(event: Event) -> list[Value]:
    """The folder that a call makes."""
    given = event.receiver if event.name == ".mkdir" else next(iter(event.args), None)
    return [given] if given is not None else []


def _path_text(event: Event, position: int) -> str:
    """The text a path begins with; empty where it is not written in the script."""
    if event.name == ".mkdir":
        given, node = event.receiver, getattr(getattr(event.node, "func", None), "value", None)
    elif len(event.args) > position and len(getattr(event.node, "args", [])) > position:
        given, node = event.args[position], event.node.args[position]
    else:
        return ""
    first = next(written_parts(given), None)
    known = first.value if isinstance(first, Literal) else _leftmost(node)
    return known if isinstance(known, str) else ""


def _leftmost(node: ast.AST | None) -> object:
    """The literal that an expression of text begins with: ``"plots/%d.png" % epoch``, an f-string."""
    while not isinstance(node, ast.Constant):
        if isinstance(node, ast.BinOp):
            node = node.left
        elif isinstance(node, ast.JoinedStr) and node.values:
            node = node.values[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            node = node.func.value
        else:
            return None
    return node.value


def _folder(text: str) -> str:
    """The folder that a path beginning with some text lies in; empty for one that is not below the working folder."""
    folder = os.path.dirname(text.partition("%")[0].partition("{")[0])
    return "" if os.path.isabs(folder) or folder.startswith(("..", "~")) else folder
