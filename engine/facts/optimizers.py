"""What steps an optimizer, and whose parameters it changes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.facts.source_text import text_of
from engine.facts.trace import Event
from engine.facts.values import Choice, Mapping, Object, Parameters, Sequence, Value, objects, options, plain

SCALERS = {"GradScaler", "ShardedGradScaler"}
OPTIMIZER_NAME = re.compile(r"opt(?!ion)|solver|sgd|adam", re.IGNORECASE)
SCHEDULE_NAME = re.compile(r"sched(?!ule_?free)|annealing|warmup|\blr_", re.IGNORECASE)
NEVER_STEPS_WEIGHTS = re.compile(
    r"profil|tqdm|progress|meter|timer|\benv|gym|wandb|writer|logger|metric|ema|swa_", re.IGNORECASE
)
BACKWARD = (".backward", ".manual_backward")
DEEPEST_NESTING = 8
ADDED_GROUPS = "added parameter groups"
PARAMETERS = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")


def stepped_optimizer(event: Event) -> Value | None:
    """The optimizer that a call steps; None where the call is not an optimizer's step."""
    passed = [*event.args, *event.kwargs.values()]
    handed = next((argument for argument in passed if any(map(is_optimizer, objects(argument)))), None)
    if is_scaling_step(event):
        return handed
    if event.function is not None:
        return event.receiver if is_own_step(event) else None
    if event.receiver is None or not event.name.endswith(".step"):
        return None
    if is_scaler(event.receiver) or (handed is not None and not is_optimizer(event.receiver)):
        return handed or (passed[0] if passed else event.receiver)
    if is_scheduler(event.receiver):
        return None
    if is_optimizer(event.receiver):
        return event.receiver
    text = text_of(event.node.func.value) if isinstance(event.node.func, ast.Attribute) else ""
    kind = event.receiver.kind if isinstance(event.receiver, Object) else ""
    if any(pattern.search(name) for pattern in (SCHEDULE_NAME, NEVER_STEPS_WEIGHTS) for name in (text, kind)):
        return None
    return event.receiver if OPTIMIZER_NAME.search(text) else None


def is_own_step(event: Event) -> bool:
    """True for the ``step`` of an optimizer written in the project, which leaves the update to no other optimizer."""
    own = any(one.cls is not None and is_optimizer(one) for one in objects(event.receiver))
    if not own or event.function.name != "step":
        return False
    called = [node.func for node in ast.walk(event.function.node) if isinstance(node, ast.Call)]
    return not any(isinstance(callee, ast.Attribute) and callee.attr == "step" for callee in called)


def is_scaling_step(event: Event) -> bool:
    """True for ``loss_scaler(loss, optimizer, ...)`` of a library, which scales, goes backward and steps."""
    scaler = event.receiver
    called = event.name == "()" and isinstance(scaler, Object) and scaler.cls is None
    return called and "scaler" in scaler.kind.lower() and any(map(is_optimizer, map(_first, event.args)))


def _first(value: Value) -> Object | None:
    """The first object a value may be."""
    return next(iter(objects(value)), None)


def goes_backward(event: Event) -> bool:
    """True for a call that computes gradients."""
    return event.name.endswith(BACKWARD) or event.name == "torch.autograd.grad" or is_scaling_step(event)


def stepped_name(event: Event, optimizer: Value) -> str:
    """The optimizer as it is written in the call that steps it."""
    if not any(map(is_optimizer, objects(event.receiver))) and optimizer is not event.receiver:
        pairs = list(zip(event.node.args, event.args, strict=False))
        handed = next((node for node, value in pairs if any(map(is_optimizer, objects(value)))), None)
        first = next(iter(event.node.args), None)
        if handed is not None or first is not None:
            return text_of(handed or first)
    return text_of(event.node.func.value) if isinstance(event.node.func, ast.Attribute) else ""


def is_scaler(value: Value | None) -> bool:
    """True for a gradient scaler of mixed precision."""
    return isinstance(value, Object) and value.short_kind in SCALERS


def is_optimizer(value: Value | None) -> bool:
    """True for an optimizer: of ``torch.optim``, derived from it, or whatever class was built from parameters."""
    if not isinstance(value, Object) or is_scheduler(value) or is_scaler(value) or value.is_module:
        return False
    if value.cls is not None:
        return value.cls.derives_from("torch.optim.")
    if value.kind.startswith("torch.optim."):
        return value.kind.count(".") > 1 and (value.short_kind[:1].isupper() or value.short_kind == "?")
    named = OPTIMIZER_NAME.search(value.kind) or any(OPTIMIZER_NAME.search(name) for name in value.names)
    return bool(named) and not value.short_kind.startswith("clip_") and (value.receiver is None or "()" in value.kind)


