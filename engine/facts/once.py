"""A training that stands in no loop: the statements of it, which the program does once, and a round once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from engine.facts.features import LOADS, SAVES
from engine.facts.models import belongs, root, unwrapped
from engine.facts.optimizers import goes_backward, is_optimizer, is_scaler, is_scheduler, stepped_optimizer
from engine.facts.source_text import NESTED, names_bound, own_nodes
from engine.facts.trace import Call, Event, Loop, Trace, is_default
from engine.facts.training import is_statement, owners_of
from engine.facts.values import Object, Parameters, Scope, objects
from engine.source import SourceFile

LEAVES_WEIGHTS_ALONE = {
    "state_dict", "modules", "named_modules", "children", "named_children", "zero_grad", "summary", "init",
}  # fmt: skip
ADDS = {"append", "extend", "add", "update", "insert"}


@dataclass(frozen=True)
class Training:
    """The statements of a training that stands in no loop.

    Attributes:
        statements: one after the other in one block, from the first that a step depends on to the last that steps.
        scope: the scope they stand in.
        problem: why a round cannot repeat them, and what to do about it; empty where it can.
        at: where the trouble stands.
    """

    statements: tuple[ast.stmt, ...]
    scope: Scope
    problem: str = ""
    at: ast.AST | None = None


def training_once(trace: Trace) -> Training | None:
    """The training of a program in which optimizers step and no loop is around the steps; None where there is none."""
    events = [event for event in trace.events if is_default(event.path)]
    stepping = {event: optimizer for event in events if (optimizer := stepped_optimizer(event)) is not None}
    if not stepping or any(map(is_statement, (loop for event in stepping for loop in event.loops))):
        return None
    last = max(stepping, key=lambda event: event.number)
    until = [event for event in events if event.number <= last.number or event.within_node(last.node)]
    backward = [event for event in until if goes_backward(event)]
    if not backward:
        return None
    optimizers = [one for optimizer in stepping.values() for one in objects(optimizer)]
    models = list({id(model): model for one in optimizers for model in map(root, owners_of(one))}.values())
    cleared = _clearing(events, until, backward[0], optimizers)
    after = [event for event in events if event.number > last.number and _follows_step(event)]
    block = _Block.around([*cleared, *backward, *stepping, *after])
    return block.training(trace.events, models, bool(cleared)) if block else None


def _clearing(events: list[Event], until: list[Event], backward: Event, optimizers: list[Object]) -> list[Event]:
    """The calls that clear the gradients: the last before the first backward pass and those that follow it, up to the
    last step; where there are none, the one after it."""
    clearing = [
        event
        for event in events
        if event.name.endswith(".zero_grad")
        and any(one in optimizers or one.is_module for one in objects(event.receiver))
    ]
    before = [event for event in clearing if event.number < backward.number]
    between = [event for event in clearing if event.number > backward.number and event in until]
    return [*before[-1:], *between] or clearing[:1]


def _follows_step(event: Event) -> bool:
    """True for the step of a schedule and for what a gradient scaler does after one."""
    steps = event.name.endswith(".step") and is_scheduler(event.receiver)
    return steps or (event.name == ".update" and is_scaler(event.receiver))


def _standing(event: Event) -> list[tuple[Scope, ast.stmt | None, Call | None]]:
    """The statements that a call stands in, one for each function on the way to it, the outermost first; a function
    that is called in a loop or a comprehension is not looked into."""
    found: list[tuple[Scope, ast.stmt | None, Call | None]] = []
    looping = False
    for entry in event.path:
        if isinstance(entry, Call):
            found.append((entry.caller, entry.statement, None if looping else entry))
            if looping:
                return found
        looping = looping or isinstance(entry, Loop)
    return [*found, (event.scope, event.statement, None)]


@dataclass
class _Block:
    """The innermost block that holds all calls of a training.

    Attributes:
        body: its statements.
        where: in which of them each statement stands.
        scope: the scope it stands in.
        depth: how many calls of functions lead to it.
        first, last: the statements that hold the training's first and last call.
    """

    body: list[ast.stmt]
    where: dict[ast.stmt, int]
    scope: Scope
    depth: int
    first: int
    last: int

    @classmethod
    def around(cls, calls: list[Event]) -> _Block | None:
        """The block around some calls; None where they stand in different files or functions."""
        ways = [_standing(event) for event in calls]
        depth = 0
        while len({id(way[depth][2]) for way in ways}) == 1 and ways[0][depth][2] is not None:
            depth += 1
        scope = ways[0][depth][0]
        if any(way[depth][0] is not scope or way[depth][1] is None for way in ways):
            return None
        held = [way[depth][1] for way in ways]
        for node in reversed(list(ast.walk(scope.file.tree))):  # the innermost first
            for body in _lists(node):
                where = _positions(body)
                if all(one in where for one in held):
                    found = [where[one] for one in held]
                    return cls(body, where, scope, depth, min(found), max(found))
        return None

    def position(self, event: Event) -> int | None:
        """The statement of the block that a call stands in; None for one elsewhere."""
        way = _standing(event)
        here = len(way) > self.depth and way[self.depth][0] is self.scope
        return self.where.get(way[self.depth][1]) if here else None

    def training(self, events: list[Event], models: list[Object], cleared: bool) -> Training:
        """The statements from the first that a step depends on, or why a round cannot repeat them."""
        here = [(event, position) for event in events if (position := self.position(event)) is not None]
        using = {position for event, position in here if _uses(event, models)}
        self.first = _first_needed(self.body, self.first, self.last, using)
        modes = {position for event, position in here if _sets_training_mode(event, models)}
        while self.first - 1 in modes and isinstance(self.body[self.first - 1], ast.Expr):
            self.first -= 1
        inside = [event for event, position in here if self.first <= position <= self.last]
        statements = tuple(self.body[self.first : self.last + 1])
        problem = self.problem(statements, inside, models, cleared, bool(using & set(range(self.first, self.last + 1))))
        return Training(statements, self.scope, *(problem or ()))

    def problem(
        self, statements: tuple[ast.stmt, ...], inside: list[Event], models: list[Object], cleared: bool, used: bool
    ) -> tuple[str, ast.AST] | None:
        """Why a round cannot repeat the statements and what to do, and where that shows; None where it can."""
        for event in inside:
            if _builds(event, models):
                return "what is built once is built among its statements; build it before them", event.node
            if event.name.endswith((*SAVES, *LOADS, "torch.load", "copy.deepcopy")):
                return "weights are saved, loaded or copied among its statements; do that before or after", event.node
        leaving = [n for n in own_nodes(statements) if isinstance(n, (ast.Return, ast.Yield, ast.YieldFrom))]
        if leaving:
            return "the function may be left among its statements; let it go through all of them", leaving[0]
        if not cleared:
            what = "the gradients are not cleared, so that those of all rounds would add up"
            return f"{what}; call zero_grad() of the optimizer before the backward pass", statements[0]
        if not used:
            what = "it cannot be told where the loss is computed from the model"
            return f"{what}; do that in the function that goes backward", statements[0]
        if not _has_own_lines(self.scope.file, statements):
            return "its statements share a line with others; give them lines of their own", statements[0]
        return None


def _lists(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements of a node."""
    for name in ("body", "orelse", "finalbody"):
        if isinstance(getattr(node, name, None), list):
            yield getattr(node, name)


