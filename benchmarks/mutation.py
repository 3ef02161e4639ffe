"""Programs as nobody writes them: real ones, changed at random, as text, so that comments and layout take part."""

from __future__ import annotations

import ast
import io
import random
import sysconfig
import tokenize
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

FIXTURES = Path(__file__).parent.parent / "fixtures"
LARGEST = 20_000
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


def real_programs() -> list[Path]:
    """The training scripts of the fixtures, and modules of the standard library."""
    scripts = [path for path in FIXTURES.rglob("*.py") if "expected" not in path.parts]
    library = Path(sysconfig.get_paths()["stdlib"]).glob("[a-z]*.py")
    return sorted(path for path in (*scripts, *library) if path.stat().st_size < LARGEST)


def mutated(text: str, chance: random.Random) -> str:
    """A program after one to five changes, most of which leave it Python."""
    for _ in range(chance.randint(1, 5)):
        change = chance.choice(CHANGES)
        for _ in range(3):
            try:
                changed = change(text, chance)
                ast.parse(changed)
            except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
                continue
            text = changed
            break
    return chance.choice(BREAKS)(text, chance) if chance.random() < 0.15 else text


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
        text.replace(" = ", "="),
    ])  # fmt: skip


def cut(text: str, chance: random.Random) -> str:
    """Its beginning."""
    return text[: chance.randrange(len(text) + 1)]


def spoil(text: str, chance: random.Random) -> str:
    """With a character changed."""
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice("\0\x0c\r\t(){}[]'\"\\\ud7ff\u2028#@:;") + text[place + 1 :]


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (delete, move, wrap, rename, insert, drop, layout)
BREAKS: tuple[Callable[[str, random.Random], str], ...] = (cut, spoil, drop, insert)
