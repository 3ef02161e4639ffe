"""Schedules that are sized for one run, and how they come to cover all rounds."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.edit import Replace
from engine.facts import Expression, Facts, source_text
from engine.facts.array_flow import outer_names
from engine.facts.optimizers import is_scheduler
from engine.facts.source_text import contains, names_in
from engine.facts.values import Function, Object, Scope, Sequence, Value, objects, options, value_of
from engine.plan.decision import Decision
from engine.plan.epoch_uses import Use, beside_epoch, number_behind, number_in, set_to
from engine.plan.frame import bodies
from engine.plan.literals import Range, leaves
from engine.plan.names import Names
from engine.plan.parser import ParserPlan, how_to_read
from engine.plan.passed import Written, scope_in, written_in
from engine.plan.settings import Setting
from engine.result import Place

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
        decisions: the judgements taken.
        lengths: the numbers that repeat the number of epochs.
    """

    edits: tuple[Replace, ...] = ()
    needs_rounds: bool = False
    decisions: tuple[Decision, ...] = ()
    lengths: tuple[Range, ...] = ()


def plan_schedules(
    facts: Facts, parser: ParserPlan, names: Names, destination: str, epochs: Setting | None, shifted: bool = False
) -> SchedulePlan:
    """Find what sizes a schedule for one run and stretch it over all rounds.

    Args:
        facts: of the program.
        parser: where options are read.
        names: the names of what is added.
        destination: what the number of rounds is called.
        epochs: the option that sets the local epochs of a round.
        shifted: True where the epoch's number goes on over the rounds, so that what is compared with it has to.
    """
    edits: list[Replace] = []
    lengths: list[Range] = []
    unreached: list[str] = []
    fixed: list[str] = []
    scheduled = list(horizons(facts))
    beside = [use for use in (beside_epoch(facts) if shifted else ()) if not _kept_from(use, scheduled)]
    for node, scope, whole in _each_once([*scheduled, *beside]):
        reader = how_to_read(destination, parser, Range.of(node, scope), names)
        if reader is None:
            unreached.append(ast.unparse(node))
            continue
        length = _length(facts, node, scope)
        counted = _counted_anew(length, destination, epochs, parser, names) if length and epochs else None
        if length is not None and counted is not None:
            lengths.append(length)
            edits.append(_replaced(length, counted, isinstance(node, ast.Constant)))
            continue
        counts = [part for part, _, _ in number_in(facts, node, scope)]
        if counts and epochs is not None and epochs.beyond:
            edits += [_spanning(part, scope, epochs.beyond, reader, whole and part is node) for part in counts]
            continue
        if _is_fixed(facts, source_text.expression(node, scope)) or not (whole or counts):
            fixed.append(ast.unparse(node))
        edits.append(_replaced(Range.of(node, scope), _times(node, reader), whole))
    decisions = tuple(_decisions(bool(edits), bool(scheduled), fixed, unreached))
    return SchedulePlan(tuple(dict.fromkeys(edits)), bool(edits), decisions, tuple(dict.fromkeys(lengths)))


def _kept_from(use: Use, scheduled: list[Use]) -> bool:
    """True for an attribute of an object that was built with a length which is stretched there."""
    node, scope, _ = use
    owner = scope.look_up("self") if ast.unparse(node).startswith("self.") else None
    calls = [built.node for built in objects(owner) if isinstance(built.node, ast.Call)]
    return any(contains(call, length) for call in calls for length, _, _ in scheduled)


def _each_once(uses: Iterable[Use]) -> Iterator[Use]:
    """Each expression once, without what is as long as an epoch, however many there are."""
    seen: set[Place] = set()
    for node, scope, whole in uses:
        place = scope.file.place(node)
        is_epoch = isinstance(node, ast.Call) and ast.unparse(node.func) == "len"
        if place not in seen and not is_epoch:
            yield node, scope, whole
        seen.add(place)


