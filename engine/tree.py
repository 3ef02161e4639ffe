"""Reading libcst trees without its visitors, which cost several times as much (see `walk`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cache

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

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


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes directly inside a node, in the order of the source, without whitespace, commas and brackets."""
    for name in fields(type(node)):
        value = getattr(node, name)
        for child in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(child, cst.CSTNode) and not isinstance(child, _LAYOUT):
                yield child


def walk(root: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Every node of a tree, the root first, each before what it contains."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(children(node))))


def spans(module: cst.Module) -> Mapping[cst.CSTNode, CodeRange]:
    """Where each node stands.

    This is what ``MetadataWrapper.resolve(PositionProvider)`` does, without the second walk through the tree which that
    adds for providers that nobody asked for.
    """
    return PositionProvider()._gen(MetadataWrapper(module, unsafe_skip_copy=True))


def dotted(node: cst.CSTNode) -> str | None:
    """``a.b.c`` for a name or a chain of attributes of one; ``None`` for anything else."""
    parts = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return None
    return ".".join([node.value, *reversed(parts)])
