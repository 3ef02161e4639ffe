"""Where in the source the values stand that an expression is made of."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.facts import Expression
from engine.facts.source_text import FUNCTIONS, defaults_of
from engine.facts.values import Literal, Scope, Value, value_of
from engine.result import Place


@dataclass(frozen=True)
class Range:
    """A range of source, with the scope it stands in."""

    place: Place
    end: Place
    scope: Scope | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, node: ast.AST, scope: Scope) -> Range:
        """The range of a node."""
        return cls(scope.file.place(node), scope.file.end(node), scope)


def leaves(expression: Expression) -> Iterator[Literal]:
    """The known values an expression is made of, the outermost names first."""
    for node in ast.walk(expression.node):
        for value in value_of(node, expression.scope):
            yield from origins(value)


def origins(value: Value) -> Iterator[Literal]:
    """The values a value was made of, back to where each is written."""
    if not isinstance(value, Literal):
        return
    if value.parts and value.option is None:
        for part in value.parts:
            yield from origins(part)
    else:
        yield value


def is_same(value: Value, other: Value) -> bool:
    """True for one value, and for two names of one literal."""
    if isinstance(value, Literal) and isinstance(other, Literal) and value.written and other.written:
        return value.written[0] is other.written[0]
    return value is other


def parameter_of(place: Range) -> str:
    """The parameter whose default stands at a place."""
    assert place.scope is not None
    for node in ast.walk(place.scope.file.tree):
        if isinstance(node, FUNCTIONS):
            for name, default in defaults_of(node).items():
                if place.scope.file.place(default) == place.place:
                    return name
    return ""


def is_default(place: Range) -> bool:
    """True for a literal among a function's parameters: it is evaluated where the function is defined."""
    assert place.scope is not None
    for node in ast.walk(place.scope.file.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            defaults = [*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]]
            if any(place.scope.file.place(default) == place.place for default in defaults):
                return True
    return False
