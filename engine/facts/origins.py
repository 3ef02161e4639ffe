"""Where the value of an expression comes from, at one point of a pass of the epoch loop: the locations it is made of,
and what is learned. Calls are followed into the functions of the project and the ``forward`` of its modules; a call of
a library gives what it is given."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.facts.library import comes_from_data
from engine.facts.locations import DATA, NONE, Location, Origins
from engine.facts.models import belongs
from engine.facts.program import EvaluationFact
from engine.facts.source_text import defaults_of, positional_parameters
from engine.facts.values import (
    External,
    Function,
    Object,
    Parameters,
    Scope,
    Unknown,
    Value,
    library_name,
    objects,
    options,
    value_of,
)

if TYPE_CHECKING:
    from engine.facts.epoch_pass import Pass

ADDS = {
    "append", "appendleft", "extend", "extendleft", "insert", "add", "update", "push", "put", "put_nowait",
    "setdefault", "fill", "itemset", "partition", "partial_fit", "load_state_dict",
}  # fmt: skip
ADDS_TO_FIRST = {"copyto", "put", "place", "putmask", "at", "heappush", "heapreplace", "heappushpop", "insort"}
CLEARS = {"clear", "zero_", "reset"}
CLIPS = {"clip_grad_norm_", "clip_grad_value_"}
KEEPS = {"requires_grad_", *CLIPS}
OF_SHAPE = {
    "len", "size", "numel", "dim", "shape", "ndim", "dtype", "device", "isinstance", "hasattr", "type", "nelement",
}  # fmt: skip
OF_TYPE = {"type_as", "to", "view_as", "expand_as", "reshape_as"}
NUMBERS = ("builtins.int", "builtins.float", "builtins.round", "builtins.min", "builtins.max", "builtins.abs", "math.")
WITH_STATISTICS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")
STATISTICS = "running statistics"
BY_NAME = {"getattr", "setattr"}
PARTIAL = "functools.partial"
HOOKS = (".register_forward_hook", ".register_forward_pre_hook")
NOTHING: Mapping[str, Value] = MappingProxyType({})
CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)


@dataclass(frozen=True)
class Entered:
    """A function of the project that a call runs.

    Attributes:
        function: the function.
        scope: its variables.
        bound: how many of its first parameters have a value before the call: the object it is called on, and what
            ``functools.partial`` gives it.
    """

    function: Function
    scope: Scope
    bound: int


def origins_of(run: Pass, node: ast.AST | None, scope: Scope) -> Origins:
    """What the value of an expression comes from."""
    if node is None:
        return NONE
    return HANDLERS.get(type(node), of_parts)(run, node, scope)


def of_nothing(run: Pass, node: ast.AST, scope: Scope) -> Origins:
    """A constant, and a function that is not called here."""
    return NONE


def of_parts(run: Pass, node: ast.AST, scope: Scope) -> Origins:
    """An expression of which nothing else is known: what its parts come from."""
    found = NONE
    for part in ast.iter_child_nodes(node):
        if isinstance(part, (ast.expr, ast.comprehension)):
            found |= origins_of(run, part, scope)
    return found


def of_text(run: Pass, node: ast.JoinedStr, scope: Scope) -> Origins:
    """A text, which is only for reading."""
    of_parts(run, node, scope)
    return NONE


def of_name(run: Pass, node: ast.Name, scope: Scope) -> Origins:
    """A name: what it keeps, and what it is."""
    if not isinstance(node.ctx, ast.Load):
        return NONE
    return _kept(run, node, scope) | _known(run, value_of(node, scope))


def of_attribute(run: Pass, node: ast.Attribute, scope: Scope) -> Origins:
    """An attribute: of an object of the project, what was stored there; of anything else, what that is, too."""
    if node.attr in OF_SHAPE:
        return NONE
    if node.attr == "grad":
        return run.output
    found = _kept(run, node, scope)
    for call in run.calls.get((node, scope), ()):  # a property
        found |= run.enter(call.function, call.scope)
    holders = value_of(node.value, scope)
    if not holders or any(not isinstance(one, Object) or one.cls is None for one in holders):
        found |= origins_of(run, node.value, scope)
    return found | _known(run, value_of(node, scope))


def of_named(run: Pass, node: ast.NamedExpr, scope: Scope) -> Origins:
    """``a := b``."""
    found = origins_of(run, node.value, scope)
    run.bind(node.target, found, scope, node.value)
    return found


def of_conditional(run: Pass, node: ast.IfExp, scope: Scope) -> Origins:
    """``a if test else b``: both."""
    with run.guarded_by(node.test):
        return of_parts(run, node, scope)


def of_call(run: Pass, node: ast.Call, scope: Scope) -> Origins:
    """A call; that of an evaluation is followed from the beginning of the pass too, as it will be before training."""
    if _name(node) in BY_NAME and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
        return _of_attribute_by_name(run, node, scope)
    evaluation = run.evaluating.get(node)
    if evaluation is None or run.locations.measuring:
        return _of_followed(run, node, scope, None)
    locations = run.locations
    before, locations.now, locations.measuring = locations.now, {}, True
    found = _of_followed(run, node, scope, evaluation)
    locations.measuring = False
    made, locations.now = locations.now, before
    for place, origins in made.items():
        locations.set(place, locations.read(place) | origins)
    return found


def _of_attribute_by_name(run: Pass, node: ast.Call, scope: Scope) -> Origins:
    """``getattr(a, "b")`` and ``setattr(a, "b", c)``, which are ``a.b`` and ``a.b = c``."""
    holder, name, *rest = node.args
    found = NONE.union(*(origins_of(run, value, scope) for value in rest))
    if _name(node) == "getattr":
        return found | of_attribute(run, ast.Attribute(holder, name.value, ast.Load()), scope)
    run.bind(ast.Attribute(holder, name.value, ast.Store()), found, scope, *rest[:1])
    return NONE


def _of_followed(run: Pass, node: ast.Call, scope: Scope, evaluation: EvaluationFact | None) -> Origins:
    """What a call gives back comes from what it is given, and from what the function reads."""
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    given = {value: origins_of(run, value, scope) for value in (*node.args, *(word.value for word in node.keywords))}
    every = origins_of(run, receiver, scope).union(*given.values())
    if _name(node) in OF_SHAPE:
        return NONE
    run.called.setdefault((node, scope), run.locations.statement)
    callees = value_of(node.func, scope)
    entered = list(_entered(run, node, scope, callees))
    found = NONE
    for one in entered:
        _hand_over(run, node, scope, one, given)
        found |= run.enter(one.function, one.scope, evaluation)
    weights = _weights(run, callees)
    if weights and run.locations.measuring:
        run.measures |= found.union(*given.values())
    if node in run.backward or _name(node) in CLIPS:
        run.trains |= every
    found |= _kept(run, receiver, scope) if entered and not weights else every
    if not entered and _name(node) in OF_TYPE:  # what it is given says only a type, a device or a shape
        return origins_of(run, receiver, scope)
    if not entered:
        _change_in_place(run, node, scope, every)
    return found | _statistics(run, node, callees, every)


def _name(call: ast.Call) -> str:
    """The name of what is called, without its object."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _kept(run: Pass, node: ast.expr, scope: Scope) -> Origins:
    """What the locations come from that a name or an attribute is."""
    return run.locations.read_all(run.locations.named_by(node, scope))


