"""The code that a round goes through, and the values that live on from one round to the next: where they are kept, how
a round changes them, what they are when the first round starts, and how they are written there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from engine.facts import Facts
from engine.facts.source_text import LOOPS, contains, names_in, own_nodes, text_of
from engine.facts.trace import Call
from engine.facts.values import Class, Literal, LocalModule, Mapping, Object, Scope, Value, contents, options, value_of
from engine.plan.frame import Frame, bodies, function_node

ADDS = ("append", "appendleft", "extend", "add", "update", "insert")
DEEPEST = 3


@dataclass(frozen=True, eq=False)
class Code:
    """Statements that a round goes through: its own, or those of a function that it calls.

    Attributes:
        body: the statements.
        scope: their variables.
        call: the call of the function; None for the round's own.
        trains: True where the optimizer steps in them, or in what they call.
    """

    body: list[ast.stmt]
    scope: Scope
    call: Call | None = None
    trains: bool = True


@dataclass(frozen=True)
class Kept:
    """Where a value is kept: a variable, an attribute, or what a dictionary has under a key."""

    holder: Scope | Object | Mapping
    name: str


@dataclass(frozen=True)
class Change:
    """A statement of a round that changes a value.

    Attributes:
        node: the statement or call.
        target: the value as it is written there.
        value: what is assigned, or added; None where it is changed in place.
        always: True where it stands under no condition in its function, or in its loops.
    """

    node: ast.AST
    target: ast.expr
    value: ast.expr | None = None
    always: bool = False

    @property
    def sets(self) -> ast.expr | None:
        """What the value is set to, where that is not made of what it was."""
        if isinstance(self.node, ast.AugAssign) or self.value is None:
            return None
        return None if text_of(self.target) in {text_of(part) for part in ast.walk(self.value)} else self.value

    @property
    def adds(self) -> int:
        """1 for ``n += 1`` and ``n = n + 1``, -1 for ``n -= 1``, 0 for anything else."""
        operator = None
        if isinstance(self.node, ast.AugAssign):
            operator = self.node.op
        elif isinstance(self.node, ast.Assign) and isinstance(self.value, ast.BinOp):
            parts = (text_of(self.value.left), text_of(self.value.right))
            operator = self.value.op if text_of(self.target) in parts else None
        return 1 if isinstance(operator, ast.Add) else -1 if isinstance(operator, ast.Sub) else 0

    @property
    def counts(self) -> bool:
        """True for what adds a number that is always the same."""
        parts = (self.value.left, self.value.right) if isinstance(self.value, ast.BinOp) else (self.value,)
        return bool(self.adds) and any(isinstance(part, ast.Constant) for part in parts)


def code_of_round(facts: Facts, frame: Frame) -> list[Code]:
    """What a round goes through, its own statements first."""
    own = {id(node) for statement in frame.statements for node in ast.walk(statement)}
    steps = [optimizer.step_event for optimizer in facts.optimizers if optimizer.step_event is not None]
    training = {entry.function.node for step in steps for entry in step.path if isinstance(entry, Call)}
    found, scopes = [Code(frame.statements, frame.scope)], set()
    for call in facts.trace.calls:
        if (call.caller in scopes or id(call.node) in own) and isinstance(call.function.node.body, list):
            scopes.add(call.scope)
            found.append(Code(call.function.node.body, call.scope, call, call.function.node in training))
    return found


def kept_at(node: ast.AST, scope: Scope) -> list[Kept]:
    """Where a name, an attribute or an entry of a dictionary is kept; nothing for any other expression."""
    if isinstance(node, ast.Name):
        declared = node.id in scope.global_names | scope.nonlocal_names
        holders = [scope.owner_of(node.id)] if declared else [s for s in scope.chain() if node.id in s.variables]
        return [Kept(holder, node.id) for holder in holders[:1]]
    if isinstance(node, ast.Attribute):
        owners = value_of(node.value, scope)
        held = [o.scope if isinstance(o, LocalModule) else o.body if isinstance(o, Class) else o for o in owners]
        return [Kept(holder, node.attr) for holder in held if isinstance(holder, (Object, Scope))]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return [Kept(o, node.slice.value) for o in value_of(node.value, scope) if isinstance(o, Mapping)]
    return []


def lives_on(kept: Kept, code: Iterable[Code], frame: Frame) -> bool:
    """True for what a round finds as the round before it left it."""
    if isinstance(kept.holder, Scope):
        return kept.holder not in {part.scope for part in code if part.call is not None}
    return any(kept.holder is holder for _, holder in _in_reach(frame))


def changes(code: Iterable[Code]) -> dict[Kept, list[Change]]:
    """What a round changes, with the statements that do."""
    found: dict[Kept, dict[ast.AST, Change]] = {}
    for part in code:
        always = set(_unconditional(part.body))
        for change in (one for node in own_nodes(part.body) for one in _changed(node)):
            for kept in kept_at(change.target, part.scope):
                found.setdefault(kept, {}).setdefault(change.node, replace(change, always=change.node in always))
    return {kept: list(how.values()) for kept, how in found.items()}


def counts(facts: Facts, frame: Frame) -> dict[Kept, set[str]]:
    """The numbers that the epoch loop only adds to, and that go on over the rounds: where each is kept, and how it is
    written; none where a round is not the loop itself."""
    code = code_of_round(facts, frame) if frame.is_loop and isinstance(frame.node, ast.For) else []
    grown = {kept: how for kept, how in changes(code).items() if all(one.adds == 1 for one in how)}
    return {kept: {text_of(one.target) for one in how} for kept, how in grown.items() if lives_on(kept, code, frame)}


def _unconditional(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that are reached whenever those around them are, loops not counted."""
    for statement in body:
        yield statement
        if isinstance(statement, (*LOOPS, ast.With)):
            yield from _unconditional(statement.body)


