"""What ends an epoch loop before its last epoch: a number of steps, or a flag. Each starts anew in every round, or
later rounds would train nothing; where it is not known how it starts, that is told. Where a learning rate goes by the
number, it counts on, and its limit moves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.edit import Replace
from engine.facts import Facts, LoopFact
from engine.facts.source_text import LOOPS, assigned, names_bound, names_read, text_of
from engine.facts.trace import Branch, Call, path_inside
from engine.plan.frame import Frame
from engine.plan.horizons import rate_expressions
from engine.plan.loop_start import assignments, breaks, is_constant
from engine.plan.names import Names
from engine.result import Place

TIME = re.compile(r"\b(time|perf_counter|monotonic|now)\(\)")
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


def moving_limits(facts: Facts, frame: Frame) -> dict[ast.expr, str]:
    """The limits, as expressions, that end the loop when a number reaches them by which a learning rate goes, so that
    it counts on over the rounds; each with that number."""
    if not frame.is_loop or not isinstance(frame.node, ast.For):
        return {}
    counted = _only_grows(frame.node) & _in_rates(frame.node)
    tests = [test for part in _leaving_tests(facts, frame) for test in _reached(part)]
    return {test.comparators[0]: text_of(test.left) for test in tests if text_of(test.left) in counted}


def moved(limit: ast.expr, frame: Frame, names: Names) -> Replace:
    """A limit as it is in a round, where the steps of all rounds are counted."""
    atom = isinstance(limit, (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript))
    text = f"{'{}' if atom else '({})'} * ({names.received}.current_round + 1)"
    return Replace(frame.file.place(limit), frame.file.end(limit), text)


def time_limits(frame: Frame) -> Iterator[Place]:
    """Where the loop ends because of the time since something before it."""
    bound = names_bound(frame.node)
    for node in ast.walk(frame.node):
        if isinstance(node, ast.If) and breaks(node) and TIME.search(text_of(node.test)):
            called = {"time", "datetime", "perf_counter", "monotonic"}
            if names_read(node.test) & frame.bound_outside - bound - called:
                yield frame.file.place(node)


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
    raised = {name for name, value in _set_to(frame.node) if isinstance(value, ast.Constant) and value.value is True}
    counted = _only_grows(frame.node) - _in_rates(frame.node)
    limits = [text_of(test.left) for part in tests for test in _reached(part) if text_of(test.left) in counted]
    flags = [text_of(test) for test in tests if text_of(test) in raised]
    return list(dict.fromkeys([*limits, *flags]))


def _set_to(loop: ast.For) -> list[tuple[str, ast.expr]]:
    """What a loop sets anew, with the values."""
    nodes = [node for node in ast.walk(loop) if isinstance(node, ast.Assign) and not _grown(node)]
    return [(text_of(part), node.value) for node in nodes for part in assigned(node)]


def _only_grows(loop: ast.For) -> set[str]:
    """The names that every pass of a loop adds to and nothing in it sets anew."""
    return set(_counted_up(loop.body)) - {name for name, _ in _set_to(loop)}


def _in_rates(loop: ast.For) -> set[str]:
    """What the learning rates that a loop sets are computed from."""
    return {text_of(part) for rate in rate_expressions(loop.body) for part in ast.walk(rate)}


def _grown(statement: ast.AST) -> str:
    """The name that a statement adds something to: ``n += 1`` or ``n = n + 1``; empty for any other."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        return text_of(statement.target)
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        name, value = text_of(statement.targets[0]), statement.value
        return name if isinstance(value.op, ast.Add) and name in (text_of(value.left), text_of(value.right)) else ""
    return ""


def _counted_up(body: list[ast.stmt]) -> Iterator[str]:
    """The names that every pass adds to."""
    for statement in body:
        if _grown(statement):
            yield _grown(statement)
        elif isinstance(statement, (*LOOPS, ast.With)):
            yield from _counted_up(statement.body)


def _leaving_tests(facts: Facts, frame: Frame) -> Iterator[ast.expr]:
    """The tests that decide by default whether a loop of the round is left."""
    for statement, _, path in facts.trace.exits:
        inside = path_inside(path, frame.node)
        if not isinstance(statement, (ast.Break, ast.Return)) or any(isinstance(entry, Call) for entry in inside):
            continue  # it leaves a function that the loop calls
        branches = [entry for entry in inside if isinstance(entry, Branch)]
        if not any(branch.default is False for branch in branches):
            yield from (branch.node.test for branch in branches if isinstance(branch.node, ast.If) and branch.taken)


def _reached(test: ast.expr) -> Iterator[ast.Compare]:
    """The comparisons with a limit in a test: ``step >= steps``."""
    for part in ast.walk(test):
        if isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.ops[0], REACHED):
            yield part