def is_scheduler(value: Value | None) -> bool:
    """True for a learning-rate schedule: of ``lr_scheduler``, derived from one, or named so."""
    if not isinstance(value, Object):
        return False
    if ".lr_scheduler." in value.kind or (value.cls is not None and value.cls.derives_from("torch.optim.lr_scheduler")):
        return True
    if value.kind.startswith("torch.optim."):
        return False
    return bool(SCHEDULE_NAME.search(value.kind)) or any(SCHEDULE_NAME.search(name) for name in value.names)


def parameters_in(value: Value | None, depth: int = 0) -> Iterator[Parameters]:
    """The parameters a value is made of; groups, dictionaries and lists of them are looked into."""
    if depth > DEEPEST_NESTING or value is None:
        return
    if isinstance(value, Parameters):
        yield value
        return
    parts = _parts(value)
    either = [part for part in parts if isinstance(part, Parameters)] if isinstance(value, Choice) else []
    if either:
        yield Parameters([Choice([owner for part in either for owner in part.owners], value.default_first)])
    for part in parts:
        if part not in either:
            yield from parameters_in(part, depth + 1)


def _parts(value: Value) -> list[Value]:
    """What a container of parameters holds."""
    if isinstance(value, Choice):
        return value.options
    if isinstance(value, Sequence):
        return value.items
    if isinstance(value, Mapping):
        return [*value.items.values(), *value.rest]
    if isinstance(value, Object) and value.parent is not None and value.kind.endswith(".param_groups"):
        return [value.parent[0]]  # of the optimizer around this one, as in SAM and Lookahead
    if isinstance(value, Object) and (value.cls is None or is_optimizer(value)) and not value.is_module:
        return [*value.args, *value.kwargs.values(), *([value.receiver] if value.receiver else [])]
    return []


def trained_by(optimizer: Value) -> list[list[Value]]:
    """The modules whose parameters an optimizer was given, each as the alternatives it may be.

    Args:
        optimizer: what steps; several where branches choose between optimizers.
    """
    groups: list[list[Value]] = []
    for option in options(optimizer):
        if not isinstance(option, Object):
            continue
        for index, owner in enumerate(_owners_of(option)):
            while len(groups) <= index:
                groups.append([])
            groups[index].extend(one for one in options(owner) if one not in groups[index])
    return groups


def _owners_of(optimizer: Object) -> list[Value]:
    """The modules an optimizer was built from: by their parameters, or handed over whole to a factory."""
    owners: list[Value] = []
    given = given_to(optimizer)
    if optimizer.cls is not None:
        given += [value for name, value in optimizer.attributes.items() if "param" in name]
    for value in given:
        owners.extend(owner for parameters in parameters_in(value) for owner in parameters.owners)
    return owners or [module for value in given for module in _modules_in(value)]


def given_to(optimizer: Object) -> list[Value]:
    """What an optimizer was built from, and the groups that were added to it since."""
    added = optimizer.attributes.get(ADDED_GROUPS)
    return [*optimizer.args, *optimizer.kwargs.values(), *([added] if added is not None else [])]


def loose_parameters(optimizer: Value | None) -> Iterator[Object]:
    """The tensors that an optimizer was given and that are stored in no module."""
    for option in options(optimizer):
        for value in given_to(option) if isinstance(option, Object) and is_optimizer(option) else ():
            yield from _loose(value)


def _loose(value: Value, depth: int = 0) -> Iterator[Object]:
    """The tensors in a value that require a gradient by themselves and belong to nothing."""
    if isinstance(value, Object) and _asks_for_gradient(value):
        owner = value.parent[0] if value.parent is not None else None
        registered = owner is not None and (owner.cls is None or owner.is_module and value.kind in PARAMETERS)
        if not registered:
            yield value
    elif not isinstance(value, (Object, Parameters)) and depth < DEEPEST_NESTING:
        for part in _parts(value):
            yield from _loose(part, depth + 1)


def _asks_for_gradient(value: Object) -> bool:
    """True for an ``nn.Parameter``, and for a tensor built with ``requires_grad``."""
    tensor = value.kind.startswith("torch.") and not value.is_module
    return value.kind in PARAMETERS or (tensor and plain(value.kwargs.get("requires_grad")) is True)


def _modules_in(value: Value, depth: int = 0) -> Iterator[Value]:
    """The modules handed over whole, to an optimizer or to a helper that sorts their parameters."""
    if any(one.is_module for one in objects(value)):
        yield value
    elif depth < DEEPEST_NESTING:
        for part in _parts(value):
            yield from _modules_in(part, depth + 1)
