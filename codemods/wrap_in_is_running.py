"""The training run of one site becomes one round of the federation."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import Edit, Wrap
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Put the epoch loop, or the statements that train without one, into ``while flare.is_running()``; what is built
    before it stays built once, and a ``return`` in the loop ends the round."""
    yield from plan.rounds.endings
    yield Wrap(plan.frame.place, f"\nwhile {plan.names.flare}.is_running():", until=plan.frame.last)


step = Step(
    "wrap_in_is_running",
    "puts the training loop into while flare.is_running(), so that the run of one site becomes one round",
    "FLARE hands out one task after another; model, optimizer, schedule and loaders are built once and live on",
    edits,
)
