"""What has to hold from round to round: a loop that starts anew, an epoch's number that goes on, a round that ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from engine.edit import Edit, Insert, Replace
from engine.facts import Facts, LoopFact
from engine.facts.first_weights import reparametrises
from engine.facts.source_text import text_of
from engine.facts.training import is_default, runs_over_data
from engine.facts.values import objects
from engine.plan.decision import Decision
from engine.plan.endings import Ending, edits_of, in_the_way, raised_past, returns_in
from engine.plan.epoch_shift import epoch_shift, number_restarts
from engine.plan.first_copy import copied_first
from engine.plan.frame import Frame
from engine.plan.local_weights import layers_built_anew, weights_brought_back
from engine.plan.loop_start import counter_resets, start_reset
from engine.plan.names import Names
from engine.plan.refusals import (
    LOCAL_WEIGHTS_IN_LOOP,
    MODEL_CHANGES_IN_LOOP,
    PRIVATE_TRAINING,
    RETURN_IN_LOOP,
    Refused,
)
from engine.plan.settings import Setting
from engine.plan.step_limits import (
    EarlyEnds,
    early_ends,
    limit_resets,
    limits_over_all_rounds,
    moved,
    moving_limits,
    time_limits,
)
from engine.plan.used_up import used_up
from engine.result import Result

PRIVATE = (".make_private", ".make_private_with_epsilon")
"""The methods of Opacus' ``PrivacyEngine`` that wrap what trains."""


@dataclass(frozen=True)
class RoundPlan:
    """What has to hold from round to round.

    Attributes:
        resets: assignments repeated at the start of every round, as source.
        shifts: what makes the epoch number go on over the rounds.
        limits: what moves limits of steps from round to round.
        decisions: the judgements taken.
        endings: what makes a ``return`` end the round only.
        repeatable: True where a round does what the script does once, and the script could do it again as it stands.
    """

    resets: tuple[str, ...] = ()
    shifts: tuple[Insert, ...] = ()
    limits: tuple[Replace, ...] = ()
    decisions: tuple[Decision, ...] = ()
    endings: tuple[Edit, ...] = ()
    repeatable: bool = False


def plan_rounds(facts: Facts, frame: Frame, names: Names, epochs: Setting | None) -> RoundPlan:
    """Decide what has to hold from round to round.

    Raises:
        Refused: the loop could not run a second time.
    """
    loop = facts.loop
    assert loop is not None
    endings = returns_in(frame)
    trouble = _leaving(frame, endings)
    for look in (raised_past, _reloading, used_up, copied_first, _restructuring, _accounting):
        trouble = trouble or look(facts, frame)
    if trouble is not None:
        raise Refused([trouble])
    ends = early_ends(facts, frame)
    resets = limit_resets(ends, frame)
    counters = counter_resets(facts, frame, resets) if loop.kind == "while" else ()
    if isinstance(counters, Result):
        raise Refused([counters])
    counters = tuple(dict.fromkeys((*counters, *resets)))
    start = start_reset(loop, frame)
    if isinstance(start, Result):
        raise Refused([start])
    shifts = epoch_shift(facts, frame, names, epochs)
    decisions = tuple(_decisions(facts, frame, ends, counters, start, shifts, endings))
    flags = (f"{names.ended} = False",) if any(ending.loops for ending in endings) else ()
    repeatable = facts.arrays is None and (loop.kind == "once" or runs_over_data(loop.loop))
    edits = tuple(edits_of(frame, endings, names.ended))
    limits = tuple(moved(limit, frame, names) for limit in moving_limits(ends, frame))
    return RoundPlan((*counters, *start, *flags), shifts, limits, decisions, edits, repeatable)


def _decisions(
    facts: Facts, frame: Frame, ends: EarlyEnds, counters: tuple[str, ...], start: tuple[str, ...],
    shifts: tuple[Insert, ...], endings: list[Ending],
) -> Iterator[Decision]:  # fmt: skip
    """The judgements about what holds from round to round.

    Args:
        facts: of the program.
        frame: what becomes a round.
        ends: what ends the training of a round early.
        counters, start: the assignments repeated at the start of every round: of counters, and of the first epoch.
        shifts: what makes the epoch number go on over the rounds.
        endings: what leaves the function from inside the epoch loop.
    """
    loop = facts.loop
    assert loop is not None
    yield from _of_the_start(counters, start, shifts)
    if not shifts and number_restarts(facts):
        yield Decision(
            "epoch numbers",
            f"the number of the epoch, which training depends on, begins again in every round ({loop.place})",
            "count the epochs with for epoch in range(epochs), where it goes on over the rounds",
            ("P2",),
        )
    if facts.features.early_stopping or ends.judged:
        yield Decision(
            "early stopping",
            "stopping early ends a site's round, not the job; its best value and patience go on over the rounds",
            "stop the job on the global metric with stop_cond in job.py",
            ("P2",),
        )
    yield from _of_limits(ends, frame, (*counters, *start))
    yield from _of_the_loop(loop, frame, endings)
    yield from _of_later_steps(facts, frame)