def _changed(node: ast.AST) -> Iterator[Change]:
    """What a statement assigns, what a method adds to, and what ``next`` takes from."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ADDS:
        yield Change(node, node.func.value)
    if isinstance(node, ast.Call) and text_of(node.func) == "next" and node.args:
        yield Change(node, node.args[0])
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        yield Change(node, node.target, node.value)
    for target in node.targets if isinstance(node, ast.Assign) else ():
        parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        pairs = isinstance(node.value, (ast.Tuple, ast.List)) and len(node.value.elts) == len(parts) > 1
        values = node.value.elts if pairs else [node.value] * len(parts)
        yield from (_assigned(node, one, value) for one, value in zip(parts, values, strict=True))


def _assigned(node: ast.Assign, target: ast.expr, value: ast.expr) -> Change:
    """The change of an assignment; that of an element which is not known changes what holds it."""
    if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        return Change(node, target.value)
    return Change(node, target, value)


def set_before(node: ast.AST, code: Code, how: Iterable[Change]) -> bool:
    """True for a value that is set anew before an expression of some code reads it, whenever it does."""
    for one in how:
        block = next((part for part in bodies(code.body) if one.node in part), None)
        if one.sets is not None and block is not None:
            if any(contains(later, node) for later in block[block.index(one.node) + 1 :]):
                return True
        elif isinstance(one.sets, ast.Constant) and one.always:
            return True
    return False


def at_start(kept: Kept) -> Value | None:
    """What is kept there when the first round starts."""
    found = contents(kept.holder).get(kept.name)
    if found is None and isinstance(kept.holder, Object) and kept.holder.cls is not None:
        return kept.holder.cls.find(kept.name)
    return found


def number_at_start(kept: Kept) -> bool | int | float | None:
    """The number or truth value there when the first round starts; None where it is not known, or an option's."""
    literals = [one for one in options(at_start(kept)) if isinstance(one, Literal) and one.option is None]
    known = [one.value for one in literals if isinstance(one.value, (bool, int, float))]
    return known[0] if known and len(set(known)) == 1 else None


def reset_of(kept: Kept, frame: Frame) -> tuple[str, ...]:
    """The statements that give a value what it was when the first round started; nothing where that is not known, or
    cannot be written where a round starts."""
    number = number_at_start(kept)
    if number is None:
        return ()
    if isinstance(kept.holder, Scope) and kept.holder is not frame.scope:
        return _reset_elsewhere(kept, frame, repr(number))
    target = kept.name if isinstance(kept.holder, Scope) else _written(kept, frame)
    return (f"{target} = {number!r}",) if target else ()


def _reset_elsewhere(kept: Kept, frame: Frame, number: str) -> tuple[str, ...]:
    """The same for a variable of a module, seen from a function: of its own file, or of one that it imports."""
    function = function_node(frame.scope)
    if kept.holder is frame.scope.module and function is not None:
        if kept.name in frame.scope.global_names:
            return (f"{kept.name} = {number}",)
        return () if kept.name in names_in(function) else (f"global {kept.name}", f"{kept.name} = {number}")
    modules = [name for name in frame.bound_outside for one in options(frame.scope.look_up(name))
               if isinstance(one, LocalModule) and one.scope is kept.holder]  # fmt: skip
    return (f"{min(modules)}.{kept.name} = {number}",) if modules else ()


def _written(kept: Kept, frame: Frame) -> str:
    """How an attribute or an entry is written where a round starts; empty where it cannot be."""
    path = next((path for path, holder in _in_reach(frame) if holder is kept.holder), "")
    if not path:
        return ""
    return f"{path}.{kept.name}" if isinstance(kept.holder, Object) else f"{path}[{kept.name!r}]"


def _in_reach(frame: Frame) -> Iterator[tuple[str, Object | Mapping]]:
    """The objects and dictionaries that have a name where a round starts, by themselves or inside others."""
    pending: list[tuple[str, Value, int]] = []
    for name in sorted(frame.bound_outside):
        pending += [(name, one, DEEPEST) for one in options(frame.scope.look_up(name))]
    for path, value, depth in pending:  # which grows
        if isinstance(value, Mapping) or isinstance(value, Object) and not value.is_module:
            yield path, value
            for name, held in contents(value).items() if depth else ():
                inner = f"{path}[{name!r}]" if isinstance(value, Mapping) else f"{path}.{name}"
                if isinstance(value, Mapping) or name.isidentifier():
                    pending += [(inner, one, depth - 1) for one in options(held)]
