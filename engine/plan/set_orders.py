"""What comes in the order of a set, which differs from process to process, and so from site to site."""

from __future__ import annotations

import ast

from engine.facts import Facts
from engine.facts.source_text import text_of
from engine.facts.values import Scope
from engine.plan.frame import bodies
from engine.plan.written_before import set_from
from engine.result import Place

WITHOUT_ORDER = ("sorted", "len", "sum", "min", "max", "any", "all", "isin")
NUMBERS = ("range", "arange", "randperm", "permutation", "enumerate", "len", "nonzero", "where")
"""What gives numbers: a set of them has the same order in every process."""


def set_behind(facts: Facts, node: ast.AST, scope: Scope, depth: int = 6) -> Place | None:
    """Where a set is made in whose order comes what an expression is, as in ``list(set(names) - held_out)``; None for
    any other order.

    Python gives texts another hash in every process (``PYTHONHASHSEED``).
    """
    called = _called(node)
    if not depth or called in WITHOUT_ORDER:
        return None
    if called in ("set", "frozenset") or isinstance(node, ast.SetComp):
        return None if _has_numbers(facts, node, scope) else scope.file.place(node)
    if isinstance(node, ast.BinOp) and any(_has_numbers(facts, one, scope) for one in (node.left, node.right)):
        return None  # a set of numbers without another, or numbers that are computed
    found = [set_behind(facts, part, scope, depth) for part in ast.iter_child_nodes(node)]
    if isinstance(node, (ast.Name, ast.Attribute, ast.Call)):
        values = [*set_from(facts, node, scope), *_set_in_constructor(facts, node)]
        found += [set_behind(facts, value, holder, depth - 1) for value, holder in values]
    return next((place for place in found if place is not None), None)


def _set_in_constructor(facts: Facts, node: ast.AST) -> list[tuple[ast.expr, Scope]]:
    """What the constructor of an object of the project sets, each with its scope."""
    built = [call for call in facts.trace.calls if call.node is node and call.function.name == "__init__"]
    statements = [(s, call.scope) for call in built[:1] for inner in bodies(call.function.node.body) for s in inner]
    return [(statement.value, scope) for statement, scope in statements if isinstance(statement, ast.Assign)]


def _has_numbers(facts: Facts, node: ast.AST, scope: Scope, depth: int = 3) -> bool:
    """True for what is made of numbers: ``set(range(n))``."""
    for part in ast.walk(node):
        if _called(part) in NUMBERS:
            return True
        if depth and isinstance(part, (ast.Name, ast.Attribute)):
            if any(_has_numbers(facts, value, holder, depth - 1) for value, holder in set_from(facts, part, scope)):
                return True
    return False


def _called(node: ast.AST) -> str:
    """The last name of what a call calls; empty for anything else."""
    return text_of(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
