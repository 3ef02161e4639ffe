"""The models whose parameters flow into the optimizers that step."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine.facts.constructor import ORIGINS, argument_value, constructor_arguments, origin
from engine.facts.optimizers import trained_by
from engine.facts.program import Expression, ModelFact, Wrapper
from engine.facts.source_text import expression, text_of
from engine.facts.trace import Branch, Call, Store, Trace, is_default
from engine.facts.training import TrainingLoop, owners_of
from engine.facts.values import Class, External, Object, Scope, Sequence, Unknown, Value, objects, options
from engine.result import Place

DEEPEST_PART = 5
PLAIN_MODULE = re.compile(
    r"^torch\.nn\.(modules\.\w+\.)?(?!Adaptive\w+Loss|Linear|PReLU)\w*"
    r"(Loss|Pool\dd|Pad\dd|Dropout(\dd)?|LU6?|[Tt]anh|[Ss]igmoid|[Ss]hrink|[Ss]oft(max|max2d|min|sign|plus)|swish|Mish"
    r"|[Ff]latten|Identity|Upsample|Shuffle)$"
)
WRAPPER_NAME = re.compile(r"(DataParallel|^DDP|^compile)$")


def trained_models(trace: Trace, training: TrainingLoop, wanted: str | None = None) -> tuple[ModelFact, ...]:
    """The models trained in an epoch loop, each with the alternatives a branch may choose instead.

    Args:
        trace: what the program does.
        training: the epoch loop.
        wanted: the name of the model that the user chose; the others are left out.
    """
    groups: list[list[Object]] = []
    all_roots = [root(owner) for _, optimizer in training.steps for owner in owners_of(optimizer)]
    for _, optimizer in training.steps:
        for group in trained_by(optimizer):
            roots = [_whole(one, all_roots) for value in group for one in objects(value)]
            _add(groups, sorted((model for model in roots if model.kind != "?"), key=_is_restored) or roots)
    if not groups and any(_is_unknown(optimizer) for _, optimizer in training.steps):
        called = _called_models(trace, training)
        groups = [[model] for model in called[:1]]
    groups = [_modules_among(group) for group in groups]
    groups = [group for group in groups if not all(map(has_no_parameters, group))] or groups
    owner = _owner_of_all(trace, training, groups) if len(groups) > 1 else None
    groups = [[owner]] if owner is not None else groups
    if wanted is not None:
        groups = [[model for model in group if wanted in names_of(trace, model)] for group in groups]
    found: list[ModelFact] = []
    for group in filter(None, groups):
        fact = _model_fact(trace, training, group)
        taken = any(fact.variable == other.variable for other in found)
        found.append(replace(fact, variable=_listed_as(training, group[0]) or fact.variable) if taken else fact)
    return tuple(found)


def _modules_among(group: list[Object]) -> list[Object]:
    """What a model may be, without what else has a name that is chosen: tensors that losses and metrics give back, and
    plain objects."""
    return [one for one in group if not _is_no_module(one)] or group


def _is_no_module(value: Object) -> bool:
    """True for a tensor, and for an object of a class of the project that no library's class is behind."""
    if value.cls is not None:
        return all(
            isinstance(base, Class) or getattr(base, "name", "") == "builtins.object" for base in value.cls.ancestry()
        )
    return value.kind.startswith("torch.") and not (value.is_module or _is_restored(value))


def has_no_parameters(module: Object) -> bool:
    """True for a module that surely holds nothing to train, as most losses do."""
    if module.cls is None:
        return bool(PLAIN_MODULE.match(module.kind))
    bases = [base.name for base in module.cls.ancestry() if isinstance(base, External)]
    classes = [base for base in module.cls.ancestry() if not isinstance(base, External)]
    if bases != ["torch.nn.Module"] or any("arameter" in text_of(base.node) for base in classes):
        return False
    held = [one for value in module.attributes.values() for one in options(value)]
    modules = [one for one in held if isinstance(one, Object) and (one.is_module or one.kind.startswith("?"))]
    return not any(isinstance(one, Unknown) for one in held) and all(map(has_no_parameters, modules))


def _owner_of_all(trace: Trace, training: TrainingLoop, groups: list[list[Object]]) -> Object | None:
    """The module that the epoch loop calls and that holds all the trained ones, built before it: a backbone and a head,
    say; None where there is no one such module."""
    found = [
        model
        for model in _called_models(trace, training)
        if all(any(_holds(model, part) for part in group) for group in groups)
    ]
    return found[0] if len(found) == 1 else None


def _listed_as(training: TrainingLoop, model: Object) -> str:
    """The name of a model as an element of a list: ``nets[1]``; empty where it is in none."""
    for scope in training.epoch.scope.chain():
        for name, value in scope.variables.items():
            if isinstance(value, Sequence) and model in value.items:
                return f"{name}[{value.items.index(model)}]"
    return ""


