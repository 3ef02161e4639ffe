"""Keep what the sites write apart, in folders that are there, and remote trackers off."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddArgument, AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan

TRACKERS = {"wandb.init": 'mode="disabled"'}


def edits(plan: Plan) -> Iterator[Edit]:
    """Make the folders that are written to; switch trackers off: every site would report to the outside."""
    if plan.output_folders or plan.folders_beside:
        yield AddImport(plan.init.file, imported_as("from os import makedirs", plan.names.makedirs))
    if plan.folders_beside:
        yield AddImport(plan.init.file, imported_as("from pathlib import Path", plan.names.path_class))
    for folder in plan.folders_beside:
        path = f'{plan.names.path_class}(__file__).parent / "{folder}"'
        text = f"{plan.names.makedirs}({path}, exist_ok=True)  # written to below, beside this file at the site\n"
        yield Insert(plan.init.place, text, after=plan.init.after)
    for folder in plan.output_folders:
        text = f'{plan.names.makedirs}("{folder}", exist_ok=True)  # written to below, in the folder of the site\n'
        yield Insert(plan.init.place, text, after=plan.init.after)
    seen = set()
    for event in plan.facts.trace.named(*TRACKERS):
        if event.place not in seen:
            seen.add(event.place)
            yield AddArgument(event.place, event.scope.file.end(event.node), TRACKERS[event.name])


step = Step(
    "per_site_outputs",
    "switches remote experiment trackers off; files with relative paths stay in the folder that FLARE gives each site, "
    "in which it makes the folders that the script expects to be there",
    "a site must not report its training outside of the federation unless somebody decides that it may",
    edits,
)
