"""Import FLARE's Client API and call ``flare.init()`` once, before anything that needs the site."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, Insert
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """The import in every file that talks to FLARE, and the one call."""
    line = f"import nvflare.client as {plan.names.flare}"
    files = {plan.init.file.name: plan.init.file, plan.frame.file.name: plan.frame.file}
    for file in files.values():
        yield AddImport(file, line)
    yield Insert(plan.init.place, f"{plan.names.flare}.init()\n", after=plan.init.after, apart=True)


step = Step(
    "insert_flare_init",
    "imports nvflare.client and calls flare.init() once, before anything that needs the site",
    "outside of an initialised Client API no other call of it works",
    edits,
)