def _whole(part: Object, others: list[Object]) -> Object:
    """The model a module is a part of; where its layers were taken over by another trained model, that one."""
    own = root(part)
    return next((other for other in others if other is not own and other is not part and _holds(other, part)), own)


def _holds(whole: Object, part: Object, depth: int = 0) -> bool:
    """True where a module is another, or is stored in it, however deep; a part may be stored in several."""
    if whole is part:
        return True
    stored = [one for value in whole.attributes.values() for one in objects(value)] if depth < DEEPEST_PART else []
    return any(_holds(unwrapped(one), part, depth + 1) for one in stored if one.is_module or one is part)


def _is_unknown(optimizer: Value) -> bool:
    """True for an optimizer of which it cannot be told what it was given."""
    for option in options(optimizer):
        first = option.argument(0, "params") if isinstance(option, Object) else None
        given = [one for item in first.items for one in options(item)] if isinstance(first, Sequence) else [first]
        named = [isinstance(one, Object) and (isinstance(first, Sequence) or one.kind[0] != "?") for one in given]
        if not named or not all(named):
            return True
    return False


def _is_restored(model: Object) -> bool:
    """True for a whole model read from a file: it says less than one that is built."""
    return model.kind in ("torch.load", "pickle.load", "torch.jit.load")


def _add(groups: list[list[Object]], models: list[Object]) -> None:
    """Add a model to the groups unless it is part of one that is there."""
    unique = [model for index, model in enumerate(models) if model not in models[:index]]
    for group in groups:
        if any(model in group or any(_is_part(model, whole) for whole in group) for model in unique):
            group.extend(model for model in unique if model not in group and not _is_part(model, group[0]))
            return
    for index, group in enumerate(groups):
        if any(_is_part(part, whole) for part in group for whole in unique):
            groups[index] = unique
            return
    if unique:
        groups.append(unique)


def _is_part(part: Object, whole: Object) -> bool:
    """True where one object is stored on another, directly or further down."""
    seen = 0
    while part.parent is not None and _holds_modules(part.parent[0]) and seen < 20:
        part, seen = part.parent[0], seen + 1
        if part is whole:
            return True
    return False


def belongs(value: Object, model: Object) -> bool:
    """True for a model, a wrapper of it and what is stored in it, however deep; layers that it has taken over from
    another module among them."""
    part = unwrapped(value)
    for _ in range(20):
        if isinstance(part, Object) and _holds(model, part):
            return True
        if not isinstance(part, Object) or part.parent is None:
            return False
        part = unwrapped(part.parent[0])
    return False


def unwrapped(value: Value) -> Value:
    """The model inside DataParallel, DDP and compile wrappers."""
    for _ in range(6):
        inner = wrapped_model(value)
        if inner is None:
            return value
        value = inner
    return value


def wrapped_model(value: Value) -> Object | None:
    """What a wrapper wraps; None for anything else."""
    if not isinstance(value, Object) or not WRAPPER_NAME.search(value.short_kind):
        return None
    return next(iter(objects(value.argument(0, "module") or value.argument(0, "model"))), None)


def root(part: Object) -> Object:
    """The model that a module is a part of, unwrapped; a module with a name of its own is itself a model."""
    for _ in range(20):
        inner = unwrapped(part)
        if inner is not part and isinstance(inner, Object):
            part = inner
        elif part.parent is not None and _holds_modules(part.parent[0]) and not _stands_alone(part):
            part = part.parent[0]
        else:
            break
    return part


def _holds_modules(owner: Object) -> bool:
    """True for a module, and for a library's object that may be one; not for a trainer that keeps a model."""
    return owner.is_module or owner.cls is None


def _stands_alone(part: Object) -> bool:
    """True for a module bound to a plain name, such as one handed to another's constructor."""
    return isinstance(part.node, ast.Call) and part.names[:1] != [] and part.names[0].isidentifier()


def _called_models(trace: Trace, training: TrainingLoop) -> list[Object]:
    """The modules called in the epoch loop."""
    found: list[Object] = []
    for event in trace.events:
        if event.name != "()" or not event.within_node(training.epoch.node) or not isinstance(event.receiver, Object):
            continue
        model = root(event.receiver)
        if model not in found and (model.is_module or _in_training_mode(trace, model)):
            found.append(model)
    losses = [model for model in found if model.short_kind.endswith("Loss")]
    return [model for model in found if model not in losses]


def _in_training_mode(trace: Trace, model: Object) -> bool:
    """True for an object that is put into training mode or moved to a device."""
    return any(event.receiver is model and event.name in (".train", ".to", ".cuda") for event in trace.events)