def _decisions(stretched: bool, scheduled: bool, fixed: list[str], unreached: list[str]) -> Iterator[Decision]:
    """The judgements about what spans all rounds.

    Args:
        stretched: True where anything is multiplied by the number of rounds.
        scheduled: True where a schedule is sized for one run.
        fixed: the lengths that are taken for those of one round, as source.
        unreached: the lengths where the number of rounds cannot be read.
    """
    if stretched and not scheduled:
        yield Decision(
            "epoch numbers",
            "the number of epochs is multiplied by that of the rounds where the epoch's number meets it",
            "remove the factor from client.py to reach the end in the first round",
        )
    elif stretched:
        yield Decision(
            "schedule",
            "the learning-rate schedule spans all rounds: its length is multiplied by their number",
            "remove the factor from client.py to run through the schedule in the first round",
        )
    if fixed:
        yield Decision(
            "schedule",
            f"{', '.join(fixed)} is taken for the schedule's length in one round, however many local epochs it has",
            "write it with the number of epochs that the loop uses",
            ("P2",),
        )
    if unreached:
        yield Decision(
            "schedule",
            f"the schedule ends with round 1: the number of rounds is out of reach of {', '.join(unreached)}",
            "build it where the script's arguments are at hand",
            ("P2",),
        )


def _reader(epochs: Setting, parser: ParserPlan, place: Range, names: Names) -> str | None:
    """How the local epochs are read at a place; None where they cannot be."""
    if epochs.early:
        return f"{names.site_settings}.{epochs.destination}"
    return how_to_read(epochs.destination, parser, place, names)


def _counted_anew(length: Range, destination: str, epochs: Setting, parser: ParserPlan, names: Names) -> str | None:
    """All epochs of all rounds, where a length repeats the number of epochs; None where either cannot be read there.

    Args:
        length: the number that repeats it.
        destination: what the number of rounds is called.
        epochs: the option that sets the local epochs of a round.
        parser: where options are read.
        names: the names of what is added.
    """
    local_epochs, rounds = _reader(epochs, parser, length, names), how_to_read(destination, parser, length, names)
    return None if local_epochs is None or rounds is None else f"{local_epochs} * {rounds}"


def _times(node: ast.expr, rounds: str) -> str:
    """The template of an expression times the number of rounds."""
    is_atom = isinstance(node, (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript))
    return f"{'{}' if is_atom else '({})'} * {rounds}"


def _replaced(place: Range, product: str, alone: bool) -> Replace:
    """What puts a product in place of an expression, in brackets unless it stands there alone."""
    return Replace(place.place, place.end, product if alone else f"({product})")


def _spanning(part: ast.expr, scope: Scope, beyond: int, rounds: str, alone: bool) -> Replace:
    """All rounds' value of a number that exceeds the epochs of one: ``range(1, n)`` runs one short of its number."""
    minus, plus = ("-", "+") if beyond > 0 else ("+", "-")
    product = f"({{}} {minus} {abs(beyond)}) * {rounds} {plus} {abs(beyond)}"
    return Replace(scope.file.place(part), scope.file.end(part), product if alone else f"({product})")


def _length(facts: Facts, node: ast.expr, scope: Scope) -> Range | None:
    """The number in a schedule's length that repeats the number of epochs, or in what its name was set to before; None
    where there is none, or several."""
    if isinstance(node, ast.Name) and not any(number_in(facts, node, scope)):
        holder, values = set_to(node, scope)
        tests = [part.test for part in ast.walk(scope.file.tree) if isinstance(part, (ast.If, ast.While))]
        tested = any(isinstance(part, ast.Name) and part.id == node.id for test in tests for part in ast.walk(test))
        found = holder is not None and len(values) == 1 and not tested and not isinstance(values[0], ast.Constant)
        return _length(facts, values[0], holder) if found else None
    epochs = facts.loop.epochs if facts.loop is not None else None
    numbers = [part for part in ast.walk(node) if isinstance(part, ast.Constant) and type(part.value) is int]
    alike = [part for part in numbers if part.value == epochs and epochs > 1]
    return Range.of(alike[0], scope) if len(alike) == 1 else None


def horizons(facts: Facts) -> Iterator[Use]:
    """The expressions that say how long a schedule is; True with those that are an argument of their own."""
    for fact in (*facts.schedulers, *facts.optimizers):
        for value in options(fact.value) if fact.value is not None else ():
            for one in _with_parts(value):
                if isinstance(one.node, ast.Call) and one.scope is not None:
                    yield from _of_scheduler(facts, one.short_kind, one.node, one.scope)
    yield from _written_by_hand(facts)


