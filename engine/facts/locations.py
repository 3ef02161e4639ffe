"""Where a program keeps its values, and what each location comes from at the point that a pass of the epoch loop has
reached. What is changed in place is changed under every name it has."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from engine.facts.trace import Loop, Trace
from engine.facts.values import Class, External, Function, LocalModule, Object, Scope, Unknown, value_of

BATCH, OUTPUT, MEASURED, DATA = "batch", "output", "measured", "data"
"""Where values come from that are learned: a batch, the model in training, the model in evaluation, and all data."""
LEARNED = frozenset({BATCH, OUTPUT, MEASURED, DATA})
NONE: frozenset = frozenset()

Holder = Scope | Object | Class | Function


@dataclass(frozen=True)
class Location:
    """Where a value is kept: a variable of a scope, or an attribute of something.

    Attributes:
        holder: the scope, object, class or function.
        name: of the variable or attribute.
    """

    holder: Holder
    name: str


Origins = frozenset[Location | str]
"""What a value comes from: locations as they are when the pass begins, and what is learned."""


@dataclass(frozen=True)
class Change:
    """The first statement of a pass that keeps something learned in a location.

    Attributes:
        statement, scope: the statement.
        target: the location as it is written there.
    """

    statement: ast.stmt
    scope: Scope
    target: ast.expr


class Locations:
    """What the locations come from at one point of a pass, and what the pass has done to them so far.

    Attributes:
        now: what a location comes from, where that is not what it was when the pass began.
        aliases: the other locations of the same value, which are changed in place with it.
        written: the locations that were given something.
        changes: those that live on and in which something learned is kept.
        changed_by_evaluation: those in which an evaluation keeps something.
        read_by_evaluation: what the evaluations have read.
        left_by_first: what is read only after the first epoch, and so is there before the others.
        called: the scopes of the functions that the pass calls.
        made: those of them that the trace does not know.
        statement: the statement being followed, with its scope.
        measuring: True within an evaluation.
        guards: how many tests of the epoch the pass is within.
    """

    def __init__(self, trace: Trace, epoch: Loop) -> None:
        self.trace, self.epoch = trace, epoch
        self.before = {scope: set(names) for scope, names in epoch.known}
        self.now: dict[Location, Origins] = {}
        self.aliases: dict[Location, list[Location]] = {}
        self.written: set[Location] = set()
        self.changes: dict[Location, Change] = {}
        self.changed_by_evaluation: set[Location] = set()
        self.read_by_evaluation: set[Location | str] = set()
        self.left_by_first: set[Location] = set()
        self.called: set[Scope] = set()
        self.made: set[Scope] = set()
        self.statement: tuple[ast.stmt, Scope] | None = None
        self.measuring = False
        self.guards = 0

    def read(self, place: Location) -> Origins:
        """What a location comes from at this point."""
        origins = self.now.get(place, frozenset({place}))
        if self.measuring:
            self.read_by_evaluation |= origins
        elif self.guards and place not in self.now:
            self.left_by_first.add(place)
        return origins

    def read_all(self, places: Iterable[Location]) -> Origins:
        """What several locations come from together."""
        return NONE.union(*map(self.read, places))

    def set(self, place: Location, origins: Origins) -> None:
        """Say what a location comes from now."""
        self.now[place] = origins
        self.written.add(place)

    def assign(self, target: ast.Name | ast.Attribute, origins: Origins, scope: Scope, value: ast.expr | None) -> None:
        """Give a name or an attribute a value: another name for it, where the value is one itself."""
        places = self.named_by(target, scope)
        for place in places:
            self.note(place, origins, target)
            self.set(place, origins if len(places) == 1 else self.read(place) | origins)
            self.aliases.pop(place, None)
            if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
                self.aliases[place] = [other for other in self.changed_with(value, scope) if other != place]

    def change(self, target: ast.expr, origins: Origins, scope: Scope) -> None:
        """Change in place what an expression stands for."""
        self.change_at(self.changed_with(target, scope), origins, target)

    def change_at(self, places: Iterable[Location], origins: Origins, target: ast.expr) -> None:
        """Change in place what locations hold."""
        for place in places:
            self.note(place, origins, target)
            self.set(place, self.read(place) | origins)

    def clear(self, target: ast.expr, scope: Scope) -> None:
        """Empty in place what an expression stands for."""
        for place in self.changed_with(target, scope):
            self.set(place, NONE)

    def note(self, place: Location, origins: Origins, target: ast.expr) -> None:
        """Note that a location keeps something."""
        if self.measuring:
            self.changed_by_evaluation.add(place)
        if origins & LEARNED and self.statement is not None and self.lives_on(place):
            self.changes.setdefault(place, Change(*self.statement, target))

    def lives_on(self, place: Location) -> bool:
        """True for what is there before the loop starts, or before its later epochs do."""
        holder = place.holder
        if isinstance(holder, Scope):
            known = place.name in self.before.get(holder, {place.name})
            return holder not in self.called and (known or place in self.left_by_first)
        if isinstance(holder, Object):
            return not self.trace.events[holder.event].within_node(self.epoch.node)
        return True

    def named_by(self, node: ast.expr, scope: Scope) -> list[Location]:
        """The locations that a name or an attribute is, without their other names; none for any other expression."""
        if isinstance(node, ast.Attribute):
            return [Location(owner, node.attr) for owner in owners(node, scope)]
        if not isinstance(node, ast.Name):
            return []
        holder = scope.owner_of(node.id) if isinstance(node.ctx, ast.Store) else _holder(node.id, scope)
        if holder is None or isinstance(holder.variables.get(node.id), (External, LocalModule, Function, Class)):
            return []
        if holder in self.made:
            holder.variables.setdefault(node.id, Unknown())
        return [Location(holder, node.id)]

    def changed_with(self, node: ast.expr, scope: Scope) -> list[Location]:
        """The locations, under all their names, that change with what an expression stands for: ``a`` for ``a[0]``,
        ``a.data`` and ``a.view(-1)``."""
        while isinstance(node, (ast.Subscript, ast.Call, ast.Starred)) or (
            isinstance(node, ast.Attribute) and not owners(node, scope)
        ):
            is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            node = node.func.value if is_method else node.func if isinstance(node, ast.Call) else node.value
        found = self.named_by(node, scope)
        for place in found:
            found.extend(other for other in self.aliases.get(place, ()) if other not in found)
        return found


def owners(node: ast.Attribute, scope: Scope) -> list[Holder]:
    """Whose attribute an attribute is, where that is known."""
    if node.attr == "data":
        return []
    values = value_of(node.value, scope)
    modules = [value.scope for value in values if isinstance(value, LocalModule)]
    return [*modules, *(value for value in values if isinstance(value, (Object, Class, Function)))]


def _holder(name: str, scope: Scope) -> Scope | None:
    """The scope that a name is read from."""
    found = (one for one in scope.chain() if name in one.variables and (one is scope or not one.is_class))
    return next(found, None)