def _known(run: Pass, values: list[Value]) -> Origins:
    """What comes with a value: data, the weights of the model, and what a loader was given."""
    found = _weights(run, values)
    for value in values:
        if value not in run.from_data:
            run.from_data[value] = isinstance(value, Object) and _is_data(value)
        if run.from_data[value]:
            found |= {DATA}
        for part in _given(value) if run.stored else ():
            found |= run.locations.read_all(place for place in run.stored if place.holder is part)
    return found


def _weights(run: Pass, values: Iterable[Value]) -> Origins:
    """What is learned where a value is the model, or a part of it."""
    parts = [one for value in values for one in objects(value)]
    for one in parts:
        if one not in run.trained:
            run.trained[one] = any(belongs(one, model) for model in run.models)
    return run.output if any(run.trained[one] for one in parts) else NONE


def _statistics(run: Pass, node: ast.Call, callees: list[Value], given: Origins) -> Origins:
    """The running statistics of a batch normalisation, which it changes where it is called in training mode, unless it
    is a part of the model."""
    called = [one for value in callees for one in objects(value)]
    places = [Location(one, STATISTICS) for one in called if one.is_module and _has_statistics(run, one)]
    for place in places:
        if _in_training_mode(run, place.holder):
            run.locations.change_at([place], given, node.func)
    return run.locations.read_all(places)


