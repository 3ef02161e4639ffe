"""Layers with weights of their own that a pass of the epoch loop calls and that no trained model holds: in a closure, a
``functools.partial``, an object that is no module, or a variable of the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from engine.facts.epoch_pass import Pass
from engine.facts.local_state import PARAMETERS
from engine.facts.models import unwrapped
from engine.facts.origins import PARTIAL, built
from engine.facts.program import Expression
from engine.facts.source_text import assigned, expression
from engine.facts.trace import Trace
from engine.facts.values import Mapping, Object, Parameters, Scope, Sequence, Value, objects, options, value_of

DRAWN = re.compile(
    r"^torch\.nn\.(modules\.\w+\.)?((Bi)?[Ll]inear|Conv(Transpose)?\dd|Embedding(Bag)?|(RNN|LSTM|GRU)(Cell)?"
    r"|MultiheadAttention|Transformer\w*)$"
)
"""Layers of PyTorch whose first weights are random numbers."""
REGISTERS = re.compile(r"^\.(append|extend|insert|update|add_module|register_module)$|\.(__init__|add_module)$")
SETS = re.compile(r"load|restore|^\.copy_$|^torch\.nn\.init\.(constant|zeros|ones|eye|dirac)_$", re.IGNORECASE)
HOLDS = ("builtins.list", "builtins.tuple", "builtins.generator", "collections.OrderedDict", "builtins.dict")
DEEPEST = 12


def loose_layers(done: Pass) -> Iterator[Expression]:
    """Where such layers are built, in the order they are called.

    Weights that the program sets, from a file perhaps, are the same at all sites, and so are those of a library's model
    that comes with weights.

    Args:
        done: a pass that has been followed.
    """
    known = {id(part) for part in (*_held(done.trace, done.models), *_set(done.trace))}
    seen: set[ast.AST | None] = set()
    for layer in (unwrapped(one) for call in done.called for one in _called(done, *call)):
        drawn = [part for part in _parts(layer) if DRAWN.match(part.kind)]
        loose = bool(drawn) and not any(id(part) in known for part in (layer, *drawn))
        if loose and layer.node not in seen and layer.scope is not None:
            seen.add(layer.node)
            yield expression(layer.node, layer.scope)


def _called(done: Pass, call: ast.Call, scope: Scope) -> Iterator[Object]:
    """The modules that a call calls, and the one that it builds where the model computes, for this pass alone."""
    statement = done.called[call, scope]
    keeps = statement is not None and any(isinstance(one, ast.Attribute) for one in assigned(statement[0]))
    if scope in done.locations.made and not keeps:
        yield from built(call, scope)
    for callee in _callees(call.func, scope):
        called = objects(callee.args[0]) if callee.kind == PARTIAL and callee.args else [callee]
        yield from (one for one in called if one.is_module)


def _callees(function: ast.expr, scope: Scope) -> list[Object]:
    """The objects that an expression may call: those of a list, and that of a class where its instances have none."""
    found = [one for value in value_of(function, scope) for one in objects(value)]
    if isinstance(function, ast.Subscript) and not found:
        return [one for value in value_of(function.value, scope) for part in _elements(value) for one in objects(part)]
    if isinstance(function, ast.Attribute) and not found:
        owners = [one for value in value_of(function.value, scope) for one in objects(value) if one.cls is not None]
        return [one for owner in owners for one in objects(owner.cls.find(function.attr))]
    return found


def _held(trace: Trace, models: Iterable[Object]) -> Iterator[Object]:
    """The trained models, and every module that they or parts of them hold."""
    registered: dict[int, list[Value]] = {}
    for event in trace.events:
        if event.name == "builtins.setattr" and len(event.args) > 2:
            holder, given = event.args[0], [event.args[2]]
        elif REGISTERS.search(event.name):
            of_class = event.name.endswith(("__init__", "Module.add_module"))
            holder = event.scope.look_up("self") if of_class else event.receiver
            given = [*event.args, *event.kwargs.values()]
        else:
            continue
        for one in objects(holder):
            registered.setdefault(id(one), []).extend(given)
    pending, seen = [unwrapped(one) for one in models], set()
    for one in pending:  # which grows
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            given = [*_given(one), *(inner for value in registered.get(id(one), ()) for inner in _listed(value))]
            pending += [unwrapped(inner) for inner in given if inner.is_module or _wraps(inner)]


def _wraps(value: Object) -> bool:
    """True for what a library makes of a module: ``weight_norm(layer)``."""
    return value.cls is None and value.kind != PARTIAL


def _parts(module: Object) -> Iterator[Object]:
    """A module and the modules that it holds, however deep."""
    pending, seen = [module], set()
    for one in pending:  # which grows
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [inner for inner in _given(one) if inner.is_module]


def _given(module: Object) -> Iterator[Object]:
    """What a module has as attributes, and a library's from its construction; what a copy was made of."""
    values = [*module.attributes.values()]
    if module.cls is None:
        values += [*module.args, *module.kwargs.values()]
    if module.receiver is not None:
        values.append(module.receiver)
    return (one for value in values for one in (_listed(value) if module.cls is None else objects(value)))


def _listed(value: Value, depth: int = 0) -> Iterator[Object]:
    """An object, and those of a list or a dictionary."""
    for one in options(value) if depth < DEEPEST else ():
        if isinstance(one, Object) and one.kind not in HOLDS:
            yield one
        for part in _elements(one):
            yield from _listed(part, depth + 1)


def _elements(value: Value) -> list[Value]:
    """What a list or a dictionary holds."""
    if isinstance(value, Sequence):
        return value.items
    if isinstance(value, Mapping):
        return [*value.items.values(), *value.rest]
    return value.args if isinstance(value, Object) and value.kind in HOLDS else []


def _set(trace: Trace) -> Iterator[Object]:
    """The modules to whose weights the program gives values that are not random, or may be."""
    stores = [store for store in trace.stores if not any(map(_is_layer, objects(store.value)))]
    written = [*(store.owner for store in stores if store.owner.cls is None), *(s.owner for s in trace.data_stores)]
    for event in trace.events:
        if SETS.search(event.name):
            written += [value for value in (event.receiver, *event.args, *event.kwargs.values()) if value is not None]
    kept = [one for value in written for one in options(value) if isinstance(one, Parameters)]
    written += [owner for parameters in kept for owner in parameters.owners]
    for module in (_module_of(one) for value in written for one in objects(value)):
        yield from _parts(module) if module is not None else ()


def _is_layer(value: Object) -> bool:
    """True for a module, not for a parameter."""
    return value.is_module and value.kind not in PARAMETERS


def _module_of(value: Object) -> Object | None:
    """The module that a value is, or a weight of which it is: ``layer`` for ``layer.weight.data``."""
    while not value.is_module and value.parent is not None:
        value = value.parent[0]
    return value if value.is_module else None
