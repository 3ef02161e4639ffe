"""What ends an epoch loop before its last epoch: a number of steps, or a flag. Each starts anew in every round, or
later rounds would train nothing; where it is not known how it starts, that is told."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts import Facts, LoopFact
from engine.facts.source_text import assigned, text_of
from engine.facts.trace import Branch
from engine.plan.frame import Frame
from engine.plan.loop_start import assignments, breaks, is_constant
from engine.plan.schedules import rate_expressions
from engine.result import Place

LOOPS = (ast.For, ast.AsyncFor, ast.While)
REACHED = (ast.GtE, ast.Gt, ast.Eq)


def limit_resets(facts: Facts, frame: Frame) -> tuple[str, ...]:
    """The assignments that let a loop over epochs run again that ends at a number of steps, or by a flag; those of
    which it is known how they start."""
    resets = []
    for name in _step_limits(facts, frame):
        known = [value for target, value in assignments(frame.file.tree) if ast.unparse(target) == name]
        resets += [f"{name} = {ast.unparse(value)}" for value in known if is_constant(value)][:1]
    return tuple(resets)


def limits_over_all_rounds(loop: LoopFact, frame: Frame) -> Iterator[tuple[str, Place]]:
    """Counters that only ever grow in a loop over epochs, each with the place where it ends the loop at a limit."""
    if loop.kind == "while":
        return
    nodes = list(ast.walk(loop.loop.node))
    grown = {ast.unparse(n.target) for n in nodes if isinstance(n, ast.AugAssign) and is_constant(n.value)}
    set_anew = {ast.unparse(target) for target, _ in assignments(loop.loop.node)}
    for node in nodes:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and breaks(node):
            for name in sorted({ast.unparse(part) for part in ast.walk(node.test)} & grown - set_anew):
                yield name, frame.file.place(node)


def _step_limits(facts: Facts, frame: Frame) -> list[str]:
    """The names that count up with every batch or epoch, and the flags, that make the loop end.

    What is counted up under a condition only, such as the epochs without progress, is not meant, nor what a learning
    rate is computed from: it goes on.

    Args:
        facts: of the program.
        frame: what becomes a round; nothing is found where that is not the epoch loop itself.
    """
    if not frame.is_loop or not isinstance(frame.node, ast.For):
        return []
    tests = list(_leaving_tests(facts, frame))
    set_to = [
        (text_of(part), node.value)
        for node in ast.walk(frame.node)
        if isinstance(node, ast.Assign)
        for part in assigned(node)
    ]
    rates = {text_of(part) for rate in rate_expressions(frame.node.body) for part in ast.walk(rate)}
    counted = set(_counted_up(frame.node.body)) - {name for name, _ in set_to} - rates
    raised = {name for name, value in set_to if isinstance(value, ast.Constant) and value.value is True}
    limits = [text_of(side) for test in tests for side in _reached(test) if text_of(side) in counted]
    flags = [text_of(test) for test in tests if text_of(test) in raised]
    return list(dict.fromkeys([*limits, *flags]))


def _counted_up(body: list[ast.stmt]) -> Iterator[str]:
    """The names that every pass adds to."""
    for statement in body:
        if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
            yield from map(text_of, assigned(statement))
        elif isinstance(statement, (*LOOPS, ast.With)):
            yield from _counted_up(statement.body)


def _leaving_tests(facts: Facts, frame: Frame) -> Iterator[ast.expr]:
    """The tests that decide by default whether a loop of the round is left."""
    for statement, _, path in facts.trace.exits:
        nodes = [getattr(entry, "node", None) for entry in path]
        if not isinstance(statement, (ast.Break, ast.Return)) or frame.node not in nodes:
            continue
        branches = [entry for entry in path[nodes.index(frame.node) :] if isinstance(entry, Branch)]
        if not any(branch.default is False for branch in branches):
            yield from (branch.node.test for branch in branches if isinstance(branch.node, ast.If) and branch.taken)


def _reached(test: ast.expr) -> Iterator[ast.expr]:
    """What a test compares with a limit: ``step`` in ``step >= steps``."""
    for part in ast.walk(test):
        if isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.ops[0], REACHED):
            yield part.left