def _has_statistics(run: Pass, module: Object) -> bool:
    """True for a batch normalisation outside the model, and for a container of PyTorch that holds one."""
    parts = [module] if module.cls is not None else _given(module)
    return any(_is_normalisation(one) and not _weights(run, [one]) for one in parts)


def _is_normalisation(module: Object) -> bool:
    """True for a batch normalisation, of PyTorch or derived from its."""
    bases = (base.name for base in module.cls.ancestry() if isinstance(base, External)) if module.cls else ()
    return any(kind.endswith(WITH_STATISTICS) for kind in (module.kind, *bases))


def _in_training_mode(run: Pass, module: Object) -> bool:
    """True for a module that is never put into evaluation mode, by itself or with what it is a part of; one that is put
    back into training mode is in evaluation mode while the model is evaluated."""
    whole = [module]
    while whole[-1].parent is not None:
        whole.append(whole[-1].parent[0])
    switches = run.trace.named(".eval", ".train")
    modes = {event.name for event in switches if any(one in whole for one in objects(event.receiver))}
    return ".eval" not in modes or (".train" in modes and not run.locations.measuring)


def _change_in_place(run: Pass, node: ast.Call, scope: Scope, given: Origins) -> None:
    """What a call of a library changes in place: its receiver, its first argument, or what is given as ``out``."""
    name, locations = _name(node), run.locations
    if isinstance(node.func, ast.Attribute):
        if name in CLEARS:
            locations.clear(node.func.value, scope)
        elif name in ADDS or (name.endswith("_") and not name.endswith("__") and name not in KEEPS):
            locations.change(node.func.value, given, scope)
            run.trains |= given if is_trained(run, node.func.value, scope) else NONE
    if name in ADDS_TO_FIRST and node.args:
        locations.change(node.args[0], given, scope)
    for keyword in node.keywords:
        if keyword.arg == "out":
            locations.change(keyword.value, given, scope)


def is_trained(run: Pass, node: ast.expr, scope: Scope) -> bool:
    """True for parameters of the model: ``p``, ``p.data`` and ``p.grad``."""
    while isinstance(node, ast.Attribute) and node.attr in ("data", "grad"):
        node = node.value
    kept = [one for one in value_of(node, scope) if isinstance(one, Parameters)]
    return any(_weights(run, parameters.owners) for parameters in kept)


def _entered(run: Pass, node: ast.Call, scope: Scope, callees: list[Value]) -> Iterator[Entered]:
    """The functions of the project that a call runs: those the trace has followed, and those it does not follow, as the
    ``forward`` of modules and the ``__call__`` of other objects."""
    calls = run.calls.get((node, scope), ())
    yield from (Entered(call.function, call.scope, int(call.receiver is not None)) for call in calls)
    if calls:
        return
    yield from (_not_followed(run, one) for one in callees if isinstance(one, Function))
    called = [one for callee in callees for one in objects(callee)]
    yield from (_of_partial(run, one) for one in called if one.kind == PARTIAL and _is_function(one.args[:1]))
    yield from _methods(run, [one for one in called if one.is_module], "forward")
    yield from _methods(run, [one for one in called if not one.is_module], "__call__")
    if not callees and isinstance(node.func, ast.Attribute):
        receivers = [one for value in value_of(node.func.value, scope) for one in objects(value)]
        yield from _methods(run, receivers, node.func.attr)


