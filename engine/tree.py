"""Reading libcst trees without its visitors, which cost several times as much (see `walk`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import accumulate

import libcst as cst
from libcst._nodes.internal import CodegenState

_LAYOUT = (
    cst.BaseParenthesizableWhitespace,
    cst.TrailingWhitespace,
    cst.EmptyLine,
    cst.Newline,
    cst.Comma,
    cst.Semicolon,
    cst.LeftParen,
    cst.RightParen,
    cst.LeftSquareBracket,
    cst.RightSquareBracket,
    cst.LeftCurlyBrace,
    cst.RightCurlyBrace,
)
_LAYOUT_FIELDS = (
    "whitespace",
    "lpar",
    "rpar",
    "comma",
    "semicolon",
    "leading_lines",
    "lines_after",
    "header",
    "footer",
)


@cache
def fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The fields of a kind of node that say what the program means, not how it is laid out."""
    return tuple(field.name for field in dataclasses.fields(kind) if not field.name.startswith(_LAYOUT_FIELDS))


@cache
def is_code(kind: type) -> bool:
    """True for a kind of node that is no layout. To ask a kind once is faster: libcst's are abstract classes."""
    return issubclass(kind, cst.CSTNode) and not issubclass(kind, _LAYOUT)


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes directly inside a node, in the order of the source, without whitespace, commas and brackets."""
    for name in fields(type(node)):
        value = getattr(node, name)
        for child in value if isinstance(value, (list, tuple)) else (value,):
            if is_code(type(child)):
                yield child


def walk(root: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Every node of a tree, the root first, each before what it contains."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(children(node))))


class Printed(CodegenState):
    """A tree as text, with where each of its nodes stands in it.

    ``PositionProvider`` prints the tree as well, but counts the lines and columns of every token and throws the text
    away. Here the tokens are counted, so that one print gives the text and the places.

    Attributes:
        code: the text.
        nodes: every node in the order in which they end.
    """

    def __init__(self, module: cst.Module) -> None:
        super().__init__(default_indent=module.default_indent, default_newline=module.default_newline)
        self.nodes: list[cst.CSTNode] = []
        self._parents: dict[int, cst.CSTNode] = {}
        self._spans: dict[int, tuple[int, int]] = {}  # by id: a node's own hash is a call
        self._open: list[tuple[cst.CSTNode, int]] = []
        module._codegen(self)
        self.code = "".join(self.tokens)
        self._offsets = [0, *accumulate(map(len, self.tokens))]
        self._offsets.append(self._offsets[-1])  # of the newline after the last statement that has none

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """The offsets at which a node starts and ends, without the whitespace around it."""
        start, end = self._spans[id(node)]
        return self._offsets[start], self._offsets[end]

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes that hold a node, from the inside out."""
        while id(node) in self._parents:
            node = self._parents[id(node)]
            yield node

    def before_codegen(self, node: cst.CSTNode) -> None:
        if self._open:
            self._parents[id(node)] = self._open[-1][0]
        self._open.append((node, len(self.tokens)))

    def after_codegen(self, node: cst.CSTNode) -> None:
        _, start = self._open.pop()
        self._spans.setdefault(id(node), (start, len(self.tokens)))
        self.nodes.append(node)

    @contextmanager
    def record_syntactic_position(
        self, node: cst.CSTNode, *, start_node: cst.CSTNode | None = None, end_node: cst.CSTNode | None = None
    ) -> Iterator[None]:
        start = len(self.tokens)
        yield
        start = self._spans[id(start_node)][0] if start_node else start
        end = self._spans[id(end_node)][1] if end_node else len(self.tokens)
        self._spans[id(node)] = start, end


def dotted(node: cst.CSTNode) -> str | None:
    """``a.b.c`` for a name or a chain of attributes of one; ``None`` for anything else."""
    parts = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return None
    return ".".join([node.value, *reversed(parts)])
