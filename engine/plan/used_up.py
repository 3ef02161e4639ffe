"""Iterators that are made before the epoch loop: the first round uses them up, and later ones train on nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.source_text import assigned, contains, expression, text_of
from engine.facts.trace import leads_through
from engine.facts.values import Function, Object, Scope, Value, options
from engine.plan.frame import Frame
from engine.plan.refusals import ITERATOR_USED_UP
from engine.result import Result

GONE_THROUGH_ONCE = {
    "builtins.iter", "builtins.zip", "builtins.map", "builtins.filter", "builtins.enumerate", "builtins.reversed",
    "builtins.generator", "itertools.islice", "itertools.chain", "itertools.starmap", "itertools.takewhile",
}  # fmt: skip
SHOWS_PROGRESS = ("tqdm", "rich.progress", "builtins.enumerate")
NEVER_ENDS = ("itertools.cycle", "itertools.count", "itertools.repeat")
DEEPEST = 6


def used_up(facts: Facts, frame: Frame) -> Result | None:
    """The refusal of a program whose rounds go on with an iterator that an earlier round has used up.

    Args:
        facts: of the program.
        frame: what becomes a round.
    """
    inside = [frame.node, *_called_in(facts, frame)]
    set_anew = _set_anew(inside)
    for node, scope, value in _gone_through(facts, frame):
        if {text_of(part) for part in ast.walk(node)} & set_anew:
            continue
        for made in _iterators(value):
            if not _made_in(facts, frame, made) and not _never_ends(facts, made):
                text = expression(node, scope).text
                return ITERATOR_USED_UP.at(scope.file, scope.file.place(node), f"{text}, made at {made.place},")
    return None


def _gone_through(facts: Facts, frame: Frame) -> Iterator[tuple[ast.expr, Scope, Value | None]]:
    """What the loops of a round run over, and what ``next`` takes from, where it stands."""
    for loop, path in facts.trace.loops:
        within = loop.node is frame.node or leads_through(path, frame.node)
        if within and isinstance(loop.node, (ast.For, ast.AsyncFor)):
            yield loop.node.iter, loop.scope, loop.iterable
    for event in facts.trace.named("builtins.next"):
        if event.within_node(frame.node) and len(event.args) == 1:
            yield event.node.args[0], event.scope, event.args[0]


def _called_in(facts: Facts, frame: Frame) -> list[ast.AST]:
    """The functions of the project that a round calls."""
    called = (event.function for event in facts.trace.events if event.within_node(frame.node))
    return list({id(one.node): one.node for one in called if isinstance(one, Function)}.values())


def _set_anew(nodes: list[ast.AST]) -> set[str]:
    """The names and attributes that some code gives another value, not made of the one they had."""
    statements = [one for node in nodes for one in ast.walk(node) if isinstance(one, ast.Assign)]
    changed = [(text_of(target), one.value) for one in statements for target in assigned(one)]
    return {name for name, value in changed if name not in {text_of(part) for part in ast.walk(value)}}


def _iterators(value: Value | None, depth: int = 0) -> Iterator[Object]:
    """The iterators that a value is, or takes its elements from, those that can be gone through only once."""
    for one in options(value) if depth < DEEPEST else ():
        if isinstance(one, Object):
            if one.kind in GONE_THROUGH_ONCE:
                yield one
            if one.kind in GONE_THROUGH_ONCE or one.kind.startswith(SHOWS_PROGRESS):
                for argument in one.args:
                    yield from _iterators(argument, depth + 1)


def _made_in(facts: Facts, frame: Frame, made: Object) -> bool:
    """True for what every round makes anew."""
    return facts.trace.events[made.event].within_node(frame.node) or contains(frame.node, made.node)


def _never_ends(facts: Facts, value: Value, depth: int = 0) -> bool:
    """True for what may go on for ever: ``itertools.cycle``, a generator with ``while True``, its own sampler."""
    if not isinstance(value, Object) or depth > DEEPEST:
        return False
    if value.kind in NEVER_ENDS:
        return True
    function = facts.trace.events[value.event].function
    if value.kind == "builtins.generator" and isinstance(value.node, ast.Call) and function is not None:
        return _loops_for_ever(function.node)
    if value.short_kind == "DataLoader":
        sampled = [part for name in ("sampler", "batch_sampler") for part in options(value.kwargs.get(name))]
        data = options(value.argument(0, "dataset"))
        own = [one for one in (*sampled, *data) if isinstance(one, Object) and one.cls is not None]
        return any(one in sampled or one.cls.derives_from("torch.utils.data.IterableDataset") for one in own if one.cls)
    ends = [not any(_never_ends(facts, one, depth + 1) for one in options(argument)) for argument in value.args]
    if value.kind == "builtins.zip":
        return bool(ends) and not any(ends)
    given = ends[1:] if value.kind == "builtins.map" else ends[:1]
    return value.kind in GONE_THROUGH_ONCE and value.kind != "itertools.islice" and not all(given)


def _loops_for_ever(function: ast.AST) -> bool:
    """True for a generator with ``while True``, or that goes through something without an end."""
    for node in ast.walk(function):
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
            return True
        if isinstance(node, ast.Call) and text_of(node.func).rpartition(".")[2] in ("cycle", "count", "repeat"):
            return True
    return False
