"""Schedules that are sized for one run, and how they come to cover all rounds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from engine.edit import Replace
from engine.facts import Facts, SchedulerFact
from engine.facts.values import Function, Literal, Object, Scope, options
from engine.plan.decision import Decision
from engine.plan.names import Names
from engine.plan.settings import ParserPlan, Range, how_to_read, leaves, value_of

HORIZONS = {
    "CosineAnnealingLR": (("T_max", 1),),
    "OneCycleLR": (("total_steps", 2), ("epochs", 3)),
    "PolynomialLR": (("total_iters", 1),),
    "get_linear_schedule_with_warmup": (("num_training_steps", 2),),
    "get_cosine_schedule_with_warmup": (("num_training_steps", 2),),
    "get_polynomial_decay_schedule_with_warmup": (("num_training_steps", 2),),
    "get_scheduler": (("num_training_steps", 3),),
    "CosineLRScheduler": (("t_initial", 1),),
}


@dataclass(frozen=True)
class SchedulePlan:
    """How schedules come to cover all rounds.

    Attributes:
        edits: the expressions that are multiplied by the number of rounds.
        needs_rounds: True where the client has to be told that number.
        uses_settings: the files that read it from ``site_settings``.
        decisions: the judgements taken.
    """

    edits: tuple[Replace, ...] = ()
    needs_rounds: bool = False
    decisions: tuple[Decision, ...] = ()


def plan_schedules(facts: Facts, parser: ParserPlan | None, names: Names, destination: str) -> SchedulePlan:
    """Find what sizes a schedule for one run and stretch it over all rounds.

    Args:
        facts: of the program.
        parser: where options are read.
        names: the names of what is added.
        destination: what the number of rounds is called.
    """
    edits: list[Replace] = []
    unreached: list[str] = []
    for schedule in facts.schedulers:
        for node, scope in _horizons(facts, schedule):
            reader = how_to_read(destination, parser, Range.of(node, scope), names, facts)
            if reader is None:
                unreached.append(schedule.name.rpartition(".")[2])
                continue
            atom = isinstance(node, (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript))
            edits.append(Replace(scope.file.place(node), scope.file.end(node), f"{'{}' if atom else '({})'} * {reader}"))
    decisions = []
    if edits:
        decisions.append(Decision(
            "schedule", "the learning-rate schedule spans all rounds: its length is multiplied by their number",
            "remove the factor from client.py to run through the schedule in the first round",
        ))  # fmt: skip
    if unreached:
        decisions.append(Decision(
            "schedule", f"{', '.join(sorted(set(unreached)))} still ends with the first round: the number of rounds cannot be read where it is built",
            "build it where the script's arguments are at hand", ("P2",),
        ))  # fmt: skip
    return SchedulePlan(tuple(dict.fromkeys(edits)), bool(edits), tuple(decisions))


def _horizons(facts: Facts, schedule: SchedulerFact) -> Iterator[tuple[ast.expr, Scope]]:
    """The expressions that say how long a schedule is."""
    values = [v for v in options(schedule.value) if isinstance(v, Object)] if schedule.value is not None else []
    for value in values:
        call, scope = value.node, value.scope
        if not isinstance(call, ast.Call) or scope is None:
            continue
        for name, position in HORIZONS.get(value.short_kind, ()):
            node = _argument(call, name, position)
            if node is not None and not (isinstance(node, ast.Constant) and node.value is None):
                yield node, scope
                break
        else:
            yield from _counts_inside(facts, call, scope)


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """An argument of a call by keyword or position."""
    named = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    if named is not None:
        return named
    return call.args[position] if position < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args) else None


def _counts_inside(facts: Facts, call: ast.Call, scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
    """Where a schedule of another kind uses the very number of epochs: in its arguments, and in a function it is given."""
    loop = facts.loop
    if loop is None or loop.count is None:
        return
    counts = [leaf for leaf in leaves(loop.count) if isinstance(leaf.value, int) and leaf.value > 1]
    places: list[tuple[ast.AST, Scope]] = [(argument, scope) for argument in call.args[1:]]
    places += [(keyword.value, scope) for keyword in call.keywords]
    for argument in [*call.args[1:], *[keyword.value for keyword in call.keywords]]:
        for value in value_of(argument, scope):
            if isinstance(value, Function) and not isinstance(value.node, ast.Lambda):
                places += [(statement, value.scope) for statement in value.node.body]
    for node, inside in places:
        for part in ast.walk(node):
            if isinstance(part, (ast.Name, ast.Attribute, ast.Subscript)) and _is_count(part, inside, counts):
                yield part, inside


def _is_count(node: ast.expr, scope: Scope, counts: list[Literal]) -> bool:
    """True for an expression whose value is the number of epochs itself."""
    return any(value is count for value in value_of(node, scope) for count in counts)
