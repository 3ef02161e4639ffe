"""Paths that a script builds from where it stands, as ``Path(__file__).parent / "data"``."""

from __future__ import annotations

import ast
import posixpath

from engine.facts.values import External, Literal, Object, Value

UNCHANGED = (".resolve", ".absolute", "os.path.abspath", "os.path.realpath", "builtins.str", "os.fspath")
DEEPEST_PATH = 12


def is_path(value: Value | None) -> bool:
    """True for what ``/`` joins to a path: a path, or text, which may be an option of type ``Path``."""
    if isinstance(value, Object):
        return value.kind.startswith("pathlib.Path")
    return isinstance(value, Literal) and isinstance(value.value, str)


def beside_script(value: Value | None, depth: int = 0) -> str | None:
    """A path that starts at ``__file__``, relative to the root of the project; None for any other.

    Args:
        value: what the script takes for a path.
        depth: how many values it was found behind.
    """
    if not isinstance(value, Object) or value.scope is None or depth > DEEPEST_PATH:
        return None
    if value.parent is not None:
        whole, attribute = value.parent
        found = beside_script(whole, depth + 1)
        return _folder(found) if attribute == "parent" else None
    first = value.receiver or next(iter(value.args), None)
    start = value.scope.file.name if _is_file(first) else beside_script(first, depth + 1)
    if start is None:
        return None
    if isinstance(value.node, ast.BinOp) or value.kind == "os.path.join":
        return _joined(start, value)
    if value.kind == "os.path.dirname":
        return _folder(start)
    return start if value.kind == "pathlib.Path" or value.kind.endswith(UNCHANGED) else None


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


def _folder(path: str | None) -> str | None:
    """The folder of a path."""
    return None if path is None else posixpath.normpath(posixpath.join(path, ".."))