def _of_the_start(counters: tuple[str, ...], start: tuple[str, ...], shifts: tuple[Insert, ...]) -> Iterator[Decision]:
    """The judgements about how a round counts its epochs."""
    if counters:
        yield Decision(
            "epoch numbers",
            f"the loop counts anew every round ({'; '.join(counters)}), and so does all that depends on it",
            "remove the assignment from client.py to go on counting",
            ("P2",),
        )
    if start:
        yield Decision(
            "resuming",
            f"every round trains all its local epochs, whatever a checkpoint says ({'; '.join(start)})",
            "remove the assignment from client.py to start at the checkpoint's epoch",
        )
    if shifts:
        yield Decision(
            "epoch numbers",
            "the epoch's number goes on over the rounds, because training depends on it",
            "remove the line from client.py to start every round at the first epoch",
        )


def _of_limits(ends: EarlyEnds, frame: Frame, resets: tuple[str, ...]) -> Iterator[Decision]:
    """The judgements about limits of steps and of time, but for those that are set anew at the start of a round."""
    moving = moving_limits(ends, frame)
    if moving:
        yield Decision(
            "step limit",
            f"a round ends {' and '.join(dict.fromkeys(map(text_of, moving)))} steps after the one before it",
            "remove the factor from client.py to count the steps of all rounds against the limit",
        )
    for name, place in limits_over_all_rounds(ends, frame):
        if not any(reset.startswith(f"{name} = ") for reset in resets):
            yield Decision(
                "step limit",
                f"{name}, at which {place} ends the training, is counted over all rounds: later ones only fail",
                f"raise the limit, or set {name} anew at the start of a round in client.py",
            )
    for place in time_limits(frame):
        yield Decision(
            "time limit",
            f"the time after which {place} ends the training counts over all rounds: later ones end after one epoch",
            "raise the limit, or take the time anew at the start of a round in client.py",
        )


def _of_the_loop(loop: LoopFact, frame: Frame, endings: list[Ending]) -> Iterator[Decision]:
    """The judgements about what a round goes through, and how it is left."""
    if loop.kind == "other" and isinstance(frame.node, ast.For) and not runs_over_data(loop.loop):
        yield Decision(
            "local epochs",
            f"every round goes through {ast.unparse(frame.node.iter)} from its beginning",
            "let the loop run over range(epochs), so that --local-epochs sets the length of a round",
        )
    if endings:
        yield Decision(
            "leaving early",
            "a return in the epoch loop ends a site's round; what follows the loop is done after the last round",
            "leave the loop with break in the script itself",
            ("P2",),
        )
    if loop.kind == "once":
        yield Decision(
            "rounds",
            f"a round does {_lines(frame)} of {frame.place.file} once, since no loop is around what trains; "
            "all before it, the data it uses among it, is made once",
            "put a loop over epochs around it, to train more in a round",
        )


def _of_later_steps(facts: Facts, frame: Frame) -> Iterator[Decision]:
    """The judgement about optimizer steps behind the epoch loop, such as that for gradients which were left over."""
    trained = {one for optimizer in facts.optimizers for one in objects(optimizer.value)}
    last = max((event.number for event in facts.trace.events if event.within_node(frame.node)), default=0)
    for event in facts.trace.named(".step"):
        stepped = {one for value in (event.receiver, *event.args) for one in objects(value)}
        if event.number > last and not event.loops and is_default(event.path) and stepped & trained:
            yield Decision(
                "after the loop",
                f"the optimizer step at {event.place} is taken after the last round: no site sends what it does",
                "take it inside the epoch loop, at the end of an epoch",
            )


def _lines(frame: Frame) -> str:
    """The lines of what trains."""
    first, last = frame.place.line, frame.end.line
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _leaving(frame: Frame, endings: list[Ending]) -> Result | None:
    """A ``return`` in the loop that gives back something else than the function does after its last round."""
    found = in_the_way(frame, endings)
    return RETURN_IN_LOOP.at(frame.file, frame.file.place(found)) if found is not None else None


def _reloading(facts: Facts, frame: Frame) -> Result | None:
    """Weights that come into the model inside the epoch loop: they would replace the received ones from round 2 on, or
    the trained ones before they are sent."""
    found = weights_brought_back(facts, frame)
    return LOCAL_WEIGHTS_IN_LOOP.at(*found) if found is not None else None


def _restructuring(facts: Facts, frame: Frame) -> Result | None:
    """Pruning and its like inside the epoch loop, and new layers: the state of the model is another one after it, at
    each site."""
    for event in facts.trace.where(reparametrises):
        if event.within_node(frame.node) and is_default(event.path):
            return MODEL_CHANGES_IN_LOOP.at(event.scope.file, event.place)
    found = layers_built_anew(facts, frame)
    return MODEL_CHANGES_IN_LOOP.at(*found) if found is not None else None


def _accounting(facts: Facts, frame: Frame) -> Result | None:
    """Training that is made differentially private."""
    for event in facts.trace.named(*PRIVATE):
        if is_default(event.path):
            return PRIVATE_TRAINING.at(event.scope.file, event.place)
    return None
