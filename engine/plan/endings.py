"""A ``return`` from inside the epoch loop ends a round as ``break`` does, so that the round still sends its result."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from engine.edit import Edit, Insert, ReplaceStatement
from engine.facts.source_text import LOOPS, NESTED
from engine.plan.frame import Frame


@dataclass(frozen=True)
class Ending:
    """A ``return`` from inside the epoch loop.

    Attributes:
        statement: the return.
        loops: the loops inside the epoch loop that it stands in.
    """

    statement: ast.Return
    loops: tuple[ast.stmt, ...] = ()


def returns_in(frame: Frame) -> list[Ending]:
    """The returns inside the epoch loop that leave the function around it."""
    return list(_returns(frame.node, ())) if frame.is_loop else []


def _returns(node: ast.AST, loops: tuple[ast.stmt, ...]) -> Iterator[Ending]:
    """The returns inside a statement, nested functions aside."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield Ending(child, loops)
        elif not isinstance(child, NESTED):
            yield from _returns(child, (*loops, child) if isinstance(child, LOOPS) else loops)


def in_the_way(frame: Frame, endings: list[Ending]) -> ast.Return | None:
    """A return that says something else than the function's last statement, which runs after the last round; None
    where they agree."""
    last = frame.body[-1]
    final = ast.unparse(last) if isinstance(last, ast.Return) else "return"
    if isinstance(frame.node, LOOPS) and frame.node.orelse:
        return endings[0].statement if endings else None
    return next((one.statement for one in endings if ast.unparse(one.statement) != final), None)


def edits_of(frame: Frame, endings: list[Ending], flag: str) -> Iterator[Edit]:
    """The edits that leave the epoch loop in place of the function.

    Args:
        frame: where a round is trained.
        endings: the returns.
        flag: the name of the variable that tells the loops around an inner one to end as well.
    """
    left: list[ast.stmt] = []
    for ending in endings:
        place = frame.file.place(ending.statement)
        set_flag = f"{flag} = True\n" if ending.loops else ""
        yield ReplaceStatement(place, f"{set_flag}break\n")
        left += [loop for loop in ending.loops if loop not in left]
    for loop in left:
        yield Insert(frame.file.place(loop), f"if {flag}:\n    break\n", after=True)
