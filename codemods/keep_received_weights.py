"""Let every round train all its local epochs, from the received weights."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import Edit, Insert
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Repeat at the start of a round what the loop's end depends on."""
    if plan.rounds.resets:
        lines = "\n".join(plan.rounds.resets)
        yield Insert(plan.frame.place, f"{lines}  # every round trains all its local epochs\n", inside=True)


step = Step(
    "keep_received_weights",
    "lets every round train all its local epochs from the received weights, whatever a local checkpoint says",
    "a counter left at its end, or set by a checkpoint, would make every round after the first empty",
    edits,
    needs=("wrap_in_is_running",),
)
