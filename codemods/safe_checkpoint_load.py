"""Load checkpoints without running code that may be hidden in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.edit import AddArgument, Edit
from engine.facts.data import restores
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """``weights_only=True`` for every ``torch.load`` of a checkpoint; data may hold more than tensors."""
    trace, seen = plan.facts.trace, set()
    for event in trace.named("torch.load"):
        given = next((k.value for k in event.node.keywords if k.arg == "weights_only"), None)
        safe = isinstance(given, ast.Constant) and given.value is True
        if not safe and event.place not in seen and restores(trace, event):
            seen.add(event.place)
            yield AddArgument(event.place, event.scope.file.end(event.node), "weights_only=True")


step = Step(
    "safe_checkpoint_load",
    "loads checkpoints with weights_only=True",
    "a pickled checkpoint runs whatever code is in it; a site of a federation must not trust files from elsewhere",
    edits,
)