def _model_fact(trace: Trace, training: TrainingLoop, group: list[Object]) -> ModelFact:
    """The fact of one model; the first of its alternatives speaks for it."""
    model = group[0]
    arguments = constructor_arguments(model)
    short = model.short_kind.removesuffix("()")
    name = model.cls.name if model.cls else (short if short != "?" else text_of(_callee(model)))
    return ModelFact(
        variable=name_at(training.epoch.scope, model, training, trace),
        name=name,
        qualified_name=model.kind,
        definition=model.cls.file.place(model.cls.node) if model.cls else None,
        construction=construction(model),
        arguments={name: argument_value(value, node) for name, (value, node) in arguments.items()},
        arguments_source=max((origin(*one) for one in arguments.values()), key=ORIGINS.index, default="none"),
        value=model,
        positional=any(name.isdigit() for name in arguments),
        sources={name: origin(*one) for name, one in arguments.items()},
        alternatives=tuple(group[1:]),
        undecided=tuple(undecided(trace, group)),
        alterations=tuple(alterations(trace, model)),
        wrappers=tuple(wrappers_of(trace, model)),
    )


def undecided(trace: Trace, group: list[Object]) -> list[str]:
    """The names of the models that it may be, where neither the source nor a default of an option decides."""
    possible = [model for model in group if not _is_restored(model) and is_default(trace.events[model.event].path)]
    built = {(model.kind, repr(_plain_arguments(model))) for model in possible}
    if len(built) < 2:
        return []
    factories = [names_of(trace, model)[0] for model in possible]
    classes = [model.cls.name if model.cls else model.short_kind for model in possible]
    modules = [model.cls.file.path.stem for model in possible if model.cls]
    telling = (names for names in (factories, classes, modules) if len(set(names)) == len(possible))
    return next(telling, max(factories, classes, key=lambda names: len(set(names))))


def _plain_arguments(model: Object) -> dict[str, Any]:
    """The constructor arguments of a model, as far as they are known."""
    return {name: argument_value(value, node) for name, (value, node) in constructor_arguments(model).items()}


def names_of(trace: Trace, model: Object) -> list[str]:
    """The names a model can be chosen by: of the function that builds it, of its class, of its variables."""
    path = trace.events[model.event].path
    factories = [entry.function.name for entry in path if isinstance(entry, Call) and entry.function.name != "__init__"]
    name = model.cls.name if model.cls else model.short_kind
    module = [model.cls.file.path.stem] if model.cls else []
    return [*factories[-1:], name, *module, *model.names]


def _callee(model: Object) -> ast.AST | None:
    """What is called to build an object."""
    return model.node.func if isinstance(model.node, ast.Call) else model.node


def construction(model: Object) -> Expression | None:
    """The expression that builds an object."""
    if model.node is None or model.scope is None:
        return None
    return expression(model.node, model.scope)


def alterations(trace: Trace, model: Object) -> Iterator[Expression]:
    """The statements that replace a part of a model after it was built, those of its own methods aside."""
    seen = set()
    for store in altering(trace, model):
        place = store.scope.file.place(store.statement)
        if place not in seen:
            seen.add(place)
            yield expression(store.statement, store.scope)


def altering(trace: Trace, model: Object) -> Iterator[Store]:
    """What is stored in a model after it was built, by other code than its own methods."""
    for store in trace.stores:
        inside = any(isinstance(entry, Call) and is_module(entry.receiver) for entry in store.path)
        wraps = any(wrapped_model(one) is not None for one in objects(store.value))
        if not (inside or wraps) and (store.owner is model or _is_part(store.owner, model)):
            yield store


def is_module(value: Value | None) -> bool:
    """True for an ``nn.Module``."""
    return isinstance(value, Object) and value.is_module


def wrappers_of(trace: Trace, model: Object) -> list[Wrapper]:
    """The wrappers put around a model, in the order they are put on."""
    found: dict[Place, Wrapper] = {}
    for value in trace.objects:
        if wrapped_model(value) is None or unwrapped(value) is not model:
            continue
        path = trace.events[value.event].path
        conditional = any(isinstance(entry, Branch) for entry in path)
        found[value.place] = Wrapper(
            value.short_kind, "_orig_mod" if value.short_kind == "compile" else "module", conditional, value.place
        )
    return list(found.values())


def name_at(scope: Scope, model: Object, training: TrainingLoop, trace: Trace) -> str:
    """The name of a model in the code of a scope: a variable, an attribute of ``self``, or as it was called."""
    inner: Scope | None = scope
    while inner is not None:
        for name, value in inner.variables.items():
            if not inner.is_class and any(unwrapped(one) is model for one in options(value)):
                return name
        receiver = inner.variables.get("self")
        for name, value in receiver.attributes.items() if isinstance(receiver, Object) else ():
            if any(unwrapped(one) is model for one in options(value)):
                return f"self.{name}"
        inner = inner.parent
    for event in trace.events:
        if event.name == "()" and event.within(training.epoch) and unwrapped(event.receiver) is model:
            return text_of(event.node.func)
    return model.names[-1] if model.names else ""
