"""The folders that a script writes to and does not make: they lie beside it, not in the folder of a site."""

from __future__ import annotations

import ast
import os
from pathlib import PurePath

from engine.facts import Facts
from engine.facts.trace import Event
from engine.facts.values import Literal, written_parts
from engine.facts.writing import WRITERS, writes_a_file
from engine.plan.working_folder import working_folder

MAKERS = ("os.mkdir", "os.makedirs", ".mkdir", "pathlib.Path.mkdir")


def output_folders(facts: Facts) -> tuple[str, ...]:
    """The relative folders, as the script has them, that are there where it is run and that it writes to."""
    events = facts.trace.events
    texts = list(filter(None, (_path_text(event, WRITERS[event.name]) for event in events if writes_a_file(event))))
    here = working_folder(facts.project, [path.value for path in facts.data.paths if path.value] if facts.data else [])
    made = {PurePath(_path_text(event, 0)) for event in events if event.name in MAKERS}
    folders = dict.fromkeys(filter(None, map(_folder, texts)))
    return tuple(folder for folder in folders if (here / folder).is_dir() and PurePath(folder) not in made)


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
