"""Paths that a script builds from where it stands, as ``Path(__file__).parent / "data"``."""

from __future__ import annotations

import ast
import posixpath
import re

from engine.facts.values import External, Literal, Object, Value, plain
from engine.source import SourceFile

UNCHANGED = (".resolve", ".absolute", "os.path.abspath", "os.path.realpath", "builtins.str", "os.fspath")
DEEPEST_PATH = 12
LEVELS = re.compile(r"\[(\d+)\]")


def is_path(value: Value | None) -> bool:
    """True for what ``/`` joins to a path: a path, or text, which may be an option of type ``Path``."""
    if isinstance(value, Object):
        return value.kind.startswith("pathlib.Path")
    return isinstance(value, Literal) and isinstance(value.value, str)


def beside_script(value: Value | None) -> str | None:
    """A path that starts at ``__file__``, relative to the root of the project; None for any other."""
    start, path = beside_file(value)
    return path if start is not None else None


def folder_beside_file(value: Value | None) -> tuple[SourceFile | None, str]:
    """The file at whose ``__file__`` a path starts, None for any other, and the folder that the path lies in, relative
    to the root of the project, as far as it is written: of ``HERE / "runs" / f"{epoch}.pt"``, ``runs``."""
    file, path = beside_file(value)
    if file is not None or not isinstance(value, Object):
        return file, _folder(path)
    return beside_file(_start(value))


def beside_file(value: Value | None, depth: int = 0) -> tuple[SourceFile | None, str]:
    """The file at whose ``__file__`` a path starts, None for any other path, and the path relative to the root.

    Args:
        value: what the script takes for a path.
        depth: how many values it was found behind.
    """
    nothing = None, ""
    if not isinstance(value, Object) or value.scope is None or depth > DEEPEST_PATH:
        return nothing
    if value.parent is not None:
        whole, attribute = value.parent
        levels = LEVELS.fullmatch(attribute)
        if levels and isinstance(whole, Object) and whole.parent is not None and whole.parent[1] == "parents":
            file, path = beside_file(whole.parent[0], depth + 1)
            return file, posixpath.normpath(posixpath.join(path, "../" * (int(levels[1]) + 1)))
        file, path = beside_file(whole, depth + 1)
        return (file, _folder(path)) if attribute == "parent" else nothing
    first = value.receiver or next(iter(value.args), None)
    file, path = (value.scope.file, value.scope.file.name) if _is_file(first) else beside_file(first, depth + 1)
    if file is None:
        return nothing
    if isinstance(value.node, ast.BinOp) or value.kind == "os.path.join":
        joined = _joined(path, value)
        return (file, joined) if joined is not None else nothing
    if value.kind == "os.path.dirname":
        return file, _folder(path)
    return (file, path) if value.kind == "pathlib.Path" or value.kind.endswith(UNCHANGED) else nothing


def written_path(value: Value | None) -> str | None:
    """The text of a path that is written as one, ``Path("data", "train")`` or ``Path("data") / "train"``, else None."""
    if not isinstance(value, Object) or value.kind != "pathlib.Path" or value.parent is not None:
        return None
    if isinstance(value.node, ast.BinOp):
        start = written_path(_start(value))
        return _joined(start, value) if start is not None else None
    parts = [plain(part) for part in value.args]
    return posixpath.join(*parts) if parts and all(isinstance(part, str) for part in parts) else None


def first_joined(value: Value | None) -> Object | None:
    """Of a path that starts at ``__file__`` the part in which ``/`` first adds to a folder: ``HERE / "data"`` of
    ``HERE / "data" / "train.csv"``."""
    found = None
    while isinstance(value, Object) and beside_script(value) is not None:
        found = value if isinstance(value.node, ast.BinOp) else found
        value = _start(value)
    return found


def path_class(value: Value | None) -> str:
    """What ``pathlib.Path`` is called where a path that starts at ``__file__`` is built; empty where it is not seen."""
    while isinstance(value, Object) and beside_script(value) is not None:
        if value.kind == "pathlib.Path" and isinstance(value.node, ast.Call):
            return ast.unparse(value.node.func)
        value = _start(value)
    return ""


def _start(path: Object) -> Value | None:
    """What a path is made from."""
    if path.parent is None:
        return path.receiver or next(iter(path.args), None)
    whole, attribute = path.parent
    return whole.parent[0] if LEVELS.fullmatch(attribute) and isinstance(whole, Object) and whole.parent else whole


def _is_file(value: Value | None) -> bool:
    """True for ``__file__``."""
    return isinstance(value, External) and value.name == "__file__"


def _joined(start: str, value: Object) -> str | None:
    """A path with what ``/`` or ``os.path.join`` adds to it."""
    if isinstance(value.node, ast.BinOp):
        added = [value.node.right.value if isinstance(value.node.right, ast.Constant) else None]
    else:
        added = [part.value if isinstance(part, Literal) else None for part in value.args[1:]]
    if not all(isinstance(part, str) for part in added):
        return None
    return posixpath.normpath(posixpath.join(start, *added))


def _folder(path: str) -> str:
    """The folder of a path."""
    return posixpath.normpath(posixpath.join(path, ".."))
