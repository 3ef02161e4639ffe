"""Let schedules that are sized for one run cover all rounds."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import Edit
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Stretch horizons over all rounds, and let epoch numbers and limits of steps go on from round to round."""
    yield from plan.schedules.edits
    yield from plan.rounds.shifts
    yield from plan.rounds.limits


step = Step(
    "rescale_schedulers",
    "stretches schedules that are sized for one run over all rounds, and counts epochs on where training needs it",
    "a schedule that ends with the first round would train all others at its last learning rate, or fail",
    edits,
)
