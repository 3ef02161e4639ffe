"""Weights that come into the model inside the epoch loop from where the script has kept them, and parts built anew."""

from __future__ import annotations

import ast
import re

from engine.facts import Facts
from engine.facts.models import belongs
from engine.facts.optimizers import is_optimizer
from engine.facts.source_text import names_bound, names_read, text_of
from engine.facts.trace import Call, DataStore, Entry, Event, Loop, is_default, leads_through, path_inside
from engine.facts.values import Object, Parameters, Value, objects, options, value_of
from engine.plan.frame import Frame
from engine.plan.kept_values import changes, code_of_round, kept_at, lives_on, set_before
from engine.plan.passed import arguments_written
from engine.result import Place
from engine.source import SourceFile

Found = tuple[SourceFile, Place]
WITHOUT_WEIGHTS = re.compile(r"Dropout\w*$|Identity$|Flatten$|Pool\d?d$|Softmax$|Sigmoid$|Tanh$|LU$|Upsample$|Loss$")
"""Modules of torch that hold no weights, by the ends of their names."""


def weights_brought_back(facts: Facts, frame: Frame) -> Found | None:
    """Where weights come into the model in a round that are neither received nor trained there: those of the best
    epoch, say, or slow ones beside the model. None where none do.

    Args:
        facts: of the program.
        frame: what becomes a round.
    """
    model = facts.model.value if facts.model is not None else None
    if facts.model is None or model is None:
        return None  # arrays that are replaced in the loop are a problem that the facts know of
    for event in facts.trace.events:
        if event.within_node(frame.node) and (_loads(event, model) or _copies(event, model, facts, frame)):
            return event.scope.file, event.place
    for store in facts.trace.data_stores:
        if _assigns(store, model, facts, frame):
            return store.scope.file, store.scope.file.place(store.written)
    for node in ast.walk(frame.node):
        if isinstance(node, ast.Assign) and text_of(node.targets[0]) == facts.model.variable:
            copied = isinstance(node.value, ast.Call) and text_of(node.value.func).endswith("copy")
            if copied or isinstance(node.value, (ast.Name, ast.Attribute, ast.Subscript)):
                return frame.file, frame.file.place(node)
    return None


def layers_built_anew(facts: Facts, frame: Frame) -> Found | None:
    """Where a layer with weights takes the place of another in a round. None where none does."""
    model = facts.model.value if facts.model is not None else None
    for store in facts.trace.stores if model is not None else ():
        within = leads_through(store.path, frame.node) and is_default(store.path)
        built = (one for one in objects(store.value) if one.is_module and not WITHOUT_WEIGHTS.search(one.kind))
        anew = any(facts.trace.events[one.event].within_node(frame.node) for one in built)
        if within and anew and belongs(store.owner, model):
            return store.scope.file, store.scope.file.place(store.statement)
    return None


def _loads(event: Event, model: Object) -> bool:
    """True for a call that loads a state into the model, or into a part of it from elsewhere than the model itself."""
    if event.name == ".load_state_dict":
        loaded = options(event.receiver)
    elif event.name == "torch.nn.Module.load_state_dict":
        loaded = options(event.args[0]) if event.args else []
    elif event.name == "()":  # a method that was given another name
        methods = [one for one in objects(event.receiver) if one.kind.endswith(".load_state_dict")]
        loaded = [one.parent[0] for one in methods if one.parent is not None]
    else:
        return False
    within = event.node.args and text_of(event.node.args[0]).endswith(".state_dict()")
    return any(one is not None and belongs(one, model) and (one is model or not within) for one in loaded)