def _positions(body: list[ast.stmt]) -> dict[ast.stmt, int]:
    """In which of some statements each statement stands."""
    return {node: index for index, one in enumerate(body) for node in ast.walk(one) if isinstance(node, ast.stmt)}


def _uses(event: Event, models: list[Object]) -> bool:
    """True for a call of a trained model or a part of it, or one that is given it, that gives back something else."""
    if event.name.rpartition(".")[2] in LEAVES_WEIGHTS_ALONE or isinstance(event.result, Parameters):
        return False
    if any(event.within_node(model.node) or event.node is model.node for model in models):
        return False
    given = [one for value in (event.receiver, *event.args, *event.kwargs.values()) for one in objects(value)]
    passed_on = any(is_optimizer(one) or is_scheduler(one) for one in objects(event.result))
    return not passed_on and _any_belongs(given, models) and not _any_belongs(objects(event.result), models)


def _any_belongs(values: list[Object], models: list[Object]) -> bool:
    """True where one of some values is a model, or stored in one."""
    return any(belongs(one, model) for one in values for model in models)


def _sets_training_mode(event: Event, models: list[Object]) -> bool:
    """True for ``model.train()``."""
    return event.name == ".train" and _any_belongs(objects(event.receiver), models)


def _builds(event: Event, models: list[Object]) -> bool:
    """True for building a trained model or a wrapper of one, an optimizer, a schedule or a gradient scaler."""
    for one in objects(event.result):
        if one.node is event.node and one.receiver is None:
            if one in models or (unwrapped(one) is not one and unwrapped(one) in models):
                return True
            if is_optimizer(one) or is_scheduler(one) or is_scaler(one):
                return True
    return False


def _first_needed(body: list[ast.stmt], first: int, last: int, using: set[int]) -> int:
    """The first statement that uses the model and sets what the training's statements read.

    Args:
        body: the statements around.
        first, last: the training's statements as far as they are known.
        using: the statements that use the model.
    """
    needed = _read(body[first : last + 1], set())
    for index in reversed(range(first)):
        if not _sets(body[index]) & needed:
            continue
        needed = _read([body[index]], needed)
        if index in using:
            first, needed = index, _read(body[index : last + 1], set())
    return first


def _read(statements: list[ast.stmt], after: set[str]) -> set[str]:
    """The names that some statements read before they set them, and those read after them that they do not set."""
    needed = set(after)
    for statement in reversed(statements):
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            needed -= {name.id for name in names if isinstance(name.ctx, ast.Store)}
        needed |= {name.id for name in names if isinstance(name.ctx, ast.Load)}
        added = [node.target for node in ast.walk(statement) if isinstance(node, ast.AugAssign)]
        needed |= {target.id for target in added if isinstance(target, ast.Name)}
    return needed


def _sets(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, stores into or adds to."""
    if isinstance(statement, (*NESTED, ast.Import, ast.ImportFrom)):
        return set()
    found = names_bound(statement)
    for node in ast.walk(statement):
        stored = isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store)
        added = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ADDS
        owner = node.value if stored else node.func.value if added else None
        while isinstance(owner, (ast.Attribute, ast.Subscript)):
            owner = owner.value
        found |= {owner.id} if isinstance(owner, ast.Name) else set()
    return found


def _has_own_lines(file: SourceFile, statements: tuple[ast.stmt, ...]) -> bool:
    """True where nothing else stands on the lines of some statements."""
    start, end = file.place(statements[0]), file.end(statements[-1])
    before, after = file.lines[start.line - 1][: start.column], file.lines[end.line - 1][end.column :]
    return not before.strip() and (not after.strip() or after.lstrip().startswith("#"))
