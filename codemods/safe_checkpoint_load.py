"""Load checkpoints without running code that may be hidden in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.edit import AddArgument, Edit
from engine.facts.data import restores
from engine.facts.trace import Event, Trace
from engine.facts.values import Object, objects
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """``weights_only=True`` for every ``torch.load`` of a checkpoint; data may hold more than tensors, and so do models
    that the script itself has saved whole."""
    trace, seen = plan.facts.trace, set()
    for event in trace.named("torch.load"):
        given = next((k.value for k in event.node.keywords if k.arg == "weights_only"), None)
        safe = isinstance(given, ast.Constant) and given.value is True
        if not safe and event.place not in seen and restores(trace, event) and not is_whole_model(trace, event):
            seen.add(event.place)
            yield AddArgument(event.place, event.scope.file.end(event.node), "weights_only=True")


def is_whole_model(trace: Trace, load: Event) -> bool:
    """True for a file to which the script has saved a module, not its state: what it loads is used as one. PyTorch
    refuses it with ``weights_only=True``, which would end the script in an error where it has said False."""
    saves = [event for event in trace.named("torch.save") if event.args and event.number < load.number]
    whole = [
        event for event in saves if any(isinstance(one, Object) and one.is_module for one in objects(event.args[0]))
    ]
    given = [load.result is value for event in trace.named(".load_state_dict") for value in event.args]
    return bool(whole) and not any(given) and any(same_file(event, load) for event in whole)


def same_file(save: Event, load: Event) -> bool:
    """True where a file is named alike where it is saved and where it is loaded."""
    return (
        len(save.node.args) > 1 and bool(load.node.args) and ast.dump(save.node.args[1]) == ast.dump(load.node.args[0])
    )


step = Step(
    "safe_checkpoint_load",
    "loads checkpoints with weights_only=True",
    "a pickled checkpoint runs whatever code is in it; a site of a federation must not trust files from elsewhere",
    edits,
)
