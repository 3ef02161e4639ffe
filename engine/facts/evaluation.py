"""How the program measures the model."""

from __future__ import annotations

import ast
import re

from engine.facts.metrics import printed_metrics, returned_metrics
from engine.facts.models import unwrapped
from engine.facts.optimizers import BACKWARD
from engine.facts.program import EvaluationFact
from engine.facts.source_text import expression, text_of
from engine.facts.trace import Call, Context, Event, Loop, Trace
from engine.facts.training import TrainingLoop, is_statement
from engine.facts.values import Object, objects, plain

NO_GRADIENT = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.set_grad_enabled")
EVALUATION_NAME = re.compile(r"eval|valid|test|(\b|_)val(\b|_)|(\b|_)dev(\b|_)", re.IGNORECASE)
NEAREST_FIRST = ("loop", "batch_loop", "after", "before")


def evaluations(trace: Trace, training: TrainingLoop, models: list[Object]) -> tuple[EvaluationFact, ...]:
    """The evaluations of the trained model: those in the epoch loop first, then those that are named so."""
    learning = {id(_pass_of(event)) for event in trace.events if event.name.endswith(BACKWARD)}
    found: dict[object, list[EvaluationFact]] = {}
    for event in trace.events:
        if event.name not in ("()", ".forward") or not _is_model(event, models):
            continue
        if id(_pass_of(event)) in learning or not _measures(trace, event):
            continue
        fact = _evaluation(trace, training, event)
        found.setdefault(fact.definition or event.place, []).append(fact)
    return tuple(sorted((min(facts, key=_rank) for facts in found.values()), key=_rank))


def _rank(fact: EvaluationFact) -> tuple[int, bool, bool]:
    """Evaluations nearest the training first, then those on validation data, then those in a function."""
    text = f"{fact.function or ''} {fact.call.text if fact.call else ''}"
    return NEAREST_FIRST.index(fact.where), not EVALUATION_NAME.search(text), fact.function is None


def _is_model(event: Event, models: list[Object]) -> bool:
    """True for a call of one of the trained models, wrapped or not."""
    return any(unwrapped(one) in models for one in objects(event.receiver))


def _frame(event: Event) -> tuple[Call | None, list[Loop]]:
    """The innermost local call around an event, and the loops within it."""
    call, loops = None, []
    for entry in event.path:
        if isinstance(entry, Call):
            call, loops = entry, []
        elif isinstance(entry, Loop) and is_statement(entry):
            loops.append(entry)
    return call, loops


def _pass_of(event: Event) -> object:
    """What one pass over a batch is: the innermost loop of the function, the call of it, or the program."""
    call, loops = _frame(event)
    return loops[-1] if loops else call


def _measures(trace: Trace, event: Event) -> bool:
    """True for a forward pass without gradients, in evaluation mode, or in a function named so."""
    for entry in event.path:
        if isinstance(entry, Context) and entry.name.startswith(NO_GRADIENT):
            return True
        if isinstance(entry, Call) and EVALUATION_NAME.search(entry.function.name):
            return True
    mode = next((e for e in reversed(trace.events[: event.number]) if _sets_mode(e) and e.scope is event.scope), None)
    return mode is not None and mode.name == ".eval"


def _sets_mode(event: Event) -> bool:
    """True for ``model.eval()`` and ``model.train()``."""
    return event.name in (".eval", ".train")


def _evaluation(trace: Trace, training: TrainingLoop, event: Event) -> EvaluationFact:
    """The fact of one evaluation."""
    call, loops = _frame(event)
    inner = [entry for entry in event.calls if entry not in training.path]
    holder = _enclosing(call, inner) if call in inner else None
    around = [entry.function.node for entry in training.path if isinstance(entry, Call)]
    if holder is None or holder.function.node in around:
        return _inline(training, event, loops)
    calling = next((e for e in reversed(trace.events[: event.number]) if e.node is holder.node and e.function), None)
    returns, metrics = returned_metrics(holder.function.node, _targets(calling))
    inside = [one for one in trace.events if one.within(holder)]
    return EvaluationFact(
        function=holder.function.readable_name,
        definition=holder.function.file.place(holder.function.node),
        call=expression(holder.node, holder.caller) if holder.node is not None else None,
        where=_where(event, training),
        returns=returns,
        metrics=metrics,
        loop=loops[0] if loops else None,
        call_event=calling,
        leaves_eval_mode=_leaves_eval_mode(inside),
        leaves_grad_off=_leaves_grad_off(inside),
    )


def _enclosing(call: Call | None, inner: list[Call]) -> Call | None:
    """The call that a nested function's own call belongs to: of the outermost function it is defined in."""
    for outer in inner:
        if call is not None and outer is not call and call.function.scope is outer.scope:
            return _enclosing(outer, inner)
    return call


def _inline(training: TrainingLoop, event: Event, loops: list[Loop]) -> EvaluationFact:
    """An evaluation that stands among the statements of the training itself."""
    loop = next((loop for loop in loops if loop.node is not training.epoch.node), None)
    block = _block_of(loop.node, event) if loop is not None else []
    pieces = (expression(block[0], event.scope), expression(block[-1], event.scope)) if block else ()
    return EvaluationFact(
        function=None,
        definition=None,
        call=None,
        where=_where(event, training),
        returns="none",
        metrics=printed_metrics(block),
        loop=loop,
        statements=pieces,
    )


def _block_of(node: ast.AST, event: Event) -> list[ast.stmt]:
    """The statements from an evaluating loop to the end of the block it stands in, past the ``with`` around it."""
    for outer in ast.walk(event.scope.file.tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(outer, name, None)
            if isinstance(block, list) and node in block:
                rest = _block_of(outer, event)[1:] if isinstance(outer, ast.With) else []
                return [*block[block.index(node) :], *rest]
    return []


def _targets(calling: Event | None) -> list[str]:
    """The names a call's result is bound to."""
    statement = calling.statement if calling is not None else None
    if not isinstance(statement, ast.Assign) or statement.value is not calling.node:
        return []
    target = statement.targets[0]
    return [text_of(part) for part in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target])]


def _where(event: Event, training: TrainingLoop) -> str:
    """Where an evaluation stands with respect to the epoch loop."""
    if training.batch is not None and event.within_node(training.batch.node):
        return "batch_loop"
    if event.within_node(training.epoch.node):
        return "loop"
    return "before" if event.number < training.first_step.number else "after"


def _leaves_eval_mode(inside: list[Event]) -> bool:
    """True where the last change of mode in an evaluation is ``eval()``."""
    modes = [event for event in inside if _sets_mode(event)]
    return bool(modes) and modes[-1].name == ".eval"


def _leaves_grad_off(inside: list[Event]) -> bool:
    """True where an evaluation ends with gradients switched off by a call, not by a ``with``."""
    switches = [
        event
        for event in inside
        if event.name == "torch.set_grad_enabled" and isinstance(event.statement, ast.Expr) and event.args
    ]
    return bool(switches) and plain(switches[-1].args[0]) is False
