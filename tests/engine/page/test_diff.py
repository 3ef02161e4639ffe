"""Two texts side by side."""

from __future__ import annotations

from engine.page.diff import rows, shown


def test_equal_texts_have_no_rows() -> None:
    assert rows("a\nb\n", "a\nb\n") == []


def test_a_block_that_moves_inward_stands_beside_itself() -> None:
    assert rows("for x in y:\n    z\n", "while w:\n    for x in y:\n        z\n") == [
        ["added", None, None, 1, "while w:"],
        ["changed", 1, "for x in y:", 2, "    for x in y:"],
        ["changed", 2, "    z", 3, "        z"],
    ]


def test_lines_far_from_a_difference_are_counted() -> None:
    before = "".join(f"{n}\n" for n in range(20))
    found = rows(before, before.replace("10\n", "ten\n"), context=1)
    assert found == [
        ["gap", None, 9, None, None],
        ["same", 10, "9", 10, "9"],
        ["changed", 11, "10", 11, "ten"],
        ["same", 12, "11", 12, "11"],
        ["gap", None, 8, None, None],
    ]


def test_every_line_is_shown_or_counted() -> None:
    before, after = "a\nb\nc\nd\ne\nf\n", "b\nc\nx\ny\nf\ng\n"
    found = rows(before, after)
    assert [row[2] for row in found if row[1]] == before.split()
    assert [row[4] for row in found if row[3]] == after.split()


def test_what_differs_in_a_line_is_marked_and_escaped() -> None:
    assert shown("f(<a>, x)", "f(<b>, x)") == "f(&lt;<mark>a</mark>&gt;, x)"
    assert shown("f(x)", "f(x, y)") == "f(x)"
    assert shown("f(x, y)", "f(x)") == "f(x<mark>, y</mark>)"
    assert shown("<x>", None) == "&lt;x&gt;"
    assert shown("aa", "a") == "a<mark>a</mark>"
