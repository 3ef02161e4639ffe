"""The epoch's number goes on over the rounds where training depends on it."""

from __future__ import annotations

import ast
import copy

from engine.edit import Insert
from engine.facts import Facts
from engine.facts.source_text import text_of
from engine.plan.epoch_number import epoch_number_matters
from engine.plan.frame import Frame
from engine.plan.names import Names
from engine.plan.settings import Setting


def epoch_shift(facts: Facts, frame: Frame, names: Names, epochs: Setting | None) -> tuple[Insert, ...]:
    """Where training depends on the epoch's number: a line that makes the number go on over the rounds."""
    loop = facts.loop
    if loop is None or loop.kind != "range" or loop.count is None:
        return ()
    node = loop.loop.node
    if not isinstance(node, ast.For) or not isinstance(node.target, (ast.Name, ast.Attribute)) or not frame.is_loop:
        return ()
    variable = ast.unparse(node.target)
    if not epoch_number_matters(facts, node, variable):
        return ()
    start = loop.start.node if loop.start is not None else ast.Constant(0)
    length = _difference(loop.count.node, start)
    text = ast.unparse(_Read(frame, epochs).visit(copy.deepcopy(length)))
    text = text if isinstance(length, (ast.Name, ast.Attribute, ast.Constant, ast.Subscript)) else f"({text})"
    line = f"{variable} += {names.received}.current_round * {text}  # the epoch's number goes on over the rounds\n"
    return (Insert(frame.file.place(node.body[0]), line),)


def number_restarts(facts: Facts) -> bool:
    """True for a loop that counts its epochs by a number that training depends on: where that does not go on over the
    rounds, each begins with the first."""
    loop = facts.loop
    if loop is None or loop.kind not in ("range", "countdown", "count") or not isinstance(loop.loop.node, ast.For):
        return False
    node = loop.loop.node
    numbers = [part for part in ast.walk(node.target) if isinstance(getattr(part, "ctx", None), ast.Store)]
    return any(epoch_number_matters(facts, node, text_of(number)) for number in numbers)


class _Read(ast.NodeTransformer):
    """Reads the option that sets the local epochs where the source has their number as a literal."""

    def __init__(self, frame: Frame, epochs: Setting | None) -> None:
        self.frame, self.epochs = frame, epochs

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        literal = self.epochs.literal if self.epochs is not None and self.epochs.reader else None
        here = hasattr(node, "lineno") and literal is not None and self.frame.file.place(node) == literal.place
        return ast.parse(self.epochs.reader, mode="eval").body if here else node


def _difference(stop: ast.AST, start: ast.AST) -> ast.AST:
    """The number of epochs between two expressions: ``n`` for ``n + 1`` and ``1``."""
    if isinstance(start, ast.Constant) and start.value == 0:
        return stop
    if isinstance(stop, ast.BinOp) and isinstance(stop.op, ast.Add):
        for one, other in ((stop.left, stop.right), (stop.right, stop.left)):
            if ast.unparse(other) == ast.unparse(start):
                return one
    return ast.BinOp(stop, ast.Sub(), start)
