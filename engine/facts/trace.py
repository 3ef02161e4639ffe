"""What the program does, in order: calls with the loops, calls and branches they stand in."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.facts.values import Function, LocalModule, Mapping, Object, Scope, Value, contents
from engine.result import Place, UserError


@dataclass(frozen=True, eq=False)
class Loop:
    """A ``for``, ``while`` or comprehension the program is in.

    Attributes:
        node: the statement.
        place: of the statement.
        scope: the scope it stands in.
        iterable: what a ``for`` runs over.
        known: what the names of its scope and of those around it stand for where it starts.
        held: what the attributes of the project's own objects and of settings, and the entries of dictionaries, stand
            for there: of those that these names name, and of those inside them.
        sides: what the two sides of a ``while``'s comparison stand for there.
    """

    node: ast.AST
    place: Place
    scope: Scope
    iterable: Value | None = None
    known: tuple[tuple[Scope, dict[str, Value]], ...] = ()
    held: tuple[tuple[Object | Mapping, dict[Any, Value]], ...] = ()
    sides: tuple[Value, ...] = ()

    def restore(self) -> None:
        """Let names and attributes mean what they mean where the loop starts."""
        for holder, values in (*self.known, *self.held):
            contents(holder).update(values)


class Once(Loop):
    """The statements of a training that stands in no loop; ``node`` is a module of them."""


@dataclass(frozen=True, eq=False)
class Call:
    """A local function the program is in.

    Attributes:
        function: what is called.
        place: of the call.
        statement: the statement the call stands in, with the caller's scope.
        scope: the callee's scope.
        receiver: the object a method was called on.
        node: the call itself.
    """

    function: Function
    place: Place
    statement: ast.stmt | None
    caller: Scope
    scope: Scope
    receiver: Value | None = None
    node: ast.AST | None = None


@dataclass(frozen=True, eq=False)
class Branch:
    """One side of an ``if``, ``try`` handler or conditional expression the program is in.

    Attributes:
        node: the statement or expression.
        place: of it.
        scope: the scope it stands in.
        taken: True for the side where the test holds.
        default: whether this side is taken unless the user sets an option of the script; None where that is not known.
    """

    node: ast.AST
    place: Place
    scope: Scope
    taken: bool
    default: bool | None = None


@dataclass(frozen=True, eq=False)
class Context:
    """A ``with`` block, or a decorator such as ``torch.no_grad``, by the qualified name of what is entered."""

    name: str
    place: Place
    value: Value | None = None


Entry = Loop | Call | Branch | Context


def is_default(path: tuple[Entry, ...]) -> bool:
    """True for what the program comes to unless the user sets an option or something fails."""
    branches = [entry for entry in path if isinstance(entry, Branch)]
    return not any(branch.default is False or isinstance(branch.node, ast.ExceptHandler) for branch in branches)


def leads_through(path: tuple[Entry, ...], node: ast.AST) -> bool:
    """True for the path of what happens inside a statement or call, on whatever pass."""
    return any(getattr(entry, "node", None) is node for entry in path)


def path_inside(path: tuple[Entry, ...], node: ast.AST) -> tuple[Entry, ...]:
    """What follows a statement or call on a path; nothing where the path does not lead through it."""
    inside = (path[number + 1 :] for number, entry in enumerate(path) if getattr(entry, "node", None) is node)
    return next(inside, ())


def exclude(first: tuple[Entry, ...], second: tuple[Entry, ...]) -> bool:
    """True where no run takes both ways: two sides of one branch, or an exception handler around the second."""
    sides = {id(entry.node): entry.taken for entry in first if isinstance(entry, Branch)}
    branches = [entry for entry in second if isinstance(entry, Branch)]
    return any(isinstance(b.node, ast.ExceptHandler) or sides.get(id(b.node), b.taken) != b.taken for b in branches)


@dataclass(eq=False)
class Event:
    """One call, in the order of the program.

    Attributes:
        number: position in the trace.
        name: qualified name of what is called: ``torch.save``, a method as ``.step``, a local function as ``train``.
        place: of the call.
        node: the call expression.
        statement: the statement it stands in.
        scope: the scope it stands in.
        path: the loops, calls, branches and contexts around it, outermost first.
        receiver: the object a method is called on.
        args, kwargs: the values passed.
        result: what it gives back.
        function: the local function, where one is called.
    """

    number: int
    name: str
    place: Place
    node: ast.Call
    statement: ast.stmt | None
    scope: Scope
    path: tuple[Entry, ...]
    receiver: Value | None = None
    args: tuple[Value, ...] = ()
    kwargs: dict[str, Value] = field(default_factory=dict)
    result: Value | None = None
    function: Function | None = None

    @property
    def loops(self) -> list[Loop]:
        """The loops around it, outermost first."""
        return [entry for entry in self.path if isinstance(entry, Loop)]

    @property
    def calls(self) -> list[Call]:
        """The local calls it is reached through, outermost first."""
        return [entry for entry in self.path if isinstance(entry, Call)]

    def within(self, entry: Entry) -> bool:
        """True where it happens inside a loop, call, branch or context of the trace."""
        return any(step is entry for step in self.path)

    def within_node(self, node: ast.AST) -> bool:
        """True where it happens inside a statement, on whatever pass."""
        return leads_through(self.path, node)


@dataclass(frozen=True, eq=False)
class Store:
    """A value stored on an object: ``model.fc = nn.Linear(512, 10)``, ``model.classifier[6] = ...``.

    Attributes:
        owner: the object.
        value: what is stored.
        statement: the assignment, with its scope.
        path: the loops, calls and branches around it.
    """

    owner: Object
    value: Value
    statement: ast.stmt
    scope: Scope
    path: tuple[Entry, ...]


@dataclass(frozen=True, eq=False)
class DataStore:
    """A tensor that is given other values by assignment: ``p.data = kept``.

    Attributes:
        owner: what ``p`` stands for.
        written, given: ``p`` and what it is given, as expressions.
        scope: the scope they stand in.
        path: the loops, calls and branches around it.
    """

    owner: Value
    written: ast.expr
    given: ast.expr
    scope: Scope
    path: tuple[Entry, ...]


@dataclass(eq=False)
class Trace:
    """Everything the entry does.

    Attributes:
        events: the calls, in order.
        objects: what was built, in order.
        modules: the local modules executed, by file name.
        loops: every loop entered, with the entries around it.
        calls: every call of a function of the project that was followed.
        exits: ``return``, ``break``, ``continue`` and ``raise`` met, with the entries around each.
        stores: what is stored on objects, in order.
        data_stores: what is assigned to the data of tensors, in order.
        settings_files: files opened and read as configurations.
        needed_options: options without a value that name a file of settings the program reads.
        unreadable: what is wrong with files that are imported and cannot be read.
        exhausted: why the program was not followed to its end; empty where it was.
    """

    events: list[Event] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    modules: dict[str, LocalModule] = field(default_factory=dict)
    loops: list[tuple[Loop, tuple[Entry, ...]]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    exits: list[tuple[ast.stmt, Place, tuple[Entry, ...]]] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    data_stores: list[DataStore] = field(default_factory=list)
    settings_files: list[Object] = field(default_factory=list)
    needed_options: list[Any] = field(default_factory=list)
    unreadable: list[UserError] = field(default_factory=list)
    exhausted: str = ""

    def add_object(
        self, kind: str, node: ast.AST, scope: Scope, args: Sequence[Value] = (),
        kwargs: dict[str, Value] | None = None, receiver: Value | None = None,
    ) -> Object:  # fmt: skip
        """Note what the latest call gives back: an object of a library's kind."""
        result = Object(
            kind, scope.file.place(node), node, receiver=receiver, args=list(args), kwargs=dict(kwargs or {}),
            scope=scope, event=len(self.events) - 1,
        )  # fmt: skip
        self.objects.append(result)
        return result

    def named(self, *names: str) -> Iterator[Event]:
        """The calls of one of these qualified names; ``.step`` names a method whatever its receiver."""
        wanted = set(names)
        return (event for event in self.events if event.name in wanted)

    def where(self, condition: Callable[[Event], bool]) -> Iterator[Event]:
        """The calls that meet a condition."""
        return (event for event in self.events if condition(event))
