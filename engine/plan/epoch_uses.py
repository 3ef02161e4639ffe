"""Where the number of epochs is used besides the header of the epoch loop."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import TypeGuard

from engine.facts import Facts
from engine.facts.source_text import breaks, text_of
from engine.facts.trace import Event
from engine.facts.values import Object, Scope, Unknown, Value, plain, value_of
from engine.plan.epoch_number import is_report, reaches_training
from engine.plan.frame import bodies
from engine.plan.literals import is_same, leaves
from engine.plan.passed import written_in
from engine.plan.written_before import set_from

ROUNDING = ("int", "float", "round", "ceil", "floor", "min", "max")
Use = tuple[ast.expr, Scope, bool]
"""An expression to stretch, its scope, and True where it is an argument of its own."""


def number_in(facts: Facts, node: ast.AST, scope: Scope) -> Iterator[Use]:
    """Where the very number of epochs is used."""
    passed = _passed(node)
    for part in ast.walk(node):
        if _is_number(facts, part, scope):
            yield part, scope, part in passed


def _passed(node: ast.AST) -> set[ast.AST]:
    """The expressions that are arguments of calls."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    return {one for call in calls for one in (*call.args, *[keyword.value for keyword in call.keywords])}


def _is_number(facts: Facts, node: ast.AST, scope: Scope) -> TypeGuard[ast.expr]:
    """True for a name, attribute or subscript that stands for the number of epochs."""
    loop = facts.loop
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) or not isinstance(node.ctx, ast.Load):
        return False
    if loop is None or loop.count is None:
        return False
    counts: list[Value] = [leaf for leaf in leaves(loop.count) if isinstance(leaf.value, int) and leaf.value > 1]
    counts += _made_of(loop.count.node, loop.count.scope)
    counts += [one for one in value_of(loop.count.node, loop.count.scope) if plain(one) == loop.epochs]
    if scope is loop.count.scope and text_of(node) == text_of(loop.count.node):
        return True
    return any(is_same(value, count) for value in value_of(node, scope) for count in counts)


def _made_of(count: ast.AST, scope: Scope) -> list[Value]:
    """What a number of epochs is made of, where that is known by name only: computed, or drawn."""
    if isinstance(count, ast.BinOp):
        return [*_made_of(count.left, scope), *_made_of(count.right, scope)]
    return [value for value in value_of(count, scope) if isinstance(value, (Object, Unknown))]


def number_behind(facts: Facts, node: ast.AST, scope: Scope, depth: int = 4) -> Iterator[Use]:
    """The number of epochs in what an expression is computed from: in what a name or an attribute was set to before,
    ``steps = epochs * len(loader)``, in what a parameter is given, and in what a function returns.

    A name that says how long the loop itself is keeps its meaning.
    """
    if depth and _can_be_followed(facts, node) and not any(number_in(facts, node, scope)):
        for value, holder in set_from(facts, node, scope):
            if _builds(facts, node, scope) and is_length(facts, value, holder):
                yield value, holder, True
                continue
            yield from number_in(facts, value, holder)
            for part in ast.walk(value):
                yield from number_behind(facts, part, holder, depth - 1)


def _builds(facts: Facts, node: ast.AST, scope: Scope) -> bool:
    """True for a parameter of a constructor: what it is given is for the object alone."""
    holder = next((one for one in scope.chain() if isinstance(node, ast.Name) and node.id in one.variables), None)
    return any(call.scope is holder and call.function.name == "__init__" for call in facts.trace.calls)


def is_length(facts: Facts, node: ast.expr, scope: Scope) -> bool:
    """True for a name or an attribute that was set to a computed number, not to something that holds one."""
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return False
    values = set_from(facts, node, scope)
    computed = any(isinstance(value, (ast.BinOp, ast.IfExp)) or _called(value) in ROUNDING for value, _ in values)
    behind = any(number_behind(facts, node, scope))
    return behind and (computed or any(is_length(facts, value, holder) for value, holder in values))


