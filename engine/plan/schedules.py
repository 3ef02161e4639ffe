"""Schedules that are sized for one run, and how they come to cover all rounds."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from engine.edit import Replace
from engine.facts import Expression, Facts, source_text
from engine.facts.source_text import contains, text_of
from engine.facts.values import Scope
from engine.plan.after_loop import counted_after
from engine.plan.decision import Decision
from engine.plan.epoch_uses import Use, beside, number_in
from engine.plan.horizons import horizons
from engine.plan.literals import Range, is_same, leaves
from engine.plan.names import Names
from engine.plan.parser import ParserPlan, how_to_read
from engine.plan.settings import Setting
from engine.plan.written_before import set_from, set_to


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
    facts: Facts,
    parser: ParserPlan,
    names: Names,
    destination: str,
    epochs: Setting | None,
    shifted: bool,
    counted: Collection[str],
    goes_on: bool,
    anew: Collection[str] = (),
) -> SchedulePlan:
    """Find what sizes a schedule for one run and stretch it over all rounds.

    Args:
        facts: of the program.
        parser: where options are read.
        names: the names of what is added.
        destination: what the number of rounds is called.
        epochs: the option that sets the local epochs of a round.
        shifted: True where the epoch's number goes on over the rounds, so that what is compared with it has to.
        counted: counts of steps that go on likewise.
        goes_on: True where what follows the epoch loop is done after the last round.
        anew: counts that begin again in every round, and come to the end of what they are divided by in each.
    """
    edits: list[Replace] = []
    lengths: list[Range] = []
    unreached: list[str] = []
    fixed: list[str] = []
    scheduled = [use for use in horizons(facts) if not _counts_in(use, anew)]
    met = list(beside(facts, {text_of(facts.loop.loop.node.target)}, leaving=True)) if shifted else []
    met += beside(facts, counted) if counted else []
    after = list(counted_after(facts)) if goes_on else []
    for node, scope, whole in _each_once(facts, [*scheduled, *met, *after]):
        reader = how_to_read(destination, parser, Range.of(node, scope), names)
        if reader is None:
            unreached.append(text_of(node))
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
            fixed.append(text_of(node))
        edits.append(_replaced(Range.of(node, scope), _times(node, reader), whole))
    decisions = tuple(_decisions(bool(edits), bool(scheduled), fixed, unreached))
    return SchedulePlan(tuple(dict.fromkeys(edits)), bool(edits), decisions, tuple(dict.fromkeys(lengths)))


def _counts_in(use: Use, counts: Collection[str]) -> bool:
    """True for a length that some counts are divided by: ``1 - step / steps``."""
    node, scope, _ = use
    quotients = [n for n in ast.walk(scope.file.tree) if isinstance(n, ast.BinOp) and contains(n.right, node)]
    divided = [part for one in quotients if isinstance(one.op, ast.Div) for part in ast.walk(one.left)]
    return bool(counts) and any(text_of(part) in counts for part in divided)


def _each_once(facts: Facts, uses: Iterable[Use]) -> Iterator[Use]:
    """Each expression once, without what is as long as an epoch, however many there are, and without what is computed
    from another one of them: it would be stretched twice."""
    found: dict[Range, Use] = {}
    for node, scope, whole in uses:
        if not (isinstance(node, ast.Call) and text_of(node.func) == "len"):
            place = Range.of(node, scope)
            found[place] = (node, scope, whole or (place in found and found[place][2]))
    for place, (node, scope, whole) in found.items():
        if not any(one in found and one != place for one in _computed_from(facts, node, scope)):
            yield node, scope, whole


def _computed_from(facts: Facts, node: ast.expr, scope: Scope, depth: int = 5) -> Iterator[Range]:
    """The expressions elsewhere that an expression is computed from."""
    for part in ast.walk(node) if depth else ():
        if isinstance(part, (ast.Name, ast.Attribute, ast.Call)):
            for value, holder in set_from(facts, part, scope):
                yield from (Range.of(inner, holder) for inner in ast.walk(value) if isinstance(inner, ast.expr))
                yield from _computed_from(facts, value, holder, depth - 1)


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
            "the number of epochs is multiplied by that of the rounds where a count that goes on over them meets it",
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


def _is_fixed(facts: Facts, length: Expression) -> bool:
    """True for a length made of known numbers, none of which is the number of epochs that the loop uses."""
    loop = facts.loop
    counts = list(leaves(loop.count)) if loop is not None and loop.count is not None else []
    known = list(leaves(length))
    return bool(known) and not any(is_same(leaf, count) for leaf in known for count in counts)
