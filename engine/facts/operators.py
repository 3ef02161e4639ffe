"""Operators, comparisons and tests: what can be folded, and what holds by default."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

from engine.facts import containers
from engine.facts.library import comes_from_data
from engine.facts.paths import is_path
from engine.facts.trace import Branch
from engine.facts.values import (
    DATASET,
    LITERAL,
    Class,
    Function,
    Literal,
    Parameters,
    Scope,
    Sequence,
    Unknown,
    Value,
    choose,
    least_certain,
    options,
    plain,
    source_of,
)

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter

OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
COMPARISONS = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right, ast.NotIn: lambda left, right: left not in right,
}  # fmt: skip
LONGEST_TEXT = 2_000
LARGEST_NUMBER = 1e12
MOST_REPEATED = 200


def binary(interpreter: Interpreter, node: ast.BinOp, scope: Scope) -> Value:
    """``left + right`` and the like, folded where both are known."""
    left, right = interpreter.value(node.left, scope), interpreter.value(node.right, scope)
    if isinstance(left, Parameters) and isinstance(right, Sequence):
        return Sequence([left, *right.items], grows=right.grows)
    if isinstance(left, Sequence) and isinstance(right, Parameters):
        return Sequence([*left.items, right], grows=left.grows)
    if isinstance(left, Parameters) or isinstance(right, Parameters):
        return Parameters([owner for side in (left, right) if isinstance(side, Parameters) for owner in side.owners])
    if isinstance(node.op, ast.Add) and isinstance(left, Sequence) and isinstance(right, Sequence):
        return Sequence([*left.items, *right.items], left.kind, left.grows or right.grows)
    if isinstance(node.op, ast.Mult) and isinstance(left, Sequence) and _is_count(plain(right)):
        return Sequence(left.items * plain(right), left.kind, left.grows)
    if isinstance(node.op, ast.Div) and is_path(left):
        return containers.join_path(left, right, scope.file.place(node), node, scope)
    one, two = plain(left), plain(right)
    action = OPERATORS.get(type(node.op))
    if action and one is not ... and two is not ... and _small(one, two):
        try:
            return Literal(action(one, two), least_certain((left, right)), parts=(left, right))
        except Exception:  # the user's arithmetic may fail in any way: then nothing is known
            return Unknown()
    if isinstance(node.op, ast.Add) and (isinstance(one, str) or isinstance(two, str)):
        return interpreter.trace.add_object("builtins.str.format", node, scope, [left, right])
    return Unknown(DATASET if comes_from_data(left) or comes_from_data(right) else "")


def _is_plain(value: Any) -> bool:
    """True for a number or text."""
    return isinstance(value, (int, float, str))


def _is_count(value: Any) -> bool:
    """True for a number of elements that a list may be repeated to."""
    return isinstance(value, int) and 0 <= value <= MOST_REPEATED


def _small(*values: Any) -> bool:
    """True where folding cannot blow up: numbers of a usual size, and text that stays short when it is repeated."""
    sizes = [len(value) if isinstance(value, str) else abs(value) for value in values if _is_plain(value)]
    limit = LONGEST_TEXT if any(isinstance(value, str) for value in values) else LARGEST_NUMBER
    return len(sizes) == len(values) and all(size < limit for size in sizes)


def boolean(interpreter: Interpreter, node: ast.BoolOp, scope: Scope) -> Value:
    """``and`` and ``or``: one of the operands, the one that holds by default first."""
    found: list[Value] = []
    default: Value | None = None
    stopping = isinstance(node.op, ast.Or)
    for operand in node.values:
        value = interpreter.value(operand, scope)
        if default is None and default_truth(value) is not (not stopping):
            default = value if default_truth(value) is stopping else Unknown()
        known = truth(value)
        if known is not (not stopping) or operand is node.values[-1]:
            found.append(value)
        if known is stopping:
            break
    decided = value if default is None else default
    return choose([decided, *found], default_first=True) if not isinstance(decided, Unknown) else choose(found)


def unary(interpreter: Interpreter, node: ast.UnaryOp, scope: Scope) -> Value:
    """``not a``, ``-a``."""
    value = interpreter.value(node.operand, scope)
    known = plain(value)
    if isinstance(node.op, ast.Not):
        test = truth(value)
        if test is None and known is not ...:
            return Literal(not known, least_certain((value,)), parts=(value,))
        return Unknown() if test is None else Literal(not test)
    if isinstance(node.op, ast.USub) and isinstance(known, (int, float)):
        return Literal(-known, source_of(value))
    return Unknown(value.source) if isinstance(value, Unknown) else Unknown()


def compare(interpreter: Interpreter, node: ast.Compare, scope: Scope) -> Value:
    """A comparison, decided where both sides are known."""
    left = interpreter.value(node.left, scope)
    right = [interpreter.value(side, scope) for side in node.comparators]
    if len(right) != 1:
        return Unknown()
    if isinstance(node.ops[0], (ast.Is, ast.IsNot)) and isinstance(right[0], Literal) and right[0].value is None:
        nones = [isinstance(option, Literal) and option.value is None for option in options(left)]
        known = all(nones) or (not any(nones) and not any(isinstance(o, Unknown) for o in options(left)))
        held = nones[0] == isinstance(node.ops[0], ast.Is)
        return Literal(held, least_certain(options(left))) if known else Unknown()
    one, two = plain(left), plain(right[0])
    action = COMPARISONS.get(type(node.ops[0]))
    if action and one is not ... and two is not ...:
        try:
            return Literal(bool(action(one, two)), least_certain((left, right[0])))
        except Exception:  # comparing the user's values may fail in any way: then nothing is known
            return Unknown()
    return Unknown()


def conditional(interpreter: Interpreter, node: ast.IfExp, scope: Scope) -> Value:
    """``a if test else b``."""
    value = interpreter.value(node.test, scope)
    test, default = truth(value), default_truth(value)
    found = []
    for side, taken in ((node.body, True), (node.orelse, False)):
        if test is None or test is taken:
            with interpreter.entered(Branch(node, scope.file.place(node), scope, taken, by_default(default, taken))):
                found.append(interpreter.value(side, scope))
    return choose(found[::-1] if default is False else found, default_first=default is not None)


def default_truth(value: Value) -> bool | None:
    """Whether a test holds unless the user sets an option of the script; None where that is not known."""
    known = plain(value)
    return bool(known) if known is not ... else truth(value)


def by_default(default: bool | None, taken: bool) -> bool | None:
    """Whether a side of a branch is the one taken by default; None where that is not known."""
    return None if default is None else default is taken


def truth(value: Value) -> bool | None:
    """Whether a test holds, where that does not depend on an argument, a configuration or data."""
    results = set()
    for option in options(value):
        if isinstance(option, Literal) and option.source == LITERAL:
            results.add(bool(option.value))
        elif isinstance(option, (Function, Class)):
            results.add(True)
        else:
            return None
    return results.pop() if len(results) == 1 else None
