"""Small edits of a text, and where they stand in the terms of the protocol."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from os.path import commonprefix

from lsprotocol.types import Position, Range
from lsprotocol.types import TextEdit as ProtocolEdit

from engine.result import Place, TextEdit

NEWLINE = re.compile(r"\r\n|\r|\n")


class Positions:
    """Positions of the protocol in a text.

    Args:
        text: the text, as the editor has it.
        units: the length of a string in the units that were agreed upon with the editor, UTF-16 unless it asks for
            others.
    """

    def __init__(self, text: str, units: Callable[[str], int]) -> None:
        self.mark = text.startswith("\ufeff")  # the engine's columns do not count it, the editor's do
        self.lines = NEWLINE.split(text)
        self.units = units

    def position(self, place: Place) -> Position:
        """The position of a place; of one beyond the text its end."""
        if place.line > len(self.lines):
            return Position(len(self.lines) - 1, self.units(self.lines[-1]))
        column = place.column + (self.mark and place.line == 1)
        return Position(place.line - 1, self.units(self.lines[place.line - 1][:column]))

    def range(self, start: Place, end: Place | None) -> Range:
        """The range between two places; to the end of the line where there is no second."""
        if end is None:
            line = min(start.line, len(self.lines))
            end = Place(start.file, line, len(self.lines[line - 1]))
        return Range(self.position(start), self.position(end))

    def edits(self, changed: Sequence[TextEdit]) -> list[ProtocolEdit]:
        """Edits as the protocol has them."""
        return [ProtocolEdit(self.range(edit.start, edit.end), edit.text) for edit in changed]


def changes(old: str, new: str, file: str) -> list[TextEdit]:
    """Edits that turn one text into another and leave alone the lines they have in common.

    Args:
        old: the text as it is.
        new: the text as it shall be.
        file: its name.

    Returns:
        Edits that do not overlap, in order.
    """
    lines, wanted = (list(io.StringIO(text, newline="")) for text in (old, new))
    operations = SequenceMatcher(None, lines, wanted, autojunk=False).get_opcodes()
    return [
        trimmed(Place(file, start + 1), "".join(lines[start:end]), "".join(wanted[first:last]))
        for tag, start, end, first, last in operations
        if tag != "equal"
    ]


def trimmed(place: Place, old: str, new: str) -> TextEdit:
    """The edit that puts one text in the place of another, without what both begin and end with.

    Args:
        place: where the old text starts.
        old: the text as it is.
        new: the text as it shall be.

    Returns:
        An edit that splits no newline of two characters.
    """
    head = len(commonprefix([old, new]))
    while head and old[head - 1] == "\r":
        head -= 1
    tail = len(commonprefix([old[head:][::-1], new[head:][::-1]]))
    while tail and old[len(old) - tail] == "\n":
        tail -= 1
    stop = len(old) - tail
    return TextEdit(after(place, old[:head]), after(place, old[:stop]), new[head : len(new) - tail])


def after(place: Place, text: str) -> Place:
    """The place where a text ends that starts at a place."""
    *before, last = NEWLINE.split(text)
    return Place(place.file, place.line + len(before), len(last) if before else place.column + len(last))
