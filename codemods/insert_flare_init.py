"""Import FLARE's Client API and call ``flare.init()`` once, before anything that needs the site."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, Insert
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """The import in every file that talks to FLARE, and the one call."""
    if not plan.distributed:
        for file in plan.client_api_files:
            yield AddImport(file, f"import nvflare.client as {plan.names.flare}")
    yield Insert(plan.init.place, f"{plan.names.flare}.init()\n", after=plan.init.after, apart=True)


step = Step(
    "insert_flare_init",
    "imports nvflare.client and calls flare.init() once, before anything that needs the site",
    "outside of an initialised Client API no other call of it works",
    edits,
)
