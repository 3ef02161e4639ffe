"""Assign values: to names, attributes and elements, beside what other branches have stored there."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.facts import containers
from engine.facts.source_text import ties
from engine.facts.trace import DataStore, Store
from engine.facts.values import (
    CONFIG,
    CONSTANT,
    LITERAL,
    Class,
    Literal,
    LocalModule,
    Object,
    Scope,
    Unknown,
    Value,
    choose,
    each,
    objects,
    options,
)

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter


def bind(interpreter: Interpreter, target: ast.expr, value: Value, scope: Scope) -> None:
    """Assign a value to a target."""
    if isinstance(target, ast.Name):
        _name(value, target.id)
        if scope.parent is None or scope.is_class or target.id in scope.global_names:
            value = as_constant(value)
        scope.owner_of(target.id).variables[target.id] = value
    elif isinstance(target, ast.Attribute):
        owner = interpreter.value(target.value, scope)
        _name(value, ast.unparse(target))
        set_attribute(interpreter, owner, target.attr, value)
        note_store(interpreter, owner, value, scope)
        if target.attr == "data" and isinstance(interpreter.statement, ast.Assign):
            store = DataStore(owner, target.value, interpreter.statement.value, scope, interpreter.path)
            interpreter.trace.data_stores.append(store)
    elif isinstance(target, (ast.Tuple, ast.List)):
        unpack(interpreter, target.elts, value, scope)
    elif isinstance(target, ast.Starred):
        bind(interpreter, target.value, Unknown(), scope)
    elif isinstance(target, ast.Subscript):
        owner = interpreter.value(target.value, scope)
        containers.set_item(interpreter, owner, interpreter.value(target.slice, scope), value)
        note_store(interpreter, owner, value, scope)


def unpack(interpreter: Interpreter, targets: list[ast.expr], value: Value, scope: Scope) -> None:
    """Assign the elements of a value to several targets."""
    for index, target in enumerate(targets):
        bind(
            interpreter,
            target,
            each(value, lambda option, at=index: containers.item_of(option, at)),
            scope,
        )


def set_attribute(interpreter: Interpreter, owner: Value, name: str, value: Value) -> None:
    """Store a value on an object, beside what other branches stored there."""
    for option in options(owner):
        if isinstance(option, Object):
            source = CONFIG if option.cls is None else CONSTANT
            option.attributes[name] = beside(interpreter, option.attributes.get(name), as_constant(value, source))
            for part in objects(value):
                if part.parent is None and part is not option and (option.is_module or part.is_module):
                    part.parent = (option, name)
        elif isinstance(option, LocalModule):
            option.scope.variables[name] = value
        elif isinstance(option, Class):
            option.body.variables[name] = value


def note_store(interpreter: Interpreter, owner: Value, value: Value, scope: Scope) -> None:
    """Note a module stored on an object, and a weight that is tied to another."""
    for option in objects(owner):
        modules = any(part.is_module for part in objects(value))
        if interpreter.statement is not None and (modules or ties(interpreter.statement)):
            interpreter.trace.stores.append(Store(option, value, interpreter.statement, scope, interpreter.path))


def beside(interpreter: Interpreter, old: Value | None, value: Value) -> Value:
    """What is stored where a value is stored in a branch: it replaces the old one by default, or perhaps."""
    default = interpreter.is_default()
    if old is None:
        return as_constant(value)
    if default == "always":
        return value
    if default == "yes":
        return choose([value, old], default_first=True)
    return choose([old, value], default_first=default == "no")


def as_constant(value: Value, source: str = CONSTANT) -> Value:
    """A literal that has a name, which its author or other code may set otherwise."""
    return replace(value, source=source) if isinstance(value, Literal) and value.source == LITERAL else value


def _name(value: Value, name: str) -> None:
    """Remember what an object is called."""
    for option in options(value):
        if isinstance(option, Object) and name not in option.names:
            option.names.append(name)
