"""The arguments an object was built with, and where their values come from."""

from __future__ import annotations

import ast
from typing import Any

from engine.facts.library import comes_from_data, is_namespace
from engine.facts.program import Symbol
from engine.facts.source_text import text_of
from engine.facts.values import (
    ARGUMENTS,
    CERTAINTY,
    CONSTANT,
    DATASET,
    LITERAL,
    UNRESOLVED,
    Choice,
    Class,
    External,
    Function,
    Literal,
    Mapping,
    Member,
    Object,
    Sequence,
    Value,
    plain,
    source_of,
)

ORIGINS = ("none", *CERTAINTY)
DEEPEST = 6


LAYERS = {"torch.nn.Linear": ["in_features", "out_features", "bias"]}


def constructor_arguments(built: Object) -> dict[str, tuple[Value, ast.AST | None]]:
    """The arguments by name, with the expression each is written as; a library's positional ones are numbered."""
    call = built.node if isinstance(built.node, ast.Call) else None
    starred = call is None or any(isinstance(argument, ast.Starred) for argument in call.args)
    written = [] if starred else list(call.args)
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg} if call else {}
    names = parameter_names(built)
    found: dict[str, tuple[Value, ast.AST | None]] = {}
    for index, value in enumerate(built.args):
        name = names[index] if index < len(names) else str(index)
        found[name] = (value, written[index] if index < len(written) else None)
    for name, value in built.kwargs.items():
        found[name] = (value, keywords.get(name))
    return found


def parameter_names(built: Object) -> list[str]:
    """The names of a local class's constructor parameters, ``self`` left out; none for a library's class, but for a
    layer whose arguments have to be asked for by name."""
    if built.kind in LAYERS and any(plain(value) is ... for value in built.args):
        return LAYERS[built.kind]
    constructor = built.cls.find("__init__") if built.cls else None
    if not isinstance(constructor, Function):
        return []
    spec = constructor.node.args
    return [parameter.arg for parameter in [*spec.posonlyargs, *spec.args]][1:]


def argument_value(value: Value, node: ast.AST | None) -> Any:
    """An argument as a plain value, a Symbol for code that can be written again, or ``...``."""
    known = plain(value)
    if isinstance(known, Member):
        return Symbol(text_of(node), known.name)
    if known is not ...:
        return known
    if isinstance(value, Choice) and value.default_first:
        return argument_value(value.options[0], node)
    if isinstance(value, (Class, Function)):
        return Symbol(text_of(node), value.qualified_name)
    if isinstance(value, External):
        return Symbol(text_of(node), value.name)
    if isinstance(value, Object) and origin(value, node) not in (DATASET, UNRESOLVED):
        return Symbol(text_of(node), value.kind, settings_of(value))
    return ...


def settings_of(value: Object) -> dict[str, Any] | None:
    """The plain values that parsed arguments or an object of settings hold; None for any other object."""
    if not is_namespace(value) and (value.cls is None or value.is_module):
        return None
    held = {name: plain(part) for name, part in value.attributes.items() if not name.startswith("#")}
    return {name: known for name, known in held.items() if known is not ...}


def origin(value: Value, node: ast.AST | None, depth: int = 0) -> str:
    """Where a value comes from: ``constant`` for a literal that has a name, an object by what it was built from."""
    if comes_from_data(value):
        return DATASET
    if isinstance(value, Object) and depth < DEEPEST:
        if is_namespace(value):
            return ARGUMENTS
        if value.kind.startswith("?") or (value.cls is None and not _builds(value)):
            return UNRESOLVED
        parts = [*value.args, *value.kwargs.values()]
        return max((origin(part, None, depth + 1) for part in parts), key=ORIGINS.index, default=LITERAL)
    if isinstance(value, (Sequence, Mapping)) and depth < DEEPEST:
        parts = [*value.items.values(), *value.rest] if isinstance(value, Mapping) else value.items
        return max((origin(part, None, depth + 1) for part in parts), key=ORIGINS.index, default=LITERAL)
    source = source_of(value)
    if source == LITERAL and isinstance(value, Literal) and isinstance(node, (ast.Name, ast.Attribute, ast.BinOp)):
        return CONSTANT
    return source


def _builds(value: Object) -> bool:
    """True for the call of a class or of a namespace of PyTorch, whose arguments say all there is to know."""
    return value.short_kind[:1].isupper() or value.kind.startswith(("torch.", "functools.partial"))
