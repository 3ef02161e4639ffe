"""The elements of what a loop or comprehension runs over, where every one of them is known."""

from __future__ import annotations

from engine.facts.values import Literal, Mapping, Object, Sequence, Value, least_certain, plain, source_of

MOST_KNOWN = 200


def known_elements(value: Value | None) -> list[Value] | None:
    """Every element in order; None where they are not known, or are too many.

    Args:
        value: what is iterated over.
    """
    found: list[Value] | None = None
    if isinstance(value, Sequence) and not value.grows:
        found = value.items
    elif isinstance(value, Mapping) and not value.rest:
        found = [Literal(key) for key in value.items]
    elif isinstance(value, Literal) and isinstance(value.value, str):
        found = [Literal(character, value.source) for character in value.value[: MOST_KNOWN + 1]]
    elif isinstance(value, Object) and value.kind == "builtins.range":
        found = _numbers(value)
    elif isinstance(value, Object) and value.kind == "builtins.enumerate":
        found = _numbered(value)
    elif isinstance(value, Object) and value.kind == "builtins.zip" and not value.kwargs:
        columns = [known_elements(argument) for argument in value.args]
        if all(column is not None for column in columns):
            found = [Sequence(list(row), "tuple") for row in zip(*columns, strict=False)]
    return found if found is not None and len(found) <= MOST_KNOWN else None


def _numbers(value: Object) -> list[Value] | None:
    """What ``range`` gives."""
    bounds = [plain(argument) for argument in value.args]
    if not bounds or not all(type(bound) is int for bound in bounds) or bounds[2:] == [0]:
        return None
    source = least_certain(value.args)
    return [Literal(number, source) for number in range(*bounds)[: MOST_KNOWN + 1]]


def _numbered(value: Object) -> list[Value] | None:
    """What ``enumerate`` gives."""
    start = value.argument(1, "start")
    first = 0 if start is None else plain(start)
    items = known_elements(value.args[0]) if value.args else None
    if items is None or type(first) is not int:
        return None
    source = "literal" if start is None else source_of(start)
    return [Sequence([Literal(first + n, source), item], "tuple") for n, item in enumerate(items)]
