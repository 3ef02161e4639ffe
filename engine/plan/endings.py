"""A ``return`` from inside the epoch loop ends a round as ``break`` does, so that the round still sends its result. An
exception of the script's own that is caught only after the loop would end them all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from engine.edit import Edit, Insert, ReplaceStatement
from engine.facts import Facts
from engine.facts.source_text import LOOPS, NESTED, contains, own_nodes, text_of
from engine.plan.frame import Frame, body_of
from engine.plan.kept_values import code_of_round
from engine.plan.refusals import RAISE_IN_LOOP
from engine.result import Result


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


def raised_past(facts: Facts, frame: Frame) -> Result | None:
    """The refusal of an exception that a round raises and that is caught only around the epoch loop. None where there
    is none."""
    loop = facts.loop
    assert loop is not None
    around = [(frame.statements[0], frame.scope)]
    around += [(call.statement, call.caller) for call in loop.calls if call.statement is not None]
    outside = [(scope, one) for inner, scope in around for one in _tries(body_of(scope)) if _tried(one, inner)]
    for part in code_of_round(facts, frame):
        for statement in (one for one in own_nodes(part.body) if isinstance(one, ast.Raise) and one.exc is not None):
            raised = _name(statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc)
            if any(_catches(one, raised) for one in _tries(part.body) if _tried(one, statement)):
                continue
            for scope, one in outside:
                if _catches(one, raised):
                    file = part.scope.file
                    return RAISE_IN_LOOP.at(file, file.place(statement), str(scope.file.place(one.handlers[0])))
    return None


def _tries(body: list[ast.stmt]) -> Iterator[ast.Try]:
    """The ``try`` statements among some statements."""
    return (node for node in own_nodes(body) if isinstance(node, ast.Try))


def _tried(statement: ast.Try, inner: ast.stmt) -> bool:
    """True for what a ``try`` guards."""
    return any(contains(one, inner) for one in statement.body)


def _catches(statement: ast.Try, raised: str) -> bool:
    """True for a ``try`` that catches an exception by its own name."""
    caught = [handler.type for handler in statement.handlers if handler.type is not None]
    names = [part for one in caught for part in (one.elts if isinstance(one, ast.Tuple) else [one])]
    return raised in map(_name, names)


def _name(node: ast.expr) -> str:
    """The last name of an exception."""
    return text_of(node).rpartition(".")[2]
