"""How the program measures the model."""

from __future__ import annotations

import ast
import re

from engine.facts.models import unwrapped
from engine.facts.optimizers import BACKWARD
from engine.facts.program import EvaluationFact
from engine.facts.source_text import expression
from engine.facts.trace import Call, Context, Event, Loop, Trace
from engine.facts.training import TrainingLoop, is_statement
from engine.facts.values import Object, objects

NO_GRADIENT = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.set_grad_enabled")
EVALUATION_NAME = re.compile(r"eval|valid|test|\bval_|_val\b|\bval\b|infer|dev\b", re.IGNORECASE)


def evaluations(trace: Trace, training: TrainingLoop, models: list[Object]) -> tuple[EvaluationFact, ...]:
    """The evaluations of the trained model, those in the epoch loop first."""
    learning = {id(_data_loop(event) or _holder(event)) for event in trace.events if event.name.endswith(BACKWARD)}
    found: dict[object, EvaluationFact] = {}
    for event in trace.events:
        if event.name not in ("()", ".forward") or not _is_model(event, models):
            continue
        loop = _data_loop(event)
        if id(loop or _holder(event)) in learning or not _measures(trace, event):
            continue
        fact = _evaluation(trace, training, event, loop)
        known = found.get(fact.definition or (loop.place if loop else event.place))
        if known is None:
            found[fact.definition or (loop.place if loop else event.place)] = fact
    order = {"loop": 0, "batch_loop": 1, "after": 2, "before": 3}
    return tuple(sorted(found.values(), key=lambda fact: order[fact.where]))


def _is_model(event: Event, models: list[Object]) -> bool:
    """True for a call of one of the trained models, wrapped or not."""
    return any(unwrapped(one) in models for one in objects(event.receiver))


def _data_loop(event: Event) -> Loop | None:
    """The outermost loop around a call within its own function."""
    frame: list[Loop] = []
    for entry in event.path:
        if isinstance(entry, Call):
            frame = []
        elif isinstance(entry, Loop) and is_statement(entry):
            frame.append(entry)
    return frame[-1] if frame else None


def _holder(event: Event) -> object:
    """The innermost call around an event, the program itself at module level."""
    return event.calls[-1] if event.calls else None


def _measures(trace: Trace, event: Event) -> bool:
    """True for a forward pass without gradients, in evaluation mode, or in a function named so."""
    for entry in event.path:
        if isinstance(entry, Context) and entry.name.startswith(NO_GRADIENT):
            return True
        if isinstance(entry, Call) and EVALUATION_NAME.search(entry.function.name):
            return True
    mode = None
    for earlier in trace.events[: event.number]:
        if earlier.name in (".eval", ".train") and earlier.scope is event.scope:
            mode = earlier.name
    return mode == ".eval"


def _evaluation(trace: Trace, training: TrainingLoop, event: Event, loop: Loop | None) -> EvaluationFact:
    """The fact of one evaluation."""
    inner = [call for call in event.calls if call not in training.path]
    scope = loop.scope if loop is not None else event.scope
    holder = next((call for call in reversed(inner) if call.scope is scope), inner[-1] if inner else None)
    around = [entry.function for entry in training.path if isinstance(entry, Call)]
    if holder is not None and holder.function in around:
        holder = None
    outermost = inner[0] if inner else None
    return EvaluationFact(
        function=holder.function.qualified_name if holder else None,
        definition=holder.function.file.place(holder.function.node) if holder else None,
        call=expression(outermost.node, outermost.caller) if outermost is not None and outermost.node else None,
        where=_where(event, training),
        returns=_returns(holder.function.node if holder else None),
        metrics=(),
        loop=loop,
    )


def _where(event: Event, training: TrainingLoop) -> str:
    """Where an evaluation stands with respect to the epoch loop."""
    if training.batch is not None and event.within_node(training.batch.node):
        return "batch_loop"
    if event.within_node(training.epoch.node):
        return "loop"
    return "before" if event.number < training.first_step.number else "after"


def _returns(function: ast.AST | None) -> str:
    """What a function gives back: ``none``, ``value``, ``tuple`` or ``dict``."""
    values = [
        node.value
        for node in (ast.walk(function) if function is not None else ())
        if isinstance(node, ast.Return) and node.value is not None
    ]
    if not values:
        return "none"
    if isinstance(values[-1], ast.Tuple):
        return "tuple"
    if isinstance(values[-1], ast.Dict) or (
        isinstance(values[-1], ast.Call) and getattr(values[-1].func, "id", "") in ("dict", "OrderedDict")
    ):
        return "dict"
    return "none" if isinstance(values[-1], ast.Constant) and values[-1].value is None else "value"
