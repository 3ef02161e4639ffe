"""Where the number of epochs is used besides the header of the epoch loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from engine.facts import Facts
from engine.facts.source_text import text_of
from engine.facts.trace import Call, Event
from engine.facts.values import Object, Scope, Unknown, Value, value_of
from engine.plan.epoch_number import REPORTS
from engine.plan.frame import bodies, body_of
from engine.plan.literals import leaves
from engine.plan.passed import Written, arguments_written, scope_in, written_in

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
    return any(value is count for value in value_of(node, scope) for count in counts)


def _made_of(count: ast.AST, scope: Scope) -> list[Value]:
    """What a number of epochs is made of, where that is known by name only: computed, or drawn."""
    if isinstance(count, ast.BinOp):
        return [*_made_of(count.left, scope), *_made_of(count.right, scope)]
    return [value for value in value_of(count, scope) if isinstance(value, (Object, Unknown))]


def number_behind(facts: Facts, node: ast.expr, scope: Scope, depth: int = 3) -> Iterator[Use]:
    """The number of epochs in what a name was set to before the loop: ``steps = epochs * len(loader)``.

    A name that says how long the loop itself is keeps its meaning.
    """
    loop = facts.loop
    if loop is None or not isinstance(loop.loop.node, (ast.For, ast.While)):
        return
    header = loop.loop.node.iter if isinstance(loop.loop.node, ast.For) else loop.loop.node.test
    if not isinstance(node, ast.Name) or any(isinstance(n, ast.Name) and n.id == node.id for n in ast.walk(header)):
        return
    if not depth or any(number_in(facts, node, scope)):
        return
    holder, values = set_to(node, scope)
    if not values and holder is not None:
        for given, caller in _given(facts, node.id, holder):
            yield from number_in(facts, given, caller)
            yield from number_behind(facts, given, caller, depth - 1)
    if len(values) != 1 or holder is None:
        return
    yield from number_in(facts, values[0], holder)
    for name in [part for part in ast.walk(values[0]) if isinstance(part, ast.Name)]:
        yield from number_behind(facts, name, holder, depth - 1)


def set_to(name: ast.Name, scope: Scope) -> tuple[Scope | None, list[ast.expr]]:
    """The scope that a name belongs to, and the values it is set to there."""
    holder = next((one for one in scope.chain() if name.id in one.variables), None)
    statements = [s for body in bodies(body_of(holder)) for s in body] if holder is not None else []
    assignments = [s for s in statements if isinstance(s, ast.Assign)]
    return holder, [s.value for s in assignments if [ast.unparse(t) for t in s.targets] == [name.id]]


def _given(facts: Facts, parameter: str, holder: Scope) -> Iterator[tuple[ast.expr, Scope]]:
    """What the call of a function gives as a parameter, as it is written there."""
    entries = (entry for event in facts.trace.events for entry in event.path if isinstance(entry, Call))
    entry = next((one for one in entries if one.scope is holder), None)
    function = entry.function if entry is not None else None
    if entry is None or not isinstance(entry.node, ast.Call) or isinstance(function.node, ast.Lambda):
        return
    given = arguments_written(function, entry.node)
    if parameter in given:
        yield given[parameter], entry.caller


def beside_epoch(facts: Facts) -> Iterator[Use]:
    """The number of epochs where the epoch's number meets it: compared or divided, in the loop or in what it calls.

    A list that has an element for every epoch is among them, where it is built.
    """
    loop = facts.loop
    assert loop is not None and isinstance(loop.loop.node, ast.For)
    number = text_of(loop.loop.node.target)
    everywhere = {number} if isinstance(loop.loop.node.target, ast.Attribute) else set()
    inside = [event for event in facts.trace.events if event.within_node(loop.loop.node)]
    followed = {event.node: event for event in inside if event.function is not None}
    yield from _beside(facts, loop.loop.node.body, loop.scope, {number}, {}, followed)
    seen: set[ast.AST] = set()
    for event in followed.values():
        function = event.function
        if function is None or isinstance(function.node, ast.Lambda) or function.node in seen:
            continue
        written = written_in(event)
        names = everywhere | {name for name, (node, _) in written.items() if text_of(node) == number}
        if names:
            seen.add(function.node)
            yield from _beside(facts, function.node.body, scope_in(event, written), names, written, followed)


def _beside(
    facts: Facts, body: list[ast.stmt], scope: Scope, names: set[str], written: Written,
    followed: dict[ast.Call, Event],
) -> Iterator[Use]:  # fmt: skip
    """The number of epochs in the expressions of some statements that also use the epoch's number.

    Args:
        facts: of the program.
        body, scope: the statements.
        names: what the epoch's number is called there.
        written: the arguments of the function the statements stand in, as its call writes them.
        followed: the calls of functions of the project, which are looked into themselves.
    """
    for root in (root for inner in bodies(body) for statement in inner for root in _expressions(statement)):
        parts, passed = list(_parts(root, followed)), _passed(root)
        used = [part for part in parts if isinstance(part, ast.Name)]
        if any(text_of(part) in names for part in parts if isinstance(part, (ast.Name, ast.Attribute))):
            yield from ((part, scope, part in passed) for part in parts if _is_number(facts, part, scope))
            for name in used:
                yield from number_behind(facts, *written.get(name.id, (name, scope)))


def _expressions(statement: ast.stmt) -> list[ast.expr]:
    """The expressions of a statement itself, reports aside."""
    if isinstance(statement, ast.Expr):
        call = statement.value
        called = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
        return [] if called in REPORTS else [call]
    return [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr)]


def _parts(node: ast.AST, followed: dict[ast.Call, Event]) -> Iterator[ast.AST]:
    """The nodes of an expression without what functions of the project are passed: they are looked into themselves."""
    yield node
    if node not in followed:
        for child in ast.iter_child_nodes(node):
            yield from _parts(child, followed)