def _with_parts(value: Value, depth: int = 3) -> Iterator[Object]:
    """A scheduler, and the schedulers that it is made of: those of ``SequentialLR``, what a warm-up goes over to."""
    for one in objects(value):
        yield one
        for given in (*one.args, *one.kwargs.values()) if depth else ():
            for part in given.items if isinstance(given, Sequence) else [given]:
                if any(is_scheduler(inner) for inner in objects(part)):
                    yield from _with_parts(part, depth - 1)


def _of_scheduler(facts: Facts, kind: str, call: ast.Call, scope: Scope) -> Iterator[Use]:
    """The length of a scheduler, or of an optimizer that schedules itself: the argument that says it, or wherever else
    the number of epochs is used."""
    for name, position in HORIZONS.get(kind, ()):
        node = _argument(call, name, position)
        if node is not None and not (isinstance(node, ast.Constant) and node.value is None):
            yield from _terms(facts, node, scope) or [(node, scope, True)]
            return
    for argument in [*call.args[1:], *[keyword.value for keyword in call.keywords]]:
        yield from _in_argument(facts, argument, scope)
        if isinstance(argument, ast.Lambda):
            yield from _around(facts, argument, scope)
        for value in value_of(argument, scope):
            if isinstance(value, Function):
                if not isinstance(value.node, ast.Lambda):
                    yield from number_in(facts, value.node, value.scope)
                yield from _around(facts, value.node, value.scope)


def _in_argument(facts: Facts, argument: ast.expr, scope: Scope) -> Iterator[Use]:
    """The number of epochs in an argument, or the argument that is a name for what it was computed to."""
    yield from number_in(facts, argument, scope)
    if any(number_behind(facts, argument, scope)):
        yield argument, scope, True


def _around(facts: Facts, function: ast.AST, scope: Scope) -> Iterator[Use]:
    """The number of epochs behind the names that a function which gives a rate reads from around it."""
    for name in sorted(outer_names(function)):
        yield from number_behind(facts, ast.Name(name, ast.Load()), scope)


def _terms(facts: Facts, length: ast.expr, scope: Scope) -> list[Use]:
    """The number of epochs in a length from which something else is taken off, as a warm-up is, or added to it: the
    length itself times the rounds would be another. None where it is only multiplied."""
    parts = [*number_in(facts, length, scope), *number_behind(facts, length, scope)]
    return parts if any(_in_sum(part, holder) for part, holder, _ in parts) else []


def _in_sum(part: ast.expr, scope: Scope) -> bool:
    """True for an expression that is part of a sum or a difference."""
    sums = [n for n in ast.walk(scope.file.tree) if isinstance(n, ast.BinOp) and isinstance(n.op, (ast.Add, ast.Sub))]
    return any(contains(one, part) for one in sums)


def _written_by_hand(facts: Facts) -> Iterator[Use]:
    """The number of epochs where a learning rate is computed from it: in the loop, or in a function it calls."""
    loop = facts.loop
    if loop is None or not isinstance(loop.loop.node, (ast.For, ast.While)):
        return
    yield from _in_rates(facts, loop.loop.node.body, loop.scope, {})
    seen: set[int] = set()
    for event in facts.trace.events:
        function = event.function
        if function is None or isinstance(function.node, ast.Lambda) or not event.within_node(loop.loop.node):
            continue
        if id(function.node) in seen:
            continue
        seen.add(id(function.node))
        yield from _in_rates(facts, function.node.body, scope_in(event), written_in(event))


def _in_rates(facts: Facts, body: list[ast.stmt], scope: Scope, written: Written) -> Iterator[Use]:
    """The number of epochs where a learning rate is set: in what it is computed from, and in what ``partial`` gave to
    the function that computes it.

    Args:
        facts: of the program.
        body: statements that may set a rate.
        scope: their scope.
        written: for a function's parameters, the arguments they were called with.
    """
    for expression in rate_expressions(body):
        yield from number_in(facts, expression, scope)
        for name in [node for node in ast.walk(expression) if isinstance(node, ast.Name)]:
            yield from number_behind(facts, *written.get(name.id, (name, scope)))
        yield from _ends_of(facts, expression, scope, written)
        yield from _in_callees(facts, expression, scope)


