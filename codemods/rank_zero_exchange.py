"""In distributed training, rank 0 talks to FLARE and the other ranks get what it received."""

from __future__ import annotations

from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[AddImport]:
    """Import a Client API that speaks for all ranks, in every file that talks to FLARE."""
    if plan.distributed:
        for file in plan.client_api_files:
            yield AddImport(file, f"import rank_zero as {plan.names.flare}")


def files(plan: Plan) -> dict[str, str]:
    """That Client API."""
    if not plan.distributed:
        return {}
    return {"rank_zero.py": template("rank_zero.py")}


step = Step(
    "rank_zero_exchange",
    "lets rank 0 of a DistributedDataParallel training talk to FLARE and hands its answers to the other ranks",
    "on other ranks receive() gives None and is_running() is False, so they would leave the training at once",
    edits,
    files,
)
