"""How a program in NumPy measures its arrays: by the functions it hands them to, beside the updates."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts.array_flow import carried, outer_names
from engine.facts.arrays import ArrayTraining
from engine.facts.evaluation import rank
from engine.facts.metrics import returned_metrics
from engine.facts.printed_metrics import names_given
from engine.facts.program import EvaluationFact
from engine.facts.source_text import contains, expression, names_in
from engine.facts.trace import Event, Trace

RANDOM = ("random.", "numpy.random.")


def array_evaluations(trace: Trace, training: ArrayTraining) -> tuple[EvaluationFact, ...]:
    """The evaluations: calls of the project's functions with the arrays, which no update depends on; the nearest first.

    One that draws random numbers is left out: it would leave the training's stream elsewhere.
    """
    assert training.arrays is not None
    names = {array.name for array in training.arrays.arrays}
    training_nodes = {node for flow in training.needed for node in _own_expressions(flow.node)}
    found = []
    for event in _calls_with(trace, training, names):
        disturbs = training.slots.changed_in(event.node) & carried(list(training.flows))
        if event.node in training_nodes or disturbs or _draws(trace, event):
            continue
        fact = _evaluation(event, training)
        if fact.metrics:
            found.append(fact)
    nearest = {fact.call.text: fact for fact in sorted(found, key=rank, reverse=True) if fact.call}
    return tuple(sorted(nearest.values(), key=rank))


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement; of a compound one those of its header."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt):
            yield from ast.walk(child)


def _calls_with(trace: Trace, training: ArrayTraining, names: set[str]) -> Iterator[Event]:
    """The outermost calls, where the loop stands, of functions that get some arrays, or read them from the module."""
    inside: set[ast.AST] = set()
    scope = training.loop.epoch.scope
    events = [e for e in trace.events if e.function is not None and e.scope is scope]
    for event in sorted(events, key=lambda e: -len(list(ast.walk(e.node)))):
        seen = training.slots.seen(event.node)
        given = names_in(seen) | training.slots.read_in(event.node)
        if event.node not in inside and (given | outer_names(event.function.node)) & names:
            inside |= set(ast.walk(event.node)) - {event.node}
            yield event


def _draws(trace: Trace, event: Event) -> bool:
    """True where a call comes to a random generator."""
    return any(
        e.name.startswith(RANDOM) or "random" in getattr(e.receiver, "kind", "")
        for e in trace.events
        if e.within_node(event.node) or contains(event.node, e.node)
    )


def _evaluation(event: Event, training: ArrayTraining) -> EvaluationFact:
    """The fact of one call."""
    function = event.function
    returns, metrics = returned_metrics(function.node, names_given(event.statement, event.node))
    return EvaluationFact(
        function=function.readable_name,
        definition=function.file.place(function.node),
        call=expression(event.node, event.scope),
        where=_where(event, training),
        returns=returns,
        metrics=metrics,
        call_event=event,
    )


def _where(event: Event, training: ArrayTraining) -> str:
    """Where a call stands with respect to the epoch loop."""
    loop = training.loop
    if loop.batch is not None and event.within_node(loop.batch.node):
        return "batch_loop"
    if event.within_node(loop.epoch.node):
        return "loop"
    return "before" if event.place < loop.epoch.place else "after"
