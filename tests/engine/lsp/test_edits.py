"""Edits that are no larger than they have to be, and where they stand for an editor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position

from engine.fixes import edited
from engine.lsp.edits import Positions, changes, trimmed
from engine.result import Place

TEXTS = st.text(st.sampled_from("ab\n\r\f😀"), max_size=12)


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(old=TEXTS, new=TEXTS)
def test_edits_turn_one_text_into_the_other(old: str, new: str) -> None:
    found = changes(old, new, "f")
    assert edited(old, found) == new
    assert (found == []) == (old == new)


@given(old=TEXTS, new=TEXTS)
def test_no_edit_starts_or_ends_inside_a_newline(old: str, new: str) -> None:
    lines = Positions(old, len).lines
    for edit in changes(old, new, "f"):
        assert all(place.column <= len(lines[place.line - 1]) for place in (edit.start, edit.end))


@pytest.mark.parametrize(
    ("old", "new", "start", "end", "text"),
    [
        ("f(x)", "f(x, y=1)", (3, 7), (3, 7), ", y=1"),
        ("f(x, y)", "f(y)", (3, 6), (3, 9), ""),
        ("f(\n  x)", "f(\n  x, y)", (4, 3), (4, 3), ", y"),
        ("same", "same", (3, 8), (3, 8), ""),
    ],
)
def test_what_stays_is_not_part_of_an_edit(old: str, new: str, start, end, text: str) -> None:
    edit = trimmed(Place("f", 3, 4), old, new)
    assert (edit.start, edit.end, edit.text) == (Place("f", *start), Place("f", *end), text)


def test_positions_count_the_units_that_were_agreed_upon() -> None:
    text = "é😀x\n"
    assert Positions(text, utf16).position(Place("f", 1, 3)) == Position(0, 4)
    assert Positions(text, len).position(Place("f", 1, 3)) == Position(0, 3)


def test_a_mark_at_the_beginning_of_a_text_counts_for_the_editor() -> None:
    positions = Positions("\ufeffx = 1\ny = 2\n", utf16)
    assert positions.position(Place("f", 1, 4)) == Position(0, 5)
    assert positions.position(Place("f", 2, 4)) == Position(1, 4)


def test_what_is_found_beyond_the_text_stands_at_its_end() -> None:
    span = Positions("for x in y:", utf16).range(Place("f", 2, 4), None)
    assert (span.start, span.end) == (Position(0, 11), Position(0, 11))


def test_a_finding_without_an_end_reaches_to_the_end_of_its_line() -> None:
    span = Positions("import torch\r\nx = 1\r\n", utf16).range(Place("f", 2, 2), None)
    assert (span.start, span.end) == (Position(1, 2), Position(1, 5))