def _copies(event: Event, model: Object, facts: Facts, frame: Frame) -> bool:
    """True for a call that writes values into the parameters of the model that were kept from before the round."""
    if event.name == "torch.nn.utils.vector_to_parameters" and not _by_optimizer(event.path):
        return len(event.args) > 1 and _parameters_of(event.args[1], model)
    if event.name != ".copy_" or not event.node.args or not isinstance(event.node.func, ast.Attribute):
        return False
    written = event.node.func.value
    if isinstance(written, ast.Attribute) and written.attr == "data":
        written = written.value
    values = [event.receiver, *value_of(written, event.scope)]
    return _are_kept(values, written, event.node.args[0], event.path, model, facts, frame)


def _assigns(store: DataStore, model: Object, facts: Facts, frame: Frame) -> bool:
    """True for an assignment that gives the parameters of the model the values that were kept from before the round."""
    within = leads_through(store.path, frame.node)
    return within and _are_kept(options(store.owner), store.written, store.given, store.path, model, facts, frame)


def _are_kept(
    values: list[Value | None], written: ast.expr, given: ast.expr, path: tuple[Entry, ...], model: Object,
    facts: Facts, frame: Frame,
) -> bool:  # fmt: skip
    """True where parameters of the model are given what was kept from before the round, by no optimizer.

    Args:
        values: what may be written to.
        written, given: as expressions, what is written to and what it is given.
        path: the loops, calls and branches around.
        model: the model.
        facts: of the program.
        frame: what becomes a round.
    """
    if _by_optimizer(path):
        return False
    reads_itself = re.search(rf"(?<![\w.]){re.escape(text_of(written))}\b", text_of(given))
    if reads_itself or not any(_parameters_of(value, model) for value in values):
        return False
    names = _names_behind(given, path, frame) & frame.bound_outside - {"self", *model.names}
    return bool(names) or _is_kept_at_times(given, path, facts, frame)


def _is_kept_at_times(given: ast.expr, path: tuple[Entry, ...], facts: Facts, frame: Frame) -> bool:
    """True for what a round gives to variables or attributes that live on, under a condition only: the weights of the
    best epoch may be those of an earlier round."""
    code = code_of_round(facts, frame)
    inside = [entry for entry in path_inside(path, frame.node) if isinstance(entry, (Loop, Call))]
    calls = [entry.scope for entry in inside if isinstance(entry, Call)]
    part = next((one for one in code if one.scope in calls[-1:]), code[0])
    loops = [one.node for one in inside if isinstance(one, Loop) and isinstance(one.node, ast.For)]
    read = [given, *(one.iter for one in loops if names_bound(one.target) & names_read(given))]
    changed = changes(code)
    kept = {at for expression in read for node in ast.walk(expression) for at in kept_at(node, part.scope)}
    return any(
        at in changed
        and lives_on(at, code, frame)
        and not any(one.always for one in changed[at])
        and not set_before(given, part, changed[at])
        for at in kept
    )


def _by_optimizer(path: tuple[Entry, ...]) -> bool:
    """True within a method of an optimizer."""
    return any(isinstance(entry, Call) and is_optimizer(entry.receiver) for entry in path)


def _parameters_of(value: Value | None, model: Object) -> bool:
    """True for parameters of the model, and for a part of it that is no module: ``model.fc.weight``."""
    owners = [owner for one in options(value) if isinstance(one, Parameters) for owner in one.owners]
    tensors = [one for one in objects(value) if not one.is_module]
    return any(belongs(one, model) for one in (*tensors, *(part for owner in owners for part in objects(owner))))


def _names_behind(node: ast.expr, path: tuple[Entry, ...], frame: Frame) -> set[str]:
    """The names of the frame that an expression is made of, through the loops and the calls it stands in."""
    names = names_read(node)
    for entry in reversed(path_inside(path, frame.node)):
        if isinstance(entry, Loop) and isinstance(entry.node, ast.For) and names & names_bound(entry.node.target):
            names |= names_read(entry.node.iter)
        elif isinstance(entry, Call) and isinstance(entry.node, ast.Call):
            given = arguments_written(entry.function, entry.node)
            names = {name for parameter, value in given.items() if parameter in names for name in names_read(value)}
    return names
