"""Build the model by name: by its class, or by a function of the project that returns it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from engine.facts import Facts, FirstWeights, ModelFact, Symbol
from engine.facts.constructor import parameter_names
from engine.facts.library import DATA_READERS
from engine.facts.source_text import positional_parameters
from engine.facts.trace import Call
from engine.facts.values import Class, Function, Member, Object, Value, options, plain
from engine.plan.importing import unliftable
from engine.plan.layout import dotted_name
from engine.plan.model_globals import lifted
from engine.plan.server_model import ModelPlan, pinned
from engine.plan.slicing import slice_module
from engine.source import SourceFile


@dataclass(frozen=True)
class Builder:
    """A class or function of the project that builds the model, with its arguments by name; of a function, also as the
    values that it is passed."""

    definition: Class | Function
    args: dict[str, Any]
    source: str
    values: dict[str, Value] = field(default_factory=dict)


def builders(facts: Facts, model: ModelFact) -> Iterator[Builder]:
    """What builds the model: its class first, then the functions that return it, innermost first."""
    if model.value.cls is None:
        return
    if not model.positional:
        yield Builder(model.value.cls, _spelled_out(model), model.arguments_source)
    events = facts.trace.events
    path = events[model.value.event].path if model.value.event < len(events) else ()
    for entry in reversed([entry for entry in path if isinstance(entry, Call)]):
        made = [
            e for e in events if e.node is entry.node and e.function is not None and model.value in options(e.result)
        ]
        if not made or "." in entry.function.qualified_name:
            return
        names = positional_parameters(entry.function.node)
        passed = {**dict(zip(names, made[0].args, strict=False)), **made[0].kwargs}
        yield Builder(entry.function, {name: plain(value) for name, value in passed.items()}, "unresolved", passed)


def _spelled_out(model: ModelFact) -> dict[str, Any]:
    """The constructor's arguments; those handed over in an unknown ``**mapping`` stand for every parameter left. What
    is a member of an enumeration, which JSON has not, is left out where it is what the constructor takes anyway."""
    args = {name: value for name, value in model.arguments.items() if not name.startswith("*")}
    if len(args) < len(model.arguments):
        args |= {name: ... for name in parameter_names(model.value) if name not in args}
    usual = _default_members(model.value)
    return {name: v for name, v in args.items() if not isinstance(v, Symbol) or v.kind != usual.get(name)}


def _default_members(model: Object) -> dict[str, str]:
    """The names of the members of enumerations that are defaults of the constructor's parameters."""
    constructor = model.cls.find("__init__") if model.cls is not None else None
    if not isinstance(constructor, Function):
        return {}
    spec = constructor.node.args
    pairs = [
        *zip(reversed(spec.args), reversed(spec.defaults), strict=False),
        *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
    ]
    found = {}
    for parameter, default in pairs:
        named = isinstance(default, ast.Attribute) and isinstance(default.value, ast.Name)
        owner = constructor.scope.look_up(default.value.id) if named else None
        member = plain(owner.find(default.attr)) if isinstance(owner, Class) else None
        found |= {parameter.arg: member.name} if isinstance(member, Member) else {}
    return found


def _taken(definition: Class | Function, given: dict[str, Any]) -> dict[str, Any]:
    """Those of the pinned arguments that a class or function has a parameter for; all where it does not say."""
    function = definition.find("__init__") if isinstance(definition, Class) else definition
    if not isinstance(function, Function) or function.node.args.kwarg:
        return given
    spec = function.node.args
    names = {parameter.arg for parameter in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)}
    return {name: value for name, value in given.items() if name in names}


def by_name(
    facts: Facts, layout: dict[str, tuple[str, ...]], new_file: str, builder: Builder, given: dict[str, Any]
) -> ModelPlan | None:
    """Build by a class or function of the project, where it stands or moved out of the script."""
    definition = builder.definition
    file, name = definition.file, definition.name
    args, missing = pinned(builder.args, _taken(definition, given), builder.source)
    if file is not facts.project.entry:
        if not _importable(facts, file) or "." in definition.qualified_name:
            return None
        return ModelPlan(f"{dotted_name(layout[file.name][0])}.{name}", args, missing=missing)
    found = slice_module(file, {name})
    other = lifted(facts, file, name, given) if found.problem else None
    found = other.found if other is not None else found
    refused = unliftable(facts, found)
    if refused is not None:
        return refused
    text = found.text(f"The model, where the server can build it without running {file.path.name}.")
    path = f"{dotted_name(new_file)}.{name}"
    plan = ModelPlan(path, args, missing, new_file, text, found.moved, found.exported)
    if other is None:
        return plan
    return replace(plan, missing=(*missing, *other.missing), defaults=other.defaults, sizes=other.sizes)


def _importable(facts: Facts, file: SourceFile) -> bool:
    """True where importing a module neither reads arguments nor data, nor trains."""
    module = facts.trace.modules.get(file.name)
    if module is None:
        return False
    for event in facts.trace.events:
        if event.scope is not module.scope:
            continue
        if event.function is not None or event.name in (".parse_args", ".parse_known_args", ".step", ".backward"):
            return False
        if event.name.startswith(DATA_READERS) or event.name in ("torch.load", "sys.exit", "builtins.input"):
            return False
    return True


def sets_all(weights: tuple[FirstWeights, ...], builder: Builder) -> bool:
    """True where a function of the project that builds the model sets all its weights too; those aside that a file may
    bring."""
    set_by = [each.event.calls for each in weights if each.origin != "file"]
    if not set_by or any(each.origin == "file" and each.certain for each in weights):
        return False
    return all(any(call.function is builder.definition for call in around) for around in set_by)
