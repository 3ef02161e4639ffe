"""What the training does besides: mixed precision, clipping, checkpoints and the like."""

from __future__ import annotations

import ast
import re

from engine.facts.optimizers import goes_backward
from engine.facts.program import Features
from engine.facts.source_text import text_of
from engine.facts.trace import Branch, Call, Context, Event, Loop, Trace, path_inside
from engine.facts.training import TrainingLoop
from engine.facts.values import Object

SAVES = ("torch.save", ".save_checkpoint", ".save_pretrained", ".save_weights", "safetensors.torch.save_file")
LOADS = (".load_state_dict", ".load_checkpoint")
STOPS_EARLY = re.compile(
    r"patience|early|\bstop|_stop|stop_|trigger|no_improv|not_improv|counter|wait|bad_epoch|since|best|converge|plateau",
    re.IGNORECASE,
)


def features(trace: Trace, training: TrainingLoop) -> Features:
    """The features of the training in an epoch loop."""
    return Features(
        amp=any(_is_mixed_precision(event) for event in trace.events),
        gradient_accumulation=accumulates(trace, training),
        gradient_clipping=any("clip_grad" in event.name or ".clip_grad" in event.name for event in trace.events),
        checkpoint_save=any(map(_saves, trace.events)),
        checkpoint_resume=resumes(trace, training),
        early_stopping=stops_early(trace, training),
        distributed=distributed(trace),
    )


def _saves(event: Event) -> bool:
    """True for a call that writes a checkpoint."""
    kind = event.receiver.kind if isinstance(event.receiver, Object) else ""
    return event.name.endswith(SAVES) or (event.name == ".save" and "checkpoint" in kind.lower())


def _is_mixed_precision(event: Event) -> bool:
    """True for autocast, a gradient scaler or apex."""
    return event.name.endswith(("autocast", "GradScaler", "autocast_mode")) or event.name == "apex.amp.initialize"


def accumulates(trace: Trace, training: TrainingLoop) -> bool:
    """True where several backward passes make one step: a loop around them alone, or a step every so many batches."""
    if any(isinstance(entry, Context) and entry.name.endswith(".accumulate") for entry in training.first_step.path):
        return True
    steps = [event for event, _ in training.steps]
    node = training.epoch.node
    backward = [event for event in trace.events if goes_backward(event) and event.within_node(node)]
    for step in steps:
        if any(isinstance(entry, Branch) and entry.taken and _counts(entry) for entry in path_inside(step.path, node)):
            return True
    return bool(backward) and all(
        any(isinstance(entry, Loop) and not step.within_node(entry.node) for entry in path_inside(event.path, node))
        for event in backward
        for step in steps
    )


def _counts(branch: Branch) -> bool:
    """True for a test such as ``(i + 1) % accumulation == 0``."""
    test = getattr(branch.node, "test", None)
    if test is None:
        return False
    return any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) for node in ast.walk(test)) or bool(
        re.search(r"accum|sync_grad", text_of(test), re.IGNORECASE)
    )


def resumes(trace: Trace, training: TrainingLoop) -> bool:
    """True where a saved state is loaded before the epoch loop starts."""
    start = training.first_step.number
    inside = [event.number for event in trace.events if event.within(training.epoch)]
    start = min([start, *inside])
    loads = any(event.name.startswith(("torch.load", "torch.utils.model_zoo")) for event in trace.events[:start])
    return loads and any(event.name.endswith(LOADS) for event in trace.events[:start])


def stops_early(trace: Trace, training: TrainingLoop) -> bool:
    """True where the epoch loop is left because nothing improves."""
    if any(event.name.endswith(("EarlyStopping", "EarlyStopper")) for event in trace.events):
        return True
    for statement, _, path in trace.exits:
        if not isinstance(statement, (ast.Break, ast.Return)):
            continue
        inner = path_inside(path, training.epoch.node)
        if any(isinstance(entry, (Loop, Call)) for entry in inner):
            continue
        tests = [text_of(getattr(entry.node, "test", None)) for entry in inner if isinstance(entry, Branch)]
        if any(STOPS_EARLY.search(test) for test in tests):
            return True
    return False


def distributed(trace: Trace) -> str | None:
    """How the training is spread over devices: ``DDP``, ``FSDP``, ``DataParallel``, ``accelerate``, or None."""
    kinds = {value.short_kind for value in trace.objects} | {event.name.rpartition(".")[2] for event in trace.events}
    if kinds & {"DistributedDataParallel", "DDP"}:
        return "DDP"
    if kinds & {"FullyShardedDataParallel", "FSDP"}:
        return "FSDP"
    if "Accelerator" in kinds:
        return "accelerate"
    return "DataParallel" if "DataParallel" in kinds else None
