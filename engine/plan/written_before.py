"""What names, attributes, parameters and calls stand for, as it was written before."""

from __future__ import annotations

import ast

from engine.facts import Facts
from engine.facts.source_text import defaults_of, parameters_in, positional_parameters, text_of
from engine.facts.values import Object, Scope, value_of
from engine.plan.frame import bodies, body_of
from engine.plan.passed import arguments_written, given_before


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
