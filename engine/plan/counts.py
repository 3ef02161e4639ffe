"""What a script counts by itself and divides by the number of epochs: the count goes on over the rounds."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from engine.edit import Replace
from engine.facts import Facts
from engine.facts.source_text import assigned, text_of
from engine.facts.values import Scope
from engine.plan.decision import Decision
from engine.plan.epoch_uses import expressions_of, number_behind, number_in
from engine.plan.frame import Frame, bodies
from engine.plan.loop_start import is_constant
from engine.plan.passed import scope_in
from engine.result import Place

Statement = tuple[ast.stmt, Scope]


def decide_counts(
    facts: Facts, frame: Frame, resets: Collection[str], edits: Collection[Replace]
) -> Iterator[Decision]:
    """What is told of quotients that reach their end in the first round, such as ``step / (epochs * len(loader))``.

    Args:
        facts: of the program.
        frame: what becomes a round; a function that does starts its counts anew by itself.
        resets: the assignments that are repeated at the start of a round.
        edits: the expressions that are stretched over all rounds.
    """
    stretched = {edit.place for edit in edits}
    statements = list(_in_the_loop(facts)) if frame.is_loop else []
    counters = _counters(statements) - {reset.partition(" = ")[0] for reset in resets}
    for statement, scope in statements:
        grows = _reads_itself(statement)
        for part in (part for root in expressions_of(statement) for part in ast.walk(root)):
            if not isinstance(part, ast.BinOp) or not isinstance(part.op, ast.Div):
                continue
            counted = {text_of(node) for node in ast.walk(part.left)} & counters
            used = set(_numbers(facts, part.right, scope)) if counted or grows and is_constant(part.left) else set()
            if used and not used & stretched:
                yield Decision(
                    "epoch numbers",
                    f"{text_of(part)} at {scope.file.place(part)} comes to its end with the epochs of the first round",
                    "multiply the number of epochs in client.py by that of the rounds",
                    ("P2",),
                )


def _in_the_loop(facts: Facts) -> Iterator[Statement]:
    """The statements of the epoch loop and of the functions that it calls, each with its scope."""
    loop = facts.loop
    if loop is None or not isinstance(loop.loop.node, ast.For):
        return
    yield from ((statement, loop.scope) for inner in bodies(loop.loop.node.body) for statement in inner)
    inside = [event for event in facts.trace.events if event.function is not None and event.within_node(loop.loop.node)]
    for function, event in {event.function.node: event for event in inside}.items():
        if not isinstance(function, ast.Lambda) and function.name != "__init__":
            scope = scope_in(event)
            yield from ((statement, scope) for inner in bodies(function.body) for statement in inner)


def _counters(statements: list[Statement]) -> set[str]:
    """The names and attributes that some statements only ever add a number to."""
    changes = [(text_of(target), statement) for statement, _ in statements for target in assigned(statement)]
    added = {name for name, s in changes if isinstance(s, ast.AugAssign) and is_constant(s.value)}
    return added - {name for name, s in changes if not isinstance(s, ast.AugAssign)}


def _reads_itself(statement: ast.stmt) -> bool:
    """True for an assignment that goes on from the value before: ``beta = min(1, beta + 1 / epochs)``."""
    if isinstance(statement, ast.AugAssign):
        return True
    targets = {text_of(target) for target in assigned(statement)}
    value = statement.value if isinstance(statement, ast.Assign) else None
    return value is not None and bool(targets & {text_of(part) for part in ast.walk(value)})


def _numbers(facts: Facts, node: ast.expr, scope: Scope) -> Iterator[Place]:
    """Where the number of epochs stands in an expression, or behind it."""
    behind = (use for part in ast.walk(node) for use in number_behind(facts, part, scope))
    yield from (holder.file.place(one) for one, holder, _ in (*number_in(facts, node, scope), *behind))