def _called(node: ast.AST) -> str:
    """The last name of what a call calls; empty for anything else."""
    return text_of(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def _can_be_followed(facts: Facts, node: ast.AST) -> TypeGuard[ast.Name | ast.Attribute | ast.Call]:
    """True for what stands for something that was computed elsewhere, and does not say how long the loop itself is."""
    loop = facts.loop
    if loop is None or not isinstance(loop.loop.node, (ast.For, ast.While)):
        return False
    if isinstance(node, ast.Call):
        return True
    header = loop.loop.node.iter if isinstance(loop.loop.node, ast.For) else loop.loop.node.test
    is_read = isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)
    return is_read and text_of(node) not in {text_of(part) for part in ast.walk(header)}


def beside(facts: Facts, numbers: Collection[str], leaving: bool = False) -> Iterator[Use]:
    """The number of epochs where a number that goes on over the rounds meets it: the epoch's, or a count of steps;
    compared or divided, in the loop or in what it calls.

    A list that has an element for every epoch is among them, where it is built.

    Args:
        facts: of the program.
        numbers: what these numbers are called in the epoch loop; attributes are called so everywhere.
        leaving: with the tests that leave the loop.
    """
    loop = facts.loop
    assert loop is not None and isinstance(loop.loop.node, ast.For)
    everywhere = {number for number in numbers if "." in number}
    inside = [event for event in facts.trace.events if event.within_node(loop.loop.node)]
    followed = {event.node: event for event in inside if event.function is not None}
    yield from _beside(facts, loop.loop.node.body, loop.scope, set(numbers), followed, leaving)
    seen: set[ast.AST] = set()
    for call in facts.trace.calls:
        event = followed.get(call.node)
        if event is None or call.function.node in seen:
            continue
        given = written_in(event).items()
        names = everywhere | {name for name, (node, _) in given if text_of(node) in numbers}
        if names:
            seen.add(call.function.node)
            body = call.function.node.body
            statements = body if isinstance(body, list) else [ast.Expr(body)]
            yield from _beside(facts, statements, call.scope, names, followed, leaving)


def _beside(
    facts: Facts, body: list[ast.stmt], scope: Scope, names: set[str], followed: dict[ast.Call, Event],
    leaving: bool,
) -> Iterator[Use]:  # fmt: skip
    """The number of epochs in the expressions of some statements that also use one of some numbers.

    Args:
        facts: of the program.
        body, scope: the statements.
        names: what the numbers are called there.
        followed: the calls of functions of the project, which are looked into themselves.
        leaving: with the tests that leave the loop.
    """
    statements = [s for inner in bodies(body) for s in inner if leaving or not (isinstance(s, ast.If) and breaks(s))]
    for root in (root for s in statements if not _is_for_reports(s, body, followed) for root in expressions_of(s)):
        parts, passed = list(_parts(root, followed)), _passed(root)
        used = [part for part in parts if isinstance(part, (ast.Name, ast.Attribute, ast.Subscript))]
        if any(text_of(part) in names for part in used):
            yield from ((part, scope, part in passed) for part in parts if _is_number(facts, part, scope))
            for part in used:
                yield from number_behind(facts, part, scope)


def _is_for_reports(statement: ast.stmt, body: list[ast.stmt], followed: dict[ast.Call, Event]) -> bool:
    """True for what gives a name a value that only reports use: the time that is left."""
    name = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return isinstance(name, ast.Name) and reaches_training(body, name.id, list(followed.values())) is False


def expressions_of(statement: ast.stmt) -> list[ast.expr]:
    """The expressions of a statement itself, reports aside."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and is_report(statement.value):
        return []
    return [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr)]


def _parts(node: ast.AST, followed: dict[ast.Call, Event]) -> Iterator[ast.AST]:
    """The nodes of an expression without what functions of the project are passed: they are looked into themselves."""
    yield node
    if node not in followed:
        for child in ast.iter_child_nodes(node):
            yield from _parts(child, followed)
