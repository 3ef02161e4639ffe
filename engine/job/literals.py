"""Python source text of plain values, laid out as a formatter would."""

from __future__ import annotations

import json
from typing import Any

LINE_LENGTH = 120


def literal(value: Any, indent: int = 0, used: int = 0) -> str:
    """A JSON value as Python source.

    Args:
        value: the value.
        indent: columns by which the line it stands on is indented.
        used: further columns of that line that are taken, before and after the value.

    Returns:
        The text on one line where it fits, else one item per line with a trailing comma.
    """
    flat = _flat(value)
    if indent + used + len(flat) <= LINE_LENGTH or not value or not isinstance(value, (dict, list, tuple)):
        return flat
    opening, closing = "{}" if isinstance(value, dict) else "[]" if isinstance(value, list) else "()"
    inner = " " * (indent + 4)
    lines = "".join(f"{inner}{item},\n" for item in _items(value, indent + 4))
    return f"{opening}\n{lines}{' ' * indent}{closing}"


def _items(value: Any, indent: int) -> list[str]:
    if isinstance(value, dict):
        heads = [f"{_flat(key)}: " for key in value]
        items = zip(heads, value.values(), strict=True)
        return [head + literal(item, indent, len(head) + 1) for head, item in items]
    return [literal(item, indent, 1) for item in value]


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_flat, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)
