"""Keep what the sites write apart, and remote trackers off."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddArgument
from engine.pipeline import Step
from engine.plan import Plan

TRACKERS = {"wandb.init": 'mode="disabled"'}


def edits(plan: Plan) -> Iterator[AddArgument]:
    """Switch remote trackers off: every site would report its training to the outside."""
    seen = set()
    for event in plan.facts.trace.named(*TRACKERS):
        if event.place not in seen:
            seen.add(event.place)
            yield AddArgument(event.place, event.scope.file.end(event.node), TRACKERS[event.name])


step = Step(
    "per_site_outputs",
    "switches remote experiment trackers off; files with relative paths stay in the folder that FLARE gives each site",
    "a site must not report its training outside of the federation unless somebody decides that it may",
    edits,
)
