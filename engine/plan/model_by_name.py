"""Build the model by name: by its class, or by a function of the project that returns it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.facts import Facts, FirstWeights, ModelFact
from engine.facts.constructor import parameter_names
from engine.facts.library import DATA_READERS
from engine.facts.source_text import positional_parameters
from engine.facts.trace import Call
from engine.facts.values import Class, Function, options, plain
from engine.plan.importing import unimportable
from engine.plan.layout import dotted_name
from engine.plan.server_model import ModelPlan, pinned, unbuildable
from engine.plan.slicing import slice_module
from engine.source import SourceFile


@dataclass(frozen=True)
class Builder:
    """A class or function of the project that builds the model, with its arguments by name."""

    definition: Class | Function
    args: dict[str, Any]
    source: str


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
        yield Builder(entry.function, {name: plain(value) for name, value in passed.items()}, "unresolved")


def _spelled_out(model: ModelFact) -> dict[str, Any]:
    """The constructor's arguments; those handed over in an unknown ``**mapping`` stand for every parameter left."""
    args = {name: value for name, value in model.arguments.items() if not name.startswith("*")}
    if len(args) < len(model.arguments):
        args |= {name: ... for name in parameter_names(model.value) if name not in args}
    return args


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
    if found.problem:
        return unbuildable(found)
    refused = unimportable(facts, found)
    if refused is not None:
        return refused
    text = found.text(f"The model, where the server can build it without running {file.path.name}.")
    path = f"{dotted_name(new_file)}.{name}"
    return ModelPlan(path, args, missing, new_file, text, found.moved, found.exported)


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
    """True where a function of the project that builds the model sets all its weights too, without a file."""
    calls = [each.event.calls for each in weights if each.origin != "file"]
    return len(calls) == len(weights) and all(
        any(call.function is builder.definition for call in around) for around in calls
    )
