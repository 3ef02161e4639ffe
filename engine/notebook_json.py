"""Where the code of a notebook stands in its JSON, so that a fix changes these characters and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from engine.fixes import offsets
from engine.result import Place, TextEdit
from engine.source import SourceFile

DECODER = json.JSONDecoder()
SPACE = re.compile(r"[ \t\r\n]*")
CHARACTER = re.compile(r'\\u[dD][89abAB]\w{2}\\u[dD][c-fC-F]\w{2}|\\u\w{4}|\\.|[^"\\]')
NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Cell:
    """The source of a cell.

    Attributes:
        text: what it says.
        spans: where each of its characters stands in the JSON: from, and up to.
        between: what stands in the JSON between two of its lines; empty where it is one string.
    """

    text: str
    spans: Sequence[tuple[int, int]]
    between: str

    def at(self, offset: int) -> int:
        """Where in the JSON the character stands that has an offset in the text; for the end of the text, its end."""
        return self.spans[offset][0] if offset < len(self.spans) else self.spans[-1][1]

    def written(self, text: str, ascii_only: bool) -> str:
        """How a text reads inside the JSON, before more of the source; a list of lines has each by itself."""
        ends = [found.end() for found in NEWLINE.finditer(text)] if self.between else []
        lines = [text[start:end] for start, end in pairwise([0, *ends, len(text)])]
        joint = f'"{self.between}"'
        return joint.join(json.dumps(line, ensure_ascii=ascii_only)[1:-1] for line in lines)


def in_document(source: SourceFile, edit: TextEdit) -> TextEdit | None:
    """The change of a notebook's JSON that changes its script.

    Args:
        source: the notebook.
        edit: a change of its script.

    Returns:
        The change; ``None`` where it is not of one cell, or of a line that reads otherwise in the notebook, as a magic.
    """
    cell, ranges = _standing(source, edit.start, edit.end)
    if cell is None:
        return None
    start, end = ranges
    old, new = cell.text[start:end], edit.text
    while old and new and old[0] == new[0]:  # what stays keeps its spelling in JSON
        start, old, new = start + 1, old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        end, old, new = end - 1, old[:-1], new[:-1]
    first = cell.at(start)
    last = cell.spans[end - 1][1] if end > start else first
    text = cell.written(new, source.document.isascii())
    return TextEdit(_place(source, first), _place(source, last), text)


def physical(source: SourceFile, place: Place) -> Place:
    """A place in a notebook's script with where that is in its JSON: the line of the cell, for one read otherwise."""
    at = source.at(place.line, place.column)
    cell, ranges = _standing(source, at, at)
    if cell is None:
        cell = cells(source.document)[at.cell.number - 1]
        lines = [0, *(found.end() for found in NEWLINE.finditer(cell.text))]
        ranges = (lines[min(at.cell.line, len(lines)) - 1],) * 2
    if not cell.spans:
        return at
    found = _place(source, cell.at(ranges[0]))
    return replace(at, cell=at.cell._replace(file_line=found.line, file_column=found.column))


def _standing(source: SourceFile, start: Place, end: Place) -> tuple[Cell | None, tuple[int, int]]:
    """The cell that holds a range of the script as it is, and the range in it; None for the cell where none does."""
    first, last = source.at(start.line, 0), source.at(end.line, 0)
    if first.cell is None or last.cell is None or first.cell.number != last.cell.number:
        return None, (0, 0)
    cell = cells(source.document)[first.cell.number - 1]
    lines = NEWLINE.split(cell.text)
    if lines[first.cell.line - 1 : last.cell.line] != source.lines[start.line - 1 : end.line]:
        return None, (0, 0)
    offset = offsets(cell.text)
    places = (Place("", first.cell.line, start.column), Place("", last.cell.line, end.column))
    return cell, (offset(places[0]), offset(places[1]))


def _place(source: SourceFile, offset: int) -> Place:
    """The line and column of an offset in the JSON."""
    before = source.document[:offset]
    lines = [0, *(found.end() for found in NEWLINE.finditer(before))]
    return Place(source.name, len(lines), offset - lines[-1])


@lru_cache(maxsize=4)
def cells(document: str) -> tuple[Cell, ...]:
    """The sources of all cells of a notebook, given its JSON."""
    top = dict(_members(document, SPACE.match(document).end()))
    return tuple(_cell(document, start) for _, (start, _) in _members(document, top["cells"][0]))


def _cell(document: str, start: int) -> Cell:
    """The source of the cell whose JSON starts at an offset."""
    members = dict(_members(document, start)) if document[start] == "{" else {}
    first, last = members.get("source", (start, start))
    strings = [span for _, span in _members(document, first)] if document[first] == "[" else [(first, last)]
    strings = [span for span in strings if document[span[0]] == '"']
    spans = [found.span() for s, e in strings for found in CHARACTER.finditer(document, s + 1, e - 1)]
    text = "".join(DECODER.raw_decode(document, s)[0] for s, _ in strings)
    gaps = (document[one[1] : two[0]] for one, two in pairwise(strings))
    return Cell(text, spans, next(gaps, ", ") if document[first] == "[" else "")


def _members(document: str, start: int) -> Iterator[tuple[str | int, tuple[int, int]]]:
    """The members of the JSON object or array at an offset: key or index, and where the value starts and ends."""
    is_object = document[start] == "{"
    place, index = SPACE.match(document, start + 1).end(), 0
    while document[place] not in "}]":
        key: str | int = index
        if is_object:
            key, end = DECODER.raw_decode(document, place)
            place = SPACE.match(document, document.index(":", end) + 1).end()
        _, end = DECODER.raw_decode(document, place)
        yield key, (place, end)
        place = SPACE.match(document, end).end()
        if document[place] == ",":
            place = SPACE.match(document, place + 1).end()
        index += 1
