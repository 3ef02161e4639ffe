"""Where the number of epochs is used besides the header of the epoch loop."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import TypeGuard

from engine.facts import Facts
from engine.facts.source_text import breaks, defaults_of, parameters_in, positional_parameters, text_of
from engine.facts.trace import Event
from engine.facts.values import Object, Scope, Unknown, Value, plain, value_of
from engine.plan.epoch_number import is_report, reaches_training
from engine.plan.frame import bodies, body_of
from engine.plan.literals import is_same, leaves
from engine.plan.passed import arguments_written, given_before, written_in

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


def set_from(facts: Facts, node: ast.Name | ast.Attribute | ast.Call, scope: Scope) -> list[tuple[ast.expr, Scope]]:
    """The one expression that a name or an attribute was set to, what a parameter is given, or what a function of the
    project returns, each with its scope; nothing where several things may be meant."""
    if isinstance(node, ast.Call):
        return _returned(facts, node)
    holder, values = set_to(node, scope)
    if holder is not None and values:
        return [(values[0], holder)] if len(values) == 1 else []
    if isinstance(node, ast.Name):
        return _given(facts, node.id, holder) if holder is not None else []
    return _set_by_methods(facts, node, scope)


def set_to(node: ast.Name | ast.Attribute, scope: Scope) -> tuple[Scope | None, list[ast.expr]]:
    """The scope that a name belongs to, and the values that it, or the attribute of it, is set to there."""
    base = node
    while isinstance(base, ast.Attribute):
        base = base.value
    name = base.id if isinstance(base, ast.Name) else ""
    holder = next((one for one in scope.chain() if name in one.variables), None)
    return holder, _assigned(body_of(holder), text_of(node)) if holder is not None else []


def _assigned(body: list[ast.stmt], target: str) -> list[ast.expr]:
    """What a name or an attribute is set to in some statements."""
    assignments = [s for inner in bodies(body) for s in inner if isinstance(s, ast.Assign) and len(s.targets) == 1]
    pairs = [pair for assignment in assignments for pair in _pairs(assignment.targets[0], assignment.value)]
    return [value for one, value in pairs if text_of(one) == target]


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """What is assigned to what, element by element where tuples are."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _set_by_methods(facts: Facts, node: ast.Attribute, scope: Scope) -> list[tuple[ast.expr, Scope]]:
    """What the methods of an object set an attribute of it to; nothing where they do it in several places."""
    owners = value_of(node.value, scope)
    found: dict[ast.expr, Scope] = {}
    for call in facts.trace.calls:
        own = positional_parameters(call.function.node)[:1] if any(call.receiver is one for one in owners) else []
        for value in _assigned(call.function.node.body, f"{own[0]}.{node.attr}") if own else []:
            found.setdefault(value, call.scope)
    return list(found.items()) if len(found) == 1 else []


def _returned(facts: Facts, node: ast.Call) -> list[tuple[ast.expr, Scope]]:
    """What a function of the project returns to a call."""
    call = next((one for one in facts.trace.calls if one.node is node), None)
    if call is None or call.function.name == "__init__":
        return []
    if isinstance(call.function.node, ast.Lambda):
        return [(call.function.node.body, call.scope)]
    statements = [statement for inner in bodies(call.function.node.body) for statement in inner]
    return [(one.value, call.scope) for one in statements if isinstance(one, ast.Return) and one.value is not None]


def _given(facts: Facts, parameter: str, holder: Scope) -> list[tuple[ast.expr, Scope]]:
    """What the call of a function gives as a parameter, as it is written there; what it unpacks, or what ``partial``
    gave before, where the parameter is among that."""
    call = next((one for one in facts.trace.calls if one.scope is holder), None)
    if call is None or not isinstance(call.node, ast.Call) or isinstance(call.function.node, ast.Lambda):
        return []
    event = next((one for one in facts.trace.events if one.node is call.node and one.function is not None), None)
    given = arguments_written(call.function, call.node, given_before(event) if event is not None else 0)
    if parameter in given and not isinstance(given[parameter], ast.Starred):
        return [(given[parameter], call.caller)]
    if parameter not in parameters_in(call.function.node) - defaults_of(call.function.node).keys():
        return []
    unpacked = [one.value for one in call.node.args if isinstance(one, ast.Starred)]
    unpacked += [one.value for one in call.node.keywords if one.arg is None]
    partials = [one for one in value_of(call.node.func, call.caller) if isinstance(one, Object)]
    before = [(given, one.scope) for one in partials for given in _arguments(one.node) if one.scope is not None]
    return [*[(one, call.caller) for one in unpacked], *before]


def _arguments(call: ast.AST | None) -> list[ast.expr]:
    """What a call is given."""
    return [*call.args, *[one.value for one in call.keywords]] if isinstance(call, ast.Call) else []


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
