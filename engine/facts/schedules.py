"""Learning-rate schedules: by a scheduler object, or written by hand."""

from __future__ import annotations

import ast
import re

from engine.facts.models import construction
from engine.facts.optimizers import is_scheduler, stepped_name
from engine.facts.program import SchedulerFact
from engine.facts.trace import Call, Event, Trace
from engine.facts.training import TrainingLoop
from engine.facts.values import Object, objects

RATE_NAME = re.compile(r"(^|_)(lr|learning_rate|lrate)$", re.IGNORECASE)


def schedules(trace: Trace, training: TrainingLoop) -> tuple[SchedulerFact, ...]:
    """The schedules stepped in the epoch loop; one that the script writes itself comes last."""
    found: dict[str, SchedulerFact] = {}
    for event in trace.events:
        if not event.within_node(training.epoch.node) or not event.name.endswith((".step", ".step_update")):
            continue
        for value in objects(event.receiver):
            if is_scheduler(value) and value.kind not in found:
                cadence = _cadence(event, value, training)
                found[value.kind] = SchedulerFact(
                    stepped_name(event, value), value.kind, cadence, construction(value), value
                )
    if not found and _changes_rate(trace, training):
        return (SchedulerFact("", "", "manual", None),)
    return tuple(found.values())


def _cadence(event: Event, value: Object, training: TrainingLoop) -> str:
    """When a scheduler steps: on plateau, every step or every epoch."""
    if "Plateau" in value.kind:
        return "plateau"
    return "step" if training.batch is not None and event.within_node(training.batch.node) else "epoch"


def _changes_rate(trace: Trace, training: TrainingLoop) -> bool:
    """True where code of the epoch loop assigns a learning rate."""
    nodes = [training.epoch.node]
    for event in trace.events:
        if event.within_node(training.epoch.node):
            nodes.extend(entry.function.node for entry in event.path if isinstance(entry, Call))
            if event.function is not None:
                nodes.append(event.function.node)
    outside = {id(entry.function.node) for entry in training.path if isinstance(entry, Call)}
    seen = {id(node): node for node in nodes if id(node) not in outside}
    return any(_assigns_rate(statement) for node in seen.values() for statement in ast.walk(node))


def _assigns_rate(statement: ast.AST) -> bool:
    """True for ``group["lr"] = ...`` and ``lr = ...`` or ``lr *= ...``."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    else:
        return False
    for target in targets:
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) and target.slice.value == "lr":
            return True
        if isinstance(target, ast.Name) and RATE_NAME.search(target.id) and isinstance(statement, ast.AugAssign):
            return True
    return False
