"""Two texts side by side, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

CONTEXT = 3
SAME, CHANGED, REMOVED, ADDED, GAP = "same", "changed", "removed", "added", "gap"

Row = list[Any]  # kind, number and text on the left, number and text on the right; None where there is no line


def rows(before: str, after: str, context: int = CONTEXT) -> list[Row]:
    """The lines that differ, side by side, with some around them.

    Lines are matched without their indentation, so that a block that moved inward stands beside itself.

    Args:
        before: the text on the left.
        after: the text on the right.
        context: equal lines to show around a difference.

    Returns:
        Rows ``[kind, left number, left text, right number, right text]``; one of kind ``gap`` stands for equal lines
        that are left out, its left text their number. Empty where the texts are equal.
    """
    everything = list(_all(before.splitlines(), after.splitlines()))
    near = {
        index
        for center, row in enumerate(everything)
        if row[0] != SAME
        for index in range(center - context, center + context + 1)
    }
    found: list[Row] = []
    for index, row in enumerate(everything):
        if index in near:
            found.append(row)
        elif found and found[-1][0] == GAP:
            found[-1][2] += 1
        else:
            found.append([GAP, None, 1, None, None])
    return found if near else []


def _all(left: Sequence[str], right: Sequence[str]) -> Iterator[Row]:
    """Every line of both."""
    matcher = SequenceMatcher(None, [line.strip() for line in left], [line.strip() for line in right], autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            for old, new in zip(range(i, j), range(k, m), strict=True):
                yield [SAME if left[old] == right[new] else CHANGED, old + 1, left[old], new + 1, right[new]]
            continue
        paired = min(j - i, m - k)
        for old, new in zip(range(i, i + paired), range(k, k + paired), strict=True):
            yield [CHANGED, old + 1, left[old], new + 1, right[new]]
        yield from ([REMOVED, old + 1, left[old], None, None] for old in range(i + paired, j))
        yield from ([ADDED, None, None, new + 1, right[new]] for new in range(k + paired, m))


def shown(text: str, other: str | None) -> Markup:
    """A line as HTML, with the part marked in which it differs from the one beside it."""
    if other is None or text == other:
        return escape(text)
    start, shortest = 0, min(len(text), len(other))
    while start < shortest and text[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and text[-1 - end] == other[-1 - end]:
        end += 1
    stop = len(text) - end
    if start == stop:
        return escape(text)
    return Markup("{}<mark>{}</mark>{}").format(text[:start], text[start:stop], text[stop:])
