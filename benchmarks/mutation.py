"""Programs as nobody writes them: real ones, changed at random, as text, so that comments and layout take part."""

from __future__ import annotations

import ast
import codecs
import io
import keyword
import random
import string
import sysconfig
import tokenize
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import indent

FIXTURES = Path(__file__).parent.parent / "fixtures"
LARGEST = 7_000
UNFIT = (SyntaxError, ValueError, IndexError, RecursionError, MemoryError, tokenize.TokenError)
FRAMES = (
    "if flag:", "for i in range(3):", "while True:", "with open('x') as f:", "def f(*args, **kwargs):",
    "async def g():", "class A:", "if __name__ == '__main__':", "try:", "match x:", "for epoch in range(3):",
)  # fmt: skip
TAILS = {"try:": "except* ValueError:\n    pass\n", "for i in range(3):": "else:\n    pass\n"}
WORDS = (
    "0", "-1", "1e999", "None", "...", "'\\N{GREEK SMALL LETTER ALPHA}'", "b'\\x00'", "f'{x!r:>{y}}'", "self",
    "super()", "(lambda: (yield))", "[*a]", "{**a}", "x[::]", "await x", "nonlocal", "global", "del", "**", "@", ":=",
    "->", "\u00e9", "\U0001f600", "# comment", "\\\n", "torch.load(p)", "model.state_dict()", "optimizer.step()",
    "loss.backward()",
    "import torch", "from torch import *", "type X = int", "def", "return", "yield", "break", "continue", "not", "is",
)  # fmt: skip


def fixtures() -> list[Path]:
    """The training scripts of the fixtures."""
    return sorted(path for path in FIXTURES.rglob("*.py") if "expected" not in path.parts and _is_small(path))


def training_scripts(folders: Iterable[Path]) -> list[Path]:
    """The smaller files of folders that train with PyTorch, and that Python 3 can parse."""
    found = (path for folder in folders for path in sorted(folder.rglob("*.py")) if path.is_file())
    return [path for path in found if _is_small(path) and _trains(path.read_bytes())]


def library() -> list[Path]:
    """The smaller modules of the standard library."""
    return sorted(filter(_is_small, Path(sysconfig.get_paths()["stdlib"]).glob("[a-z]*.py")))


def _is_small(path: Path) -> bool:
    return path.stat().st_size < LARGEST


def _trains(content: bytes) -> bool:
    if b"import torch" not in content or b".backward(" not in content:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(content.decode())
    except (SyntaxError, ValueError):
        return False
    return True


def mutated(text: str, chance: random.Random) -> str:
    """A program after one to five changes, most of which leave it Python."""
    for _ in range(chance.randint(1, 5)):
        change = chance.choice(CHANGES)
        for _ in range(3):
            try:
                changed = change(text, chance)
                ast.parse(changed)
            except UNFIT:
                continue
            text = changed
            break
    if chance.random() < 0.15:
        try:
            return chance.choice(BREAKS)(text, chance)
        except UNFIT:
            return text
    return text