def _methods(run: Pass, receivers: list[Object], name: str) -> Iterator[Entered]:
    """The methods of a name that objects of the project have."""
    for one in receivers:
        method = one.cls.find(name) if one.cls is not None else None
        if isinstance(method, Function):
            yield _not_followed(run, method, [one])


def follow_hooks(run: Pass) -> None:
    """What the program has the model call beside its ``forward``."""
    for event in run.trace.named(*HOOKS):
        if _weights(run, options(event.receiver)):
            for hook in (_not_followed(run, one) for one in event.args if isinstance(one, Function)):
                for name in positional_parameters(hook.function.node):
                    run.locations.set(Location(hook.scope, name), run.output)
                run.enter(hook.function, hook.scope)


def _is_function(values: list[Value]) -> bool:
    """True for one function of the project."""
    return bool(values) and isinstance(values[0], Function)


def _of_partial(run: Pass, partial: Object) -> Entered:
    """What ``functools.partial`` calls."""
    return _not_followed(run, partial.args[0], partial.args[1:], partial.kwargs)


def _not_followed(
    run: Pass, function: Function, given: Iterable[Value] = (), named: Mapping[str, Value] = NOTHING
) -> Entered:
    """A function that the trace has not followed.

    Args:
        run: the pass.
        function: the function.
        given, named: the values that its first parameters, and those of some names, have before it is called.
    """
    defaults = {name: built(node, function.scope) for name, node in defaults_of(function.node).items()}
    known = {name: values[0] for name, values in defaults.items() if values}
    bound = dict(zip(positional_parameters(function.node), given, strict=False))
    scope = Scope(function.file, function.qualified_name, function.scope, {**known, **bound, **named})
    run.locations.made.add(scope)
    return Entered(function, scope, len(bound))


def built(node: ast.AST, scope: Scope) -> list[Object]:
    """The objects that an expression stands for, and the one of a library that it builds."""
    kind = library_name(node.func, scope) if isinstance(node, ast.Call) else ""
    made = [Object(kind, scope.file.place(node), node, scope=scope)] if kind else []
    return [*made, *(one for one in value_of(node, scope) if isinstance(one, Object))]


def _hand_over(run: Pass, node: ast.Call, scope: Scope, entered: Entered, given: dict[ast.expr, Origins]) -> None:
    """Give the parameters of a function what a call passes."""
    inner, locations = entered.scope, run.locations
    locations.called.add(inner)
    names = positional_parameters(entered.function.node)[entered.bound :]
    for name in names:
        locations.set(Location(inner, name), NONE)
    for name, default in defaults_of(entered.function.node).items():
        if isinstance(default, CHANGEABLE):
            _alias(run, Location(inner, name), Location(entered.function, name))
    pairs = [*zip(names, node.args, strict=False), *((k.arg, k.value) for k in node.keywords if k.arg)]
    for name, value in pairs:
        place = Location(inner, name)
        if inner in locations.made:
            inner.variables[name] = next(iter(value_of(value, scope)), Unknown())
        locations.set(place, given[value])
        locations.aliases[place] = [] if isinstance(value, ast.Call) else locations.changed_with(value, scope)


def _alias(run: Pass, place: Location, kept: Location) -> None:
    """Let a parameter stand for its default, which all calls of the function share."""
    run.locations.set(place, run.locations.read(kept))
    run.locations.aliases[place] = [kept]


def _is_data(value: Object) -> bool:
    """True for data, not for a number that was worked out of its size."""
    return not value.kind.startswith(NUMBERS) and comes_from_data(value)


def _given(value: Value, depth: int = 0) -> Iterator[Object]:
    """A loader, and the data and the samplers it was given."""
    for one in objects(value):
        yield one
        for part in (*one.args, *one.kwargs.values()) if depth < 4 else ():
            yield from _given(part, depth + 1)


HANDLERS = {
    ast.Attribute: of_attribute,
    ast.Call: of_call,
    ast.Constant: of_nothing,
    ast.IfExp: of_conditional,
    ast.JoinedStr: of_text,
    ast.Lambda: of_nothing,
    ast.Name: of_name,
    ast.NamedExpr: of_named,
}
