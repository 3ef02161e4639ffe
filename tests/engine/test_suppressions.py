"""The comment that silences a finding stands where it is one, and is heeded."""

from __future__ import annotations

import pytest

from engine.fixes import edited
from engine.result import Place, Result
from engine.suppressions import silencing, suppressions


def finding(start: tuple[int, int], end: tuple[int, int], code: str = "FLR202") -> Result:
    return Result("FoundRule", "message", code, Place("f.py", *start), Place("f.py", *end))


@pytest.mark.parametrize(
    ("text", "start", "end", "wanted"),
    [
        ("f(x)\n", (1, 0), (1, 4), "f(x)  # noqa: FLR202\n"),
        ("f(x)  # mine\r\n", (1, 0), (1, 4), "f(x)  # mine  # noqa: FLR202\r\n"),
        ("f(x)  # noqa: E501\n", (1, 0), (1, 4), "f(x)  # noqa: E501, FLR202\n"),
        ("f(\n  x,\n)\n", (1, 0), (3, 1), "f(  # noqa: FLR202\n  x,\n)\n"),
        ('f("""a\nb""")\n', (1, 0), (2, 5), 'f("""a\nb""")  # noqa: FLR202\n'),
        ("f(x) + \\\n  y\n", (1, 0), (2, 3), "f(x) + \\\n  y  # noqa: FLR202\n"),
        (
            'if x:\n    f(y, """a\nb""")\n',
            (2, 4),
            (2, 8),
            'if x:\n    # lint-ignore: FoundRule\n    f(y, """a\nb""")\n',
        ),
        ("f(x)", (1, 0), (1, 4), "f(x)  # noqa: FLR202"),
    ],
)
def test_a_finding_is_silenced(text: str, start, end, wanted: str) -> None:
    result = finding(start, end)
    assert edited(text, [silencing(text, result)]) == wanted


def test_a_rule_without_a_code_is_silenced_by_its_name() -> None:
    text = "f(x)\n"
    after = edited(text, [silencing(text, finding((1, 0), (1, 4), code=""))])
    assert after == "f(x)  # lint-ignore: FoundRule\n"
    assert [comment.keys for comment in suppressions(after, "f.py")] == [{"FoundRule", "Found"}]


def test_what_does_not_parse_is_not_silenced() -> None:
    assert silencing("f(x\n", finding((1, 0), (1, 3))) is None