def _statements(text: str, chance: random.Random) -> tuple[list[str], list[tuple[int, int]]]:
    """The lines, and the lines of two statements."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
    two = chance.choices(found, k=2)
    return text.splitlines(keepends=True), [(node.lineno - 1, node.end_lineno) for node in two]


def delete(text: str, chance: random.Random) -> str:
    """Without a statement."""
    lines, [(start, end), _] = _statements(text, chance)
    return "".join(lines[:start] + lines[end:])


def move(text: str, chance: random.Random) -> str:
    """With a copy of a statement in the place of another or before it."""
    lines, [(start, end), (to, until)] = _statements(text, chance)
    here = lines[to][: len(lines[to]) - len(lines[to].lstrip())]
    copy = indent(
        "".join(line.lstrip() if n == start else line for n, line in enumerate(lines[start:end], start)), here
    )
    return "".join([*lines[:to], copy, *lines[until if chance.random() < 0.5 else to :]])


def wrap(text: str, chance: random.Random) -> str:
    """With a statement inside another."""
    lines, [(start, end), _] = _statements(text, chance)
    here = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    frame = chance.choice(FRAMES)
    head = f"{here}{frame}\n" + (f"{here}    case [{chance.choice(WORDS)}, *_]:\n" if frame == "match x:" else "")
    body = indent("".join(lines[start:end]), "        " if frame == "match x:" else "    ")
    return "".join([*lines[:start], head, body, indent(TAILS.get(frame, ""), here), *lines[end:]])


def with_piece(text: str, piece: str, chance: random.Random) -> str:
    """With a statement before one of its own, where the program stays Python; else unchanged."""
    for _ in range(3):
        try:
            lines, [(start, _), _] = _statements(text, chance)
            here = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
            changed = "".join([*lines[:start], indent(piece, here), *lines[start:]])
            ast.parse(changed)
            return changed
        except UNFIT:
            continue
    return text


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string.strip()]


def _replace(text: str, token: tokenize.TokenInfo, new: str) -> str:
    lines = text.splitlines(keepends=True)
    (line, start), (last, end) = token.start, token.end
    lines[line - 1 : last] = [lines[line - 1][:start] + new + lines[last - 1][end:]]
    return "".join(lines)


def rename(text: str, chance: random.Random) -> str:
    """With another name or constant of the program in the place of one."""
    tokens = [token for token in _tokens(text) if token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)]
    one, other = chance.choices(tokens, k=2)
    return _replace(text, one, other.string)


def insert(text: str, chance: random.Random) -> str:
    """With an odd word in the place of a token or after it."""
    token, word = chance.choice(_tokens(text)), chance.choice(WORDS)
    return _replace(text, token, word if chance.random() < 0.6 else f"{token.string} {word}")


def drop(text: str, chance: random.Random) -> str:
    """Without a token."""
    return _replace(text, chance.choice(_tokens(text)), "")


def layout(text: str, chance: random.Random) -> str:
    """With other newlines, indentation or ends."""
    return chance.choice([
        text.replace("\n", "\r\n"), text.replace("    ", "\t"), text.replace("    ", " "), text.rstrip("\n"),
        "\ufeff" + text, text + "    # a comment\n", text.replace("\n\n", "\n\f\n"), text + "\n\n\t\n",
        text.replace(" = ", "="), text.replace("\n", "\r"), text.replace(",\n", ", \\\n"),
    ])  # fmt: skip


def lines(text: str, chance: random.Random) -> str:
    """With a few lines written otherwise: other ends, blanks, comments, form feeds, tabs."""
    changed = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed))
        line = changed[place].rstrip("\r\n")
        blank = line[: len(line) - len(line.lstrip())]
        changed[place] = chance.choice([
            f"{line}\r\n", f"{line}\r", f"{line} \t\n", f"{line}  # caf\u00e9 \U0001f600\n", f"\f{line}\n",
            f"{line};\n",
            f"{line}; {line.strip()}\n", f"{blank}# noqa\n{line}\n", f"{line}  # noqa: FLR201, E501\n", f"#\n{line}\n",
            f"{line}\n{blank}    # deeper\n", f"{line}\n# shallower\n", line.replace("    ", "\t", 1) + "\n", 
            f"{line}  # lint-ignore: UnsafeTorchLoad\n", f"{blank}\\\n{line.strip()}\n", f"{line}\n\n\n\n",
        ])  # fmt: skip
    return "".join(changed)


def repeat(text: str, chance: random.Random) -> str:
    """With another program of the same text after it, or itself in a function."""
    return chance.choice([text + "\n" + text, "def main():\n" + indent(text, "    ") + "\nmain()\n"])


def exotic(text: str, chance: random.Random) -> str:
    """With a name written as Python reads it, but not as it is compared as text."""
    names = [token for token in _tokens(text) if token.type == tokenize.NAME and not keyword.iskeyword(token.string)]
    token = chance.choice(names)
    first = token.string[0]
    odd = chr(0x1D5BA + ord(first) - ord("a")) if first in string.ascii_lowercase else f"\u00b5{first}"
    return _replace(text, token, odd + token.string[1:])


def encoded(text: str, chance: random.Random) -> bytes:
    """The bytes of a program: UTF-8, or now and then in another encoding, or in one that it does not name."""
    kind = chance.randrange(40)
    if kind == 0:
        return codecs.BOM_UTF8 + b"# coding: utf-8\n" + text.encode(errors="replace")
    if kind == 1:
        return f"# -*- coding: latin-1 -*-\n# caf\u00e9\n{text}".encode("latin-1", errors="replace")
    if kind == 2:
        return f"# coding: cp1252\nprice = '\u20ac'\n{text}".encode("cp1252", errors="replace")
    if kind == 3:
        return chance.choice(
            [b"# coding: no-such\n", b"# coding: utf-16\n", b"\xff\xfe", b"x = '\xe9'\n"]
        ) + text.encode(errors="replace")
    return text.encode(errors="replace")


def cut(text: str, chance: random.Random) -> str:
    """Its beginning."""
    return text[: chance.randrange(len(text) + 1)]


def spoil(text: str, chance: random.Random) -> str:
    """With a character changed."""
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice("\0\x0c\r\t(){}[]'\"\\\ud7ff\u2028#@:;") + text[place + 1 :]


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    delete, move, wrap, rename, insert, drop, layout, lines, lines, repeat, exotic,
)  # fmt: skip
BREAKS: tuple[Callable[[str, random.Random], str], ...] = (cut, spoil, drop, insert)
