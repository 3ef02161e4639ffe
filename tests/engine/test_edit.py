"""Edits anchored at places of a file: what they make of it, and what stays as it was."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from engine.document import Document
from engine.edit import AddArgument, AddImport, Insert, Replace, ReplaceStatement, Wrap
from engine.result import Place, UserError
from engine.source import SourceFile

NAME = "train.py"


def source(text: str, folder: Path = Path("/nowhere")) -> SourceFile:
    return SourceFile(folder / NAME, NAME, text.encode(), text)


def edited(text: str, *edits) -> str:
    return Document(source(text)).apply(edits).code


def at(line: int, column: int = 0) -> Place:
    return Place(NAME, line, column)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("indent", ["\t", "  ", "    "])
def test_statements_before_and_after_take_the_indentation_and_newlines_of_the_file(newline: str, indent: str) -> None:
    text = "def f():\n>a()  # a\n>b()\n"
    wanted = "def f():\n>if x:\n>>y()\n>a()  # a\n>z()\n>b()\n"
    made = edited(
        text.replace(">", indent).replace("\n", newline),
        Insert(at(2, len(indent)), "if x:\n    y()\n"),
        Insert(at(2, len(indent)), "z()\n", after=True),
    )
    assert made == wanted.replace(">", indent).replace("\n", newline)


def test_edits_of_one_place_are_made_in_their_order() -> None:
    made = edited("a()\n", *[Insert(at(1), f"{name}()\n") for name in "xyz"], Insert(at(1), "end()\n", after=True))
    assert made == "x()\ny()\nz()\na()\nend()\n"


def test_comments_stay_with_their_statement_and_blank_lines_before_what_is_inserted() -> None:
    made = edited("a()\n\n# about b\nb()  # b\n# the end\n", Insert(at(4), "x()\n"))
    assert made == "a()\n\nx()\n# about b\nb()  # b\n# the end\n"


def test_apart_puts_one_gap_after_everything_inserted() -> None:
    made = edited("a()\n\n\ndef f(): pass\n", *[Insert(at(4), f"{name}()\n", apart=True) for name in "xy"])
    assert made == "a()\n\nx()\ny()\n\n\ndef f(): pass\n"


def test_wrap_indents_a_statement_and_inserts_around_and_inside() -> None:
    made = edited(
        "a()\nfor x in y:\n    b()\n    # last\nc()\n",
        Wrap(at(2), "while True:"),
        Insert(at(2), "before()\n"),
        Insert(at(2), "first()\n", inside=True),
        Insert(at(2), "last()\n", after=True, inside=True),
        Insert(at(2), "behind()\n", after=True),
    )
    assert made == (
        "a()\nbefore()\nwhile True:\n    first()\n    for x in y:\n        b()\n        # last\n    last()\n"
        "behind()\nc()\n"
    )


def test_wrap_takes_several_statements_and_inserts_at_their_ends() -> None:
    made = edited(
        "a()\n\n# about b\nb(); c()\n# about d\nd()  # d\n# about e\ne()\n",
        Wrap(at(4), "\nwhile True:", until=at(6)),
        Insert(at(4), "before()\n"),
        Insert(at(4), "first()\n", inside=True),
        Insert(at(6), "last()\n", after=True, inside=True),
        Insert(at(6), "behind()\n", after=True),
    )
    assert made == (
        "a()\n\nbefore()\n\nwhile True:\n    first()\n    # about b\n    b()\n    c()\n    # about d\n    d()  # d\n"
        "    last()\nbehind()\n# about e\ne()\n"
    )


def test_wrap_of_several_statements_in_a_function_with_others_inside() -> None:
    made = edited(
        "def f():\n    a()\n    if b:\n        c()\n    d()\n    # end\n",
        Wrap(at(3, 4), "while True:", until=at(5, 4)),
        ReplaceStatement(at(4, 8), "x()\n"),
    )
    assert made == ("def f():\n    a()\n    while True:\n        if b:\n            x()\n        d()\n    # end\n")


def test_a_statement_is_replaced_or_removed_and_its_comment_stays() -> None:
    text = "a()\n# about b\nb()\nc()\n"
    assert edited(text, ReplaceStatement(at(3), "x()\ny()\n")) == "a()\n# about b\nx()\ny()\nc()\n"
    assert edited(text, ReplaceStatement(at(4), "")) == "a()\n# about b\nb()\n"


def test_each_statement_of_a_line_can_be_an_anchor() -> None:
    made = edited("# all\na(); b(); c()  # in one\n", Insert(at(2, 5), "x()\n"), ReplaceStatement(at(2, 10), "y()\n"))
    assert made == "# all\na()\nx()\nb()\ny()  # in one\n"
    made = edited("if a: b(); c()  # both\n", Insert(at(1, 6), "x()\n"))
    assert made == "if a:\n    x()\n    b()\n    c()  # both\n"
    assert edited("if a: b()\n", ReplaceStatement(at(1, 6), "")) == "if a:\n    pass\n"


def test_a_line_of_statements_without_an_anchor_stays() -> None:
    text = "a(); b()\nc()\n"
    assert edited(text, Insert(at(2), "x()\n")) == "a(); b()\nx()\nc()\n"


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("part({})", "f(part(a + b), c)\n"),
        ("x", "f(x, c)\n"),
        ("({}) * n", "f((a + b) * n, c)\n"),
        ("{}", "f(a + b, c)\n"),
    ],
)
def test_an_expression_is_replaced(template: str, wanted: str) -> None:
    assert edited("f(a + b, c)\n", Replace(at(1, 2), at(1, 7), template)) == wanted


def test_an_expression_and_the_statement_around_it_are_edited_together() -> None:
    made = edited("x = f(a)\n", Replace(at(1, 6), at(1, 7), "g({})"), Insert(at(1), "b()\n"), Wrap(at(1), "if c:"))
    assert made == "b()\nif c:\n    x = f(g(a))\n"


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("f()", "f(k=1)"),
        ("f(a)", "f(a, k=1)"),
        ("f(a,)", "f(a, k=1,)"),
        ("f(k=2, b=3)", "f(k=1, b=3)"),
        ("f(a, *b, **c)", "f(a, *b, **c, k=1)"),
        ("f(\n    a,\n    b,  # b\n)", "f(\n    a,\n    b,  # b\n    k=1,\n)"),
        ("f(\n    a,\n    b  # b\n)", "f(\n    a,\n    b,  # b\n    k=1\n)"),
    ],
)
def test_an_argument_is_laid_out_as_the_others(call: str, wanted: str) -> None:
    lines = call.splitlines()
    made = edited(f"{call}\n", AddArgument(at(1), at(len(lines), len(lines[-1])), "k=1"))
    assert made == f"{wanted}\n"
    compile(made, NAME, "exec")


IMPORTS = {
    "no import": ("a()\n", "import nvflare.client as flare\n\na()\n"),
    "only a docstring": ('"""Doc."""\n', '"""Doc."""\n\nimport nvflare.client as flare\n'),
    "future": (
        "from __future__ import annotations\na()\n",
        "from __future__ import annotations\nimport nvflare.client as flare\n\na()\n",
    ),
    "sorted": ("import numpy\nimport torch\n", "import numpy\nimport nvflare.client as flare\nimport torch\n"),
    "last": ("import numpy\n\na()\n", "import numpy\nimport nvflare.client as flare\n\na()\n"),
    "from after import": (
        "import torch\nfrom numpy import array\n",
        "import nvflare.client as flare\nimport torch\nfrom numpy import array\n",
    ),
    "mixed": (
        "import numpy\nfrom torch import nn\nimport scipy\n",
        "import numpy\nimport nvflare.client as flare\nfrom torch import nn\nimport scipy\n",
    ),
    "a section of its own after": ("import os\n\na()\n", "import os\n\nimport nvflare.client as flare\n\na()\n"),
    "there already": ("import nvflare.client as flare\n", "import nvflare.client as flare\n"),
    "after the head": (
        "import torch\n\ndef f():\n    import zlib\n\nimport late\n",
        "import nvflare.client as flare\nimport torch\n\ndef f():\n    import zlib\n\nimport late\n",
    ),
    "comments": (
        "# license\n\nimport torch  # torch\n# more\n",
        "# license\n\nimport nvflare.client as flare\nimport torch  # torch\n# more\n",
    ),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_an_import_goes_to_its_section(case: str) -> None:
    before, after = IMPORTS[case]
    file = source(before)
    assert Document(file).apply([AddImport(file, "import nvflare.client as flare")]).code == after


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        ("EPOCHS = 7\nimport torch\n", 1, "import nvflare\n\nuse()\nEPOCHS = 7\nimport torch\n"),
        ("import a\nx = 1\nimport torch\n", 2, "import a\nimport nvflare\nuse()\nx = 1\nimport torch\n"),
        ("import torch\nx = 1\nimport nvflare\n", 2, "import nvflare\nimport torch\nuse()\nx = 1\nimport nvflare\n"),
        ("import nvflare\nx = 1\n", 2, "import nvflare\nuse()\nx = 1\n"),
    ],
)
def test_an_import_stands_before_what_uses_it(before: str, line: int, after: str) -> None:
    file = source(before)
    made = Document(file).apply([AddImport(file, "import nvflare"), Insert(at(line), "use()\n")])
    assert made.code == after


def test_several_imports_are_sorted_into_sections(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    text = "import torch\nfrom torch import nn\n\nfrom mine import x\n\nx()\n"
    file = source(text, tmp_path)
    new = ["import site_data", "from model import Net", "from collections import Counter", "import argparse",
           "import nvflare.client as flare", "import argparse"]  # fmt: skip
    made = Document(file).apply([AddImport(file, text) for text in new]).code
    assert made == dedent(
        """\
        import argparse
        from collections import Counter

        import nvflare.client as flare
        import torch
        from torch import nn

        import site_data
        from mine import x
        from model import Net

        x()
        """
    )


def test_columns_are_counted_in_characters() -> None:
    text = 'print("é😀", a)\n'
    file = source(text)
    call = file.tree.body[0].value
    made = Document(file).apply([Replace(file.place(call.args[1]), file.end(call.args[1]), "b")]).code
    assert made == 'print("é😀", b)\n'


@pytest.mark.parametrize("edit", [Insert(at(7), "x()\n"), Insert(at(1, 3), "x()\n"), Replace(at(1, 1), at(1, 9), "x")])
def test_a_place_where_nothing_stands_is_an_error(edit) -> None:
    with pytest.raises(UserError, match=r"train\.py:\d+: .* cannot be located for rewriting"):
        edited("abc()\n", edit)


def test_what_libcst_would_lose_is_refused() -> None:
    with pytest.raises(UserError, match=r"train\.py:4: rewriting would lose a comment"):
        Document(source("main()\n    # old\n    # code\n"))


def test_no_edit_leaves_every_byte() -> None:
    text = "\ufeffa = 1 ;b=2\r\nif a :\n\tpass\n\n\n# end"
    file = SourceFile(Path(NAME), NAME, text.encode(), text.removeprefix("\ufeff"))
    assert Document(file).apply([]).bytes == file.raw