def _in_callees(facts: Facts, rate: ast.expr, scope: Scope) -> Iterator[Use]:
    """The number of epochs in what was given before to a function that computes a rate: by ``partial``, or where the
    object that is called, or whose method it is, was built."""
    for called in [node.func for node in ast.walk(rate) if isinstance(node, ast.Call)]:
        holders = [called, *([called.value] if isinstance(called, ast.Attribute) else [])]
        for value in (value for holder in holders for value in value_of(holder, scope)):
            if isinstance(value, Object) and isinstance(value.node, ast.Call) and value.scope is not None:
                partial = value.kind == "functools.partial"  # its first argument is the function
                for argument in [*value.node.args[partial:], *[keyword.value for keyword in value.node.keywords]]:
                    yield from _in_argument(facts, argument, value.scope)


def _ends_of(facts: Facts, rate: ast.expr, scope: Scope, written: Written) -> Iterator[Use]:
    """A length by which a rate has come to its end, other than by the number of epochs: ``limit`` in ``1 - step /
    limit`` and ``cos(pi * step / limit)``. Beyond it the rate would be negative, or rise again.

    A ``while`` loop counts anew every round, and its rates with it.
    """
    if facts.loop is None or facts.loop.kind == "while":
        return
    for node in ast.walk(rate):
        ends = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant)
        turns = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "cos"
        inner = node.right if ends else node.args[0] if turns and node.args else None
        quotients = [n for n in ast.walk(inner) if isinstance(n, ast.BinOp)] if inner else []
        for length in [one.right for one in quotients if isinstance(one.op, ast.Div)]:
            names = [part for part in ast.walk(length) if isinstance(part, ast.Name)]
            known = [one for name in names for one in number_behind(facts, *written.get(name.id, (name, scope)))]
            known += [one for name in names for one in number_in(facts, *written.get(name.id, (name, scope)))]
            kept = _kept_by(facts, length, scope)
            yield from kept
            if not known and not kept and "warm" not in ast.unparse(length):
                yield (*(written.get(length.id, (length, scope)) if names == [length] else (length, scope)), False)


def _kept_by(facts: Facts, length: ast.expr, scope: Scope) -> list[Use]:
    """The number of epochs in what an object was built with, where the length is an attribute of it."""
    owner = scope.look_up("self") if ast.unparse(length).startswith("self.") else None
    found: list[Use] = []
    for built in objects(owner):
        if isinstance(built.node, ast.Call) and built.scope is not None:
            for given in (*built.node.args, *[keyword.value for keyword in built.node.keywords]):
                found += _in_argument(facts, given, built.scope)
    return found


def rate_expressions(body: list[ast.stmt]) -> list[ast.expr]:
    """The expressions that a learning rate set in some statements is computed from, conditions included."""
    statements = [s for inner in bodies(body) for s in inner]
    found: list[ast.expr] = []
    needed: set[str] = set()
    size = -1
    while size != len(found):
        size = len(found)
        for statement in statements:
            if isinstance(statement, (ast.Assign, ast.AugAssign)) and _sets(statement, needed):
                parts = [
                    statement.value,
                    *[s.test for s in statements if isinstance(s, ast.If) and contains(s, statement)],
                ]
                found += [part for part in parts if part not in found]
        needed |= {name for part in found for name in names_in(part)}
    return found


def _sets(statement: ast.Assign | ast.AugAssign, names: set[str]) -> bool:
    """True for an assignment of a learning rate, or of a name it is computed from."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) and target.slice.value == "lr":
            return True
        if isinstance(target, ast.Name) and target.id in names:
            return True
    return False


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """An argument of a call by keyword or position."""
    named = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    if named is not None:
        return named
    return (
        call.args[position]
        if position < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args)
        else None
    )


def _is_fixed(facts: Facts, length: Expression) -> bool:
    """True for a length made of known numbers, none of which is the number of epochs that the loop uses."""
    loop = facts.loop
    counts = list(leaves(loop.count)) if loop is not None and loop.count is not None else []
    known = list(leaves(length))
    return bool(known) and not any(leaf is count for leaf in known for count in counts)
