"""The assignments that make a loop start anew in every round: at its first epoch, with its counters as they were."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from engine.facts import LoopFact
from engine.facts.source_text import assigned
from engine.facts.values import Literal, value_of
from engine.plan.frame import Frame, bodies
from engine.plan.literals import leaves
from engine.plan.refusals import LOOP_ENDS_FOR_GOOD
from engine.result import Result


def counter_resets(loop: LoopFact, frame: Frame) -> tuple[str, ...] | Result:
    """The assignments that let a ``while`` loop run again: of the names its test and its breaks depend on."""
    node = loop.loop.node
    assert isinstance(node, ast.While)
    inside = [s for body in bodies(node.body) for s in body]
    tests = [node.test, *[s.test for s in inside if isinstance(s, ast.If) and breaks(s)]]
    tested = {ast.unparse(n) for test in tests for n in ast.walk(test) if isinstance(n, (ast.Name, ast.Attribute))}
    changed = {ast.unparse(target) for statement in inside for target in assigned(statement)}
    resets = []
    for name in sorted(tested & changed):
        before = [
            value
            for target, value in assignments(ast.Module(frame.body, []))
            if ast.unparse(target) == name and value.lineno < node.lineno
        ]
        constant = [value for one in before for value in _followed(one, frame, node) if is_constant(value)]
        if not before and name not in ast.unparse(node.test):
            continue  # set anew in every pass
        if not constant:
            return _ends_for_good(loop, frame, name)
        resets.append(f"{name} = {ast.unparse(constant[0])}")
    return tuple(resets)


def start_reset(loop: LoopFact, frame: Frame) -> tuple[str, ...] | Result:
    """The assignment that makes a loop start at its first epoch again, where a checkpoint may have moved it."""
    if loop.kind != "range" or loop.start is None or not isinstance(loop.start.node, (ast.Name, ast.Attribute)):
        return ()
    start = loop.start.node
    name = ast.unparse(start)
    if loop.count is not None and name in {ast.unparse(n) for n in ast.walk(loop.count.node)}:
        return ()  # range(start, start + n) has its n epochs wherever it starts
    values = [value for target, value in assignments(frame.file.tree) if _last(target) == _last(start)]
    changes = [value for value in values if not is_constant(value)]
    if not changes and len(values) <= 1:
        return ()
    constants = [ast.unparse(value) for value in values if is_constant(value)]
    constants += [repr(leaf.option.default) for leaf in leaves(loop.start) if leaf.option is not None]
    known = {v.value for v in value_of(start, loop.start.scope) if isinstance(v, Literal) and isinstance(v.value, int)}
    constants += map(str, known if len(known) == 1 else ())
    if constants:
        return (f"{name} = {constants[0]}",)
    remedy = f"let it run over range(epochs): {name} is for resuming, and a job resumes by its own checkpoints"
    return replace(_ends_for_good(loop, frame, name), remedy=remedy)


def _followed(value: ast.expr, frame: Frame, loop: ast.While) -> list[ast.expr]:
    """A value, or for a name what was assigned to it before the loop: ``start`` in ``step = start``."""
    if not isinstance(value, ast.Name):
        return [value]
    known = assignments(ast.Module(frame.body, []))
    return [given for target, given in known if ast.unparse(target) == value.id and given.lineno < loop.lineno]


def _ends_for_good(loop: LoopFact, frame: Frame, name: str) -> Result:
    """The refusal of a loop that could not run in a second round."""
    return LOOP_ENDS_FOR_GOOD.at(frame.file, loop.place, name)


def is_constant(node: ast.expr) -> bool:
    """True for a literal number or truth value, its sign and infinity included."""
    if isinstance(node, ast.UnaryOp):
        return is_constant(node.operand)
    return isinstance(node, ast.Constant) or ast.unparse(node) in ("float('inf')", "np.inf", "math.inf", "torch.inf")


def breaks(statement: ast.If) -> bool:
    """True for an ``if`` whose body leaves a loop."""
    return any(isinstance(inner, ast.Break) for inner in ast.walk(statement))


def assignments(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Every name or attribute assigned in a tree with its value, unpackings included, in the order of the source."""
    statements = [s for s in ast.walk(tree) if isinstance(s, (ast.Assign, ast.AnnAssign)) and s.value is not None]
    for statement in sorted(statements, key=lambda s: s.lineno):
        assert statement.value is not None
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            unpacks = isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
            pairs = zip(target.elts, statement.value.elts, strict=False) if unpacks else [(target, statement.value)]
            yield from ((part, value) for part, value in pairs if isinstance(part, (ast.Name, ast.Attribute)))


def _last(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return ast.unparse(node).rpartition(".")[2]
