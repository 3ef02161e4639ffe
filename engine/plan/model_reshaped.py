"""Layers that the model is given after it was built, by functions that it is handed to: adapters, a head, norms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.facts import Facts
from engine.facts.first_weights import reparametrises
from engine.facts.models import belongs, wrapped_model
from engine.facts.program import ModelFact
from engine.facts.source_text import contains, expression, names_in, ties
from engine.facts.trace import Call, Entry, Event, is_default
from engine.facts.values import Object, Scope, Value, objects, options
from engine.plan.model_by_function import after_construction
from engine.result import Place

ADDS = (".add_module", ".register_module")


@dataclass(frozen=True)
class Reshaping:
    """Where layers of a model are set, added or given other parameters.

    Attributes:
        statement, scope, path: where that stands: the statement, its scope, the loops, calls and branches around it.
        target: what is changed, as far as that is known.
    """

    statement: ast.stmt
    scope: Scope
    path: tuple[Entry, ...]
    target: Value | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.scope.file.place(self.statement)


def reshaping_statements(facts: Facts, model: ModelFact) -> list[ast.stmt]:
    """The statements after the model's construction, beside it, that hand it to functions which reshape it."""
    found = list(_reshapings(facts, model))
    roots = {name.partition(".")[0] for name in model.value.names}
    around = [facts.loop.loop.node, *(call.statement for call in facts.loop.calls)] if facts.loop else []
    return [
        statement
        for statement in after_construction(model)
        if names_in(statement) & roots
        and not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
        and not any(contains(statement, part) for part in around)
        and any(_under(one, statement) for one in found)
    ]


def reshaped_elsewhere(facts: Facts, model: ModelFact, statements: list[ast.stmt]) -> Place | None:
    """Where the model is reshaped, but by some statements and by the function that builds it; None where it is not."""
    for one in _reshapings(facts, model):
        calls = [entry for entry in one.path if isinstance(entry, Call)]
        around = any(_wraps(call.node, model.construction.node) for call in calls)
        certain = one.target is not None and any(belongs(part, model.value) for part in objects(one.target))
        built = model.construction
        builds = any(call.scope is built.scope or call.node is built.node for call in calls)
        if around or certain and calls and not builds and not any(_under(one, s) for s in statements):
            return one.place
    return None


def built_by_calls(facts: Facts, model: ModelFact) -> Iterator[ModelFact]:
    """The same model, built by the calls around its construction that give it back, innermost first: those of the
    functions that construct it (``build()``), and those that are given it (``add_adapters(Net())``)."""
    inside = {id(entry.node) for entry in facts.trace.events[model.value.event].path if isinstance(entry, Call)}
    calls = [
        event
        for event in facts.trace.events
        if (id(event.node) in inside or _wraps(event.node, model.construction.node))
        and model.value in options(event.result)
    ]
    for event in reversed(calls):
        yield replace(model, construction=expression(event.node, event.scope))


def _reshapings(facts: Facts, model: ModelFact) -> Iterator[Reshaping]:
    """What reshapes the model, or may, by default and outside of the constructors of modules and of the training."""
    for event in facts.trace.events:
        if _reshapes(event) and event.statement is not None and _counts(facts, event.path):
            target = event.receiver if event.name in ADDS else next(iter(event.args), None)
            if not objects(target) or any(belongs(one, model.value) for one in objects(target)):
                yield Reshaping(event.statement, event.scope, event.path, target)
    for store in facts.trace.stores:
        parts = objects(store.value)
        layers = any(one.is_module and wrapped_model(one) is None for one in parts) or ties(store.statement)
        if layers and belongs(store.owner, model.value) and _counts(facts, store.path):
            if any(isinstance(entry, Call) for entry in store.path):
                yield Reshaping(store.statement, store.scope, store.path, store.owner)


def _reshapes(event: Event) -> bool:
    """True for a call that gives a module other layers, or its layers other parameters."""
    if event.name == "builtins.setattr":
        return len(event.args) > 2 and any(one.is_module for one in objects(event.args[2]))
    return event.name in ADDS or reparametrises(event)


def _counts(facts: Facts, path: tuple[Entry, ...]) -> bool:
    """True for what happens by default, in no module's constructor, and not in the training."""
    loop = facts.loop.loop.node if facts.loop else None
    constructed = (
        entry.function.name == "__init__" and isinstance(entry.receiver, Object) and entry.receiver.is_module
        for entry in path
        if isinstance(entry, Call)
    )
    return is_default(path) and not any(constructed) and not any(getattr(entry, "node", None) is loop for entry in path)


def _under(one: Reshaping, statement: ast.stmt) -> bool:
    """True for what a statement does, or a function that it calls."""
    around = [entry.statement for entry in one.path if isinstance(entry, Call)]
    return any(part is not None and contains(statement, part) for part in (one.statement, *around))


def _wraps(call: ast.AST | None, construction: ast.AST | None) -> bool:
    """True for a call that is given the construction of the model: ``add_adapters(Net())``."""
    return call is not None and call is not construction and construction is not None and contains(call, construction)
