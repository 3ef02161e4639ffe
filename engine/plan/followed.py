"""What of a program was followed, and so converted."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts import Facts
from engine.plan.decision import Decision


def decide_followed(facts: Facts) -> Iterator[Decision]:
    """The judgement on a program that is too large to be followed to its end."""
    if facts.trace.exhausted:
        yield Decision(
            "the end of the program",
            f"it was not looked at, and is kept as it stands: {facts.trace.exhausted}",
            "look there for what trains, measures or saves the model; a script that only trains is followed whole",
        )
