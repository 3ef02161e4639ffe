"""What loops, unpackings and subscripts take out of a value, and put into it."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from engine.facts import binding, expressions
from engine.facts.library import comes_from_data
from engine.facts.values import (
    DATASET,
    Class,
    EnvironmentVariable,
    External,
    Function,
    Literal,
    LocalModule,
    Mapping,
    Object,
    Parameters,
    Scope,
    Sequence,
    Unknown,
    Value,
    choose,
    least_certain,
    options,
    plain,
    plain_key,
)
from engine.result import Place

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter


def element_of(interpreter: Interpreter, iterable: Value) -> Value:
    """What a loop's variable stands for."""
    found: list[Value] = []
    for option in options(iterable):
        if isinstance(option, Sequence):
            found.append(choose(option.items) if option.items else Unknown())
        elif isinstance(option, Parameters):
            found.append(option)
        elif isinstance(option, Mapping):
            found.append(choose([Literal(key) for key in option.items]) if option.items else Unknown())
        elif isinstance(option, Object):
            found.append(_element_of_object(interpreter, option))
        else:
            found.append(Unknown(DATASET if comes_from_data(option) else ""))
    return choose(found)


def _element_of_object(interpreter: Interpreter, value: Object) -> Value:
    """An element of what a library or a comprehension gave back."""
    if value.kind == "builtins.range":
        return Unknown()
    if value.kind == "builtins.enumerate" and value.args:
        return Sequence([Unknown(), element_of(interpreter, value.args[0])], "tuple")
    if value.kind == "builtins.zip":
        return Sequence([element_of(interpreter, argument) for argument in value.args], "tuple")
    if value.kind.startswith(("tqdm", "rich.progress", "builtins.reversed", "builtins.sorted", "builtins.iter")):
        return element_of(interpreter, value.args[0]) if value.args else Unknown()
    if value.kind in ("builtins.list", "builtins.generator", "builtins.set", "builtins.tuple") and value.args:
        is_call = isinstance(value.node, ast.Call) and value.kind != "builtins.generator"
        return Unknown() if is_call else value.args[0]
    if value.cls is not None and not value.is_module:
        method = value.cls.find("__iter__")
        if isinstance(method, Function) and value.node is not None and value.scope is not None:
            interpreter.call_function(method, value.node, value.scope, [], {}, value)
    return Unknown(DATASET if comes_from_data(value) else "")


def entered_value(value: Value) -> Value:
    """What ``with ... as name`` binds."""
    return value


def item_of(value: Value, index: int) -> Value:
    """One of the values an unpacking assigns."""
    if isinstance(value, Sequence):
        return value.items[index] if index < len(value.items) else Unknown()
    if isinstance(value, Parameters):
        return value
    if isinstance(value, Object):
        key = f"[{index}]"
        if key not in value.attributes:
            part = Object(f"{value.kind}{key}", value.place, value.node, scope=value.scope, receiver=value)
            value.attributes[key] = part
        return value.attributes[key]
    return Unknown(value.source) if isinstance(value, Unknown) else Unknown()


def get_item(interpreter: Interpreter, owner: Value, key: Value, node: ast.Subscript, scope: Scope) -> Value:
    """What a subscript gives."""
    known = plain_key(key)
    if isinstance(owner, LocalModule):
        if isinstance(known, str):
            return expressions.module_attribute(interpreter, owner, known)
        return any_member(owner)
    if isinstance(owner, Mapping):
        if known is not ... and known in owner.items:
            return owner.items[known]
        return choose([*owner.items.values(), *owner.rest]) if known is ... else choose([*owner.rest, Unknown()])
    if isinstance(owner, Sequence):
        if isinstance(known, int) and -len(owner.items) <= known < len(owner.items):
            return owner.items[known]
        return choose(list(owner.items)) if owner.items else Unknown()
    if isinstance(owner, External):
        if isinstance(known, str) and owner.name.endswith(".__dict__"):
            return External(f"{owner.name.removesuffix('.__dict__')}.{known}")
        if isinstance(known, str) and owner.name == "os.environ":
            return EnvironmentVariable(name=known, written=(node, scope))
        return External(f"{owner.name}[]")
    if isinstance(owner, Object):
        method = owner.cls.find("__getitem__") if owner.cls is not None and not owner.is_module else None
        if isinstance(method, Function) and not owner.cls.derives_from("torch.utils.data."):
            return interpreter.call_function(method, node, scope, [key], {}, owner)
        text = known if isinstance(known, (int, str)) else ""
        name = f"[{text!r}]" if text != "" else "[]"
        if owner.kind.endswith((".shape", ".size")) and comes_from_data(owner):
            return Unknown(DATASET)
        if name not in owner.attributes:
            part = Object(f"{owner.kind}{name}", scope.file.place(node), node, scope=scope, receiver=owner)
            if owner.is_module or owner.parent:
                part.parent = (owner, name)
            owner.attributes[name] = part
        return owner.attributes[name]
    return Unknown(owner.source) if isinstance(owner, Unknown) else Unknown()


def any_member(module: LocalModule) -> Value:
    """Any of what a module defines itself: its classes where it has some, its functions otherwise."""
    own = [v for v in module.scope.variables.values() if isinstance(v, (Class, Function)) and v.file is module.file]
    imported = [v for v in module.scope.variables.values() if isinstance(v, (Class, Function))]
    classes = [value for value in own if isinstance(value, Class)]
    return choose(list(classes or own or imported))


def set_item(interpreter: Interpreter, owner: Value, key: Value, value: Value) -> None:
    """Store a value under a key, beside what other branches stored there."""
    known = plain_key(key)
    for option in options(owner):
        if isinstance(option, Mapping):
            if known is ...:
                option.rest.extend((key, value))
            else:
                option.items[known] = binding.beside(interpreter, option.items.get(known), value)
        elif isinstance(option, Sequence):
            if isinstance(known, int) and -len(option.items) <= known < len(option.items):
                option.items[known] = value
            else:
                option.items.append(value)
        elif isinstance(option, Object):
            name = f"[{known!r}]" if known is not ... else "[]"
            option.attributes[name] = binding.beside(interpreter, option.attributes.get(name), value)


def join_path(left: Value, right: Value, place: Place, node: ast.AST, scope: Scope) -> Value:
    """A path made of parts, where they are known."""
    parts = [plain(left.args[0]) if isinstance(left, Object) and left.args else plain(left), plain(right)]
    result = Object("pathlib.Path", place, node, scope=scope, receiver=left)
    if all(isinstance(part, str) for part in parts):
        result.args = [Literal(os.path.join(*parts), least_certain((right,)), parts=(left, right))]
    return result
