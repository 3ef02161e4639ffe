"""Questions several rules ask of the facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.source_text import FUNCTIONS, contains
from engine.facts.trace import Event, Loop
from engine.facts.values import Choice, Class, Mapping, Object, Sequence, Value
from engine.result import UserError

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.source import SourceFile

_DEEPEST = 12


def calls_of(facts: Facts, *prefixes: str) -> Iterator[Event]:
    """The calls whose qualified name starts with one of the prefixes, in the order of the program."""
    return (event for event in facts.trace.events if event.name.startswith(prefixes))


def in_training(facts: Facts, event: Event) -> bool:
    """True for a call within the epoch loop."""
    return facts.loop is not None and event.within_node(facts.loop.loop.node)


def local_classes(model: Value) -> list[Class]:
    """The project's classes that a model is made of, its own first."""
    found = [part.cls for part in parts_of(model) if part.cls is not None]
    return [cls for index, cls in enumerate(found) if cls not in found[:index]]


def parts_of(value: Value | None, depth: int = 0, seen: set[int] | None = None) -> Iterator[Object]:
    """A model and every object it is built from: its attributes, and what containers of it were given."""
    seen = seen if seen is not None else set()
    if value is None or id(value) in seen or depth > _DEEPEST:
        return
    seen.add(id(value))
    if isinstance(value, Object):
        yield value
        inner = [*value.attributes.values()]
        if value.cls is None:
            inner += [*value.args, *value.kwargs.values()]
    elif isinstance(value, Choice):
        inner = value.options
    elif isinstance(value, Sequence):
        inner = value.items
    elif isinstance(value, Mapping):
        inner = [*value.items.values(), *value.rest]
    else:
        return
    for part in inner:
        yield from parts_of(part, depth + 1, seen)


def methods(cls: Class) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods of a class, those that it inherits from the project's classes among them."""
    known: set[str] = set()
    for base in local_bases(cls):
        own = [node for node in base.node.body if isinstance(node, FUNCTIONS)]
        yield from (node for node in own if node.name == "__init__" or node.name not in known)
        known |= {node.name for node in own}


def local_bases(cls: Class) -> list[Class]:
    """A class and those of the project that it derives from."""
    return [base for base in cls.ancestry() if isinstance(base, Class)]


def file_of(cls: Class, node: ast.AST) -> SourceFile:
    """The file of the class, of this one and those it derives from, in which a node stands."""
    return next((base.file for base in local_bases(cls) if contains(base.node, node)), cls.file)


def self_attribute(node: ast.AST) -> str | None:
    """``x`` for ``self.x``, ``None`` for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def live_nodes(facts: Facts) -> Iterator[tuple[SourceFile, ast.AST]]:
    """Every node of the code the entry executes: its modules' own statements and the functions that are called."""
    called = {id(call.function.node) for event in facts.trace.events for call in event.calls}
    called |= {id(event.function.node) for event in facts.trace.events if event.function}
    for module in facts.trace.modules.values():
        try:
            tree = module.file.tree if module.file else ast.Module([], [])
        except UserError:
            continue  # a module that does not parse was never entered
        yield from ((module.file, node) for node in _live(tree, called))


def _live(root: ast.AST, called: set[int]) -> Iterator[ast.AST]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, FUNCTIONS) or id(node) in called:
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def outer_loops(facts: Facts) -> list[Loop]:
    """The loops around the epoch loop, outermost first."""
    return [entry for entry in facts.loop.path if isinstance(entry, Loop)] if facts.loop else []
