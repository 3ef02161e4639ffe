"""How the program measures the model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine.facts.best_metric import best_first
from engine.facts.many_values import collected_before
from engine.facts.metric_names import rank_by_data
from engine.facts.metrics import keyed_metrics, returned_metrics, spelled_by_caller, unpacked_metrics
from engine.facts.models import unwrapped
from engine.facts.optimizers import goes_backward
from engine.facts.printed_metrics import names_given, printed_metrics
from engine.facts.program import EvaluationFact, MetricFact
from engine.facts.source_text import expression, own_nodes, text_of
from engine.facts.trace import Branch, Call, Context, Entry, Event, Loop, Trace, leads_through, path_inside
from engine.facts.training import PASSED_THROUGH, TrainingLoop, is_statement, runs_over_phases
from engine.facts.values import Literal, Mapping, Object, Scope, Sequence, Value, objects, options, plain

NO_GRADIENT = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.set_grad_enabled")
EVALUATION_NAME = re.compile(r"eval|valid|test|(\b|_)val(\b|_)|(\b|_)dev(\b|_)", re.IGNORECASE)
OF_MAPPINGS = ("items", "keys", "values", "get", "update")
NEAREST_FIRST = ("loop", "batch_loop", "after", "before")


def evaluations(trace: Trace, training: TrainingLoop, models: list[Object]) -> tuple[EvaluationFact, ...]:
    """The evaluations of the trained model: those in the epoch loop first, then those that are named so."""
    learning = {
        id(pass_of(event, training))
        for event in trace.events
        if goes_backward(event) and not _reuses_training(event, training)
    }
    found: dict[object, list[EvaluationFact]] = {}
    for event in trace.events:
        if not _is_forward(event, models):
            continue
        if id(pass_of(event, training)) in learning or not _measures(trace, event, training):
            continue
        fact = _evaluation(trace, training, event)
        named = any(EVALUATION_NAME.search(call.function.name) for call in event.calls if call not in training.path)
        if fact.metrics or (fact.function is None and fact.loop is not None) or named:
            found.setdefault(fact.definition or event.place, []).append(fact)
    nearest = [min(facts, key=rank) for facts in found.values()]
    ranked = sorted([*nearest, *_phases(training)], key=rank)
    return tuple(sorted(ranked, key=lambda fact: _stands_in(fact, ranked)))


def _stands_in(fact: EvaluationFact, others: list[EvaluationFact]) -> bool:
    """True for what takes the place of another evaluation every so many epochs: ``if epoch % 5 == 0``."""
    tests = [(one.node, one.node.test) for one in _branches(fact, True) if isinstance(one.node, ast.If)]
    seldom = [node for node, test in tests if any(isinstance(part, ast.Mod) for part in ast.walk(test))]
    return any(branch.node in seldom for other in others for branch in _branches(other, False))


def _branches(fact: EvaluationFact, taken: bool) -> list[Branch]:
    """The branches of one side that the call of an evaluation stands in."""
    path = fact.call_event.path if fact.call_event is not None else ()
    return [entry for entry in path if isinstance(entry, Branch) and entry.taken is taken]


def rank(fact: EvaluationFact) -> tuple[bool, int, bool, bool, bool, int]:
    """Evaluations on other data than the training's first, of these the nearest the training, then those that compute
    something, in a function, on validation data."""
    text = f"{fact.function or ''} {fact.call.text if fact.call else ''}"
    named = bool(EVALUATION_NAME.search(text))
    nearest = NEAREST_FIRST.index(fact.where)
    call = fact.call.node if fact.call else None
    given = [*call.args, *(one.value for one in call.keywords)] if isinstance(call, ast.Call) else []
    data = rank_by_data(" ".join([fact.function or "", *map(text_of, given)]))
    return fact.on_training_data, nearest, not (fact.metrics or named), not named, fact.function is None, data


def _is_forward(event: Event, models: list[Object]) -> bool:
    """True for a call of one of the trained models, wrapped or not, or of an inferer that is handed it."""
    if event.name in ("()", ".forward"):
        called = objects(event.receiver)
        return any(unwrapped(one) in models for one in called) or (
            bool(called) and _infers(event, called[0].kind, models)
        )
    return _infers(event, event.name, models) or _asks(event, models)


def _asks(event: Event, models: list[Object]) -> bool:
    """True for a call of what a trained model's own class defines: ``model.forward(x)``; where an evaluation is named
    so, also of another method that is handed something and gives something back: ``model.log_prob(x)``."""
    around = [entry for entry in event.path if isinstance(entry, Call)]
    asked = [one for one in objects(event.receiver) if unwrapped(one) in models]
    if event.function is None or not asked or any(entry.receiver in asked for entry in around):
        return False
    if event.function.name == "forward":
        return True
    named = any(EVALUATION_NAME.search(call.function.name) for call in around)
    gives = any(isinstance(node, ast.Return) and node.value for node in own_nodes(event.function.node.body))
    return named and gives and bool(event.args or event.kwargs) and event.function.name not in ("train", "eval")


def _infers(event: Event, name: str, models: list[Object]) -> bool:
    """True for something like ``sliding_window_inference(images, size, batch, model)``."""
    handed = [one for argument in (*event.args, *event.kwargs.values()) for one in objects(argument)]
    return event.function is None and "infer" in name.lower() and any(unwrapped(one) in models for one in handed)


def pass_of(event: Event, training: TrainingLoop) -> Loop | Call | Context | None:
    """The pass over batches that a call belongs to: the outermost loop of the evaluation or of the epoch.

    A function that is named like an evaluation starts a pass of its own, with or without a loop; so does a function
    that loops for itself within the training batch loop, and a loop there for which gradients are switched off. Where
    nothing loops, what switches them off is a pass.
    """
    node = training.epoch.node
    entries = list(path_inside(event.path, node) if event.within_node(node) else event.path)
    without = next((entry for entry in entries if _has_no_gradients(entry)), None)
    inside = entries[entries.index(without) :] if without is not None else []
    entries = [entry for entry in entries if isinstance(entry, Call) or _is_pass(entry)]
    calls = [entry for entry in entries if isinstance(entry, Call)]
    named = next((call for call in calls if EVALUATION_NAME.search(call.function.name)), None)
    if named is not None:
        following = entries[entries.index(named) + 1 :]
        return next((entry for entry in following if isinstance(entry, Loop)), named)
    loops = [entry for entry in entries if isinstance(entry, Loop)]
    own = [
        loop for loop in loops[1:] if loop.scope is not loops[0].scope or (loop in inside and loops[0] not in inside)
    ]
    if own and training.batch is not None and loops[0].node is training.batch.node:
        return own[0]
    return loops[0] if loops else without or next(reversed(calls), None)


def _is_pass(entry: Entry) -> bool:
    """True for a loop statement that does not run over phases."""
    return isinstance(entry, Loop) and is_statement(entry) and not runs_over_phases(entry)


def _reuses_training(event: Event, training: TrainingLoop) -> bool:
    """True within a second call of the training function that the caller means as an evaluation."""
    below = [entry for entry in event.path if isinstance(entry, Call) and entry not in training.path]
    first = [entry for entry in training.first_step.path if isinstance(entry, Call) and entry not in training.path]
    for call, known in zip(below, first, strict=False):
        if call.function is not known.function or call.node is known.node:
            continue
        around = event.path[: event.path.index(call)]
        texts = [text_of(node) for node in (call.node, known.node)]
        named = [bool(EVALUATION_NAME.search(text.partition("(")[2])) for text in texts]
        return any(map(_switches_gradients_off, around)) or named == [True, False]
    return False


def _switches_gradients_off(entry: Entry) -> bool:
    """True for ``with torch.no_grad()`` and the like; ``set_grad_enabled`` counts unless it is switched on."""
    if not isinstance(entry, Context) or not entry.name.startswith(NO_GRADIENT):
        return False
    argument = entry.value.args[0] if isinstance(entry.value, Object) and entry.value.args else None
    return plain(argument) is not True


def _has_no_gradients(entry: Entry) -> bool:
    """True for ``with torch.no_grad()`` and what is like it whatever the phase: ``set_grad_enabled(False)``."""
    if not _switches_gradients_off(entry):
        return False
    argument = entry.value.args[0] if isinstance(entry.value, Object) and entry.value.args else None
    return not entry.name.endswith("set_grad_enabled") or plain(argument) is False


def _measures(trace: Trace, event: Event, training: TrainingLoop) -> bool:
    """True for a forward pass without gradients, in evaluation mode, or in a function named so."""
    if _reuses_training(event, training) or any(map(_switches_gradients_off, event.path)):
        return True
    if any(isinstance(entry, Call) and EVALUATION_NAME.search(entry.function.name) for entry in event.path):
        return True
    modes = (e for e in reversed(trace.events[: event.number]) if _sets_mode(e))
    held = event.calls[-1].scope if event.calls else event.scope.module  # around a comprehension, which has its own
    scopes = [event.scope, held, *(call.caller for call in event.calls)]
    mode = next((e for e in modes if e.scope in scopes), None)
    return mode is not None and (mode.name == ".eval" or plain(next(iter(mode.args), None)) is False)


def _sets_mode(event: Event) -> bool:
    """True for ``model.eval()`` and ``model.train()``."""
    return event.name in (".eval", ".train")


def _evaluation(trace: Trace, training: TrainingLoop, event: Event) -> EvaluationFact:
    """The fact of one evaluation."""
    found = pass_of(event, training)
    inner = [entry for entry in event.calls if entry not in training.path]
    held = found if isinstance(found, Call) else next((c for c in inner if c.scope is _scope_of(found, event)), None)
    holder = _enclosing(held, inner) if held in inner else None
    around = [entry.function.node for entry in training.path if isinstance(entry, Call)]
    if holder is None or holder.function.node in around or training.first_step.within(holder):
        fact = _inline(training, event)
        return fact if fact.metrics else _goes_on(training, event, inner) or fact
    calling, returns, metrics = _returned(trace, holder, event)
    telling = None if metrics else _telling(inner[: inner.index(holder)], training)
    if telling is not None:
        holder = telling
        calling, returns, metrics = _returned(trace, holder, event)
    goes_on = _goes_on(training, event, inner) if not metrics else None
    if goes_on is not None:
        return goes_on
    inside = [one for one in trace.events if one.within(holder)]
    return EvaluationFact(
        function=holder.function.readable_name,
        definition=holder.function.file.place(holder.function.node),
        call=expression(holder.node, holder.caller) if holder.node is not None else None,
        where=_where(event, training),
        returns=returns,
        metrics=metrics,
        loop=next((entry for entry in event.path if isinstance(entry, Loop) and entry.scope is holder.scope), None),
        call_event=calling,
        leaves_grad_off=_leaves_grad_off(inside),
        on_training_data=_is_training_data(event, training),
    )


def _is_training_data(event: Event, training: TrainingLoop) -> bool:
    """True for a forward pass in a loop over the very loader that the training runs over."""
    trained = _run_over(training.batch)
    return any(one in trained for loop in event.loops if is_statement(loop) for one in _run_over(loop))


def _run_over(loop: Loop | None) -> list[Object]:
    """What a loop runs over, what a progress bar or ``enumerate`` shows of it looked into."""
    found: list[Object] = []
    pending = objects(loop.iterable) if loop is not None else []
    while pending:
        one = pending.pop()
        found.append(one)
        pending += objects(one.args[0]) if one.args and one.kind.startswith(PASSED_THROUGH) else []
    return found


def _returned(trace: Trace, holder: Call, event: Event) -> tuple[Event | None, str, tuple[MetricFact, ...]]:
    """The call of an evaluating function, how it gives back what it computes, and the metrics in it, the one that tells
    the best model first.

    Args:
        trace: what the program does.
        holder: the call, as what is around the evaluation.
        event: a forward pass of the evaluation.
    """
    before = reversed(trace.events[: event.number])
    calling = next((one for one in before if one.node is holder.node and one.function), None)
    names = names_given(calling.statement, calling.node) if calling else []
    if calling is not None and _gives_nothing(holder, calling):
        return calling, "none", ()
    returns, metrics = _given_back(holder, calling, names)
    metrics = best_first(metrics, {metric.text: metric for metric in metrics}, holder.function.node)
    around = _code_around(calling) if calling else holder.function.node
    return calling, returns, best_first(metrics, spelled_by_caller(metrics, returns, names), around)


def _gives_nothing(holder: Call, calling: Event) -> bool:
    """True for a function that returns something, but to other callers: what it returns depends on an argument."""
    own = [node for node in own_nodes(holder.function.node.body) if isinstance(node, ast.Return) and node.value]
    results = options(calling.result)
    return bool(own) and bool(results) and all(isinstance(one, Literal) and one.value is None for one in results)


def _code_around(event: Event) -> ast.AST:
    """The function that something happens in, or the module."""
    return event.calls[-1].function.node if event.calls else event.scope.file.tree


def _given_back(holder: Call, calling: Event | None, names: list[str]) -> tuple[str, tuple[MetricFact, ...]]:
    """How an evaluating function gives back what it computes, and the metrics in it: where what it gives back is not
    written out there, those that the caller reads from it."""
    returns, metrics = returned_metrics(holder.function.node, names)
    if calling is None:
        return returns, metrics
    metrics = tuple(metric for metric in metrics if not _is_object(_part(calling.result, metric.index)))
    if returns == "tuple":
        return returns, tuple(one for metric in metrics for one in _looked_into(calling, metric, names))
    if returns == "none" or (metrics and returns != "value"):
        return returns, metrics
    if returns == "dict":
        return returns, ()
    if returns == "value" and len(names) > 1:
        return "tuple", unpacked_metrics(names)
    if _is_object(calling.result):
        return "object", keyed_metrics(_attributes_read(calling, names[0]) if names else ())
    if any(isinstance(one, Sequence) for one in options(calling.result)):
        return "tuple", ()
    read = _read_from(calling, names[0]) if len(names) == 1 else []
    if read or any(isinstance(one, Mapping) for one in options(calling.result)):
        return "dict", keyed_metrics(key for key in read if isinstance(key, str))
    return returns, metrics


def _part(result: Value | None, index: int | str | None) -> Value | None:
    """What stands at a position or under a key of a result; the result itself where there is none."""
    if index is None:
        return result
    for one in options(result):
        if isinstance(one, Sequence) and isinstance(index, int) and index < len(one.items):
            return one.items[index]
        if isinstance(one, Mapping) and index in one.items:
            return one.items[index]
    return None


def _is_object(value: Value | None) -> bool:
    """True for an instance of a class of the project, or of a named tuple, which is no number."""
    return any(one.cls is not None or one.kind == "collections.namedtuple()" for one in objects(value))


def _attributes_read(calling: Event, name: str) -> list[str]:
    """The attributes that a caller reads as numbers from what it calls by a name: ``result.loss``."""
    nodes = [node for node in own_nodes(_body_around(calling)) if isinstance(node, ast.Attribute)]
    owners = [node.value for node in nodes]
    called = [node.func for node in own_nodes(_body_around(calling)) if isinstance(node, ast.Call)]
    return [n.attr for n in nodes if text_of(n.value) == name and n not in owners and n not in called]


def _looked_into(calling: Event, metric: MetricFact, names: list[str]) -> Iterator[MetricFact]:
    """A metric in a tuple; where what stands there is a dictionary, those that the caller reads from it."""
    position = metric.index if isinstance(metric.index, int) else len(names)
    read = _read_from(calling, names[position]) if position < len(names) > 1 else []
    if all(isinstance(key, int) for key in read):
        yield metric
    for one in keyed_metrics(key for key in read if isinstance(key, str)):
        yield replace(one, index=metric.index, key=str(one.index))


def _read_from(calling: Event, name: str) -> list[Any]:
    """The keys and positions that a caller reads from what it calls by a name: ``info["acc"]``, ``info[monitor]``."""
    keys: list[Any] = []
    for node in own_nodes(_body_around(calling)):
        if isinstance(node, ast.Subscript) and text_of(node.value) == name and isinstance(node.ctx, ast.Load):
            index = node.slice
            known = options(calling.scope.look_up(index.id)) if isinstance(index, ast.Name) else []
            keys += [index.value] if isinstance(index, ast.Constant) else [plain(one) for one in known] or [None]
        elif isinstance(node, ast.Attribute) and text_of(node.value) == name and node.attr in OF_MAPPINGS:
            keys.append(None)
    return keys


def _body_around(calling: Event) -> list[ast.stmt]:
    """The statements of the function or the class a call stands in, or of the module."""
    kinds = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    holders = [one for one in ast.walk(calling.scope.file.tree) if isinstance(one, kinds)]
    return next(one.body for one in reversed(holders) if calling.statement in own_nodes(one.body))


def _scope_of(found: Loop | Context | None, event: Event) -> Scope | None:
    """The scope that a pass stands in: of a context, that of the last function called before it."""
    if not isinstance(found, Context):
        return found.scope if found is not None else None
    around = event.path[: event.path.index(found)]
    return next((entry.scope for entry in reversed(around) if isinstance(entry, Call)), None)


def _telling(around: list[Call], training: TrainingLoop) -> Call | None:
    """The call around a pass that computes nothing by itself, such as one that only predicts, which does compute
    something and is named like an evaluation."""
    for call in reversed(around):
        named = EVALUATION_NAME.search(call.function.name) and not training.first_step.within(call)
        if named and returned_metrics(call.function.node, [])[1]:
            return call
    return None


def _goes_on(training: TrainingLoop, event: Event, inner: list[Call]) -> EvaluationFact | None:
    """The evaluation whose function only predicts, or measures one sample, where what calls it in the training goes on
    to compute the metrics; None where it computes none."""
    call = inner[0] if inner else None
    if call is None or training.first_step.within(call):
        return None
    loops = event.path[: event.path.index(call)]
    trained = [entry.node for entry in (*training.path, training.epoch, training.batch) if isinstance(entry, Loop)]
    around = [one for one in loops if isinstance(one, Loop) and is_statement(one) and one.scope is call.caller]
    own = next((loop for loop in around if loop.node not in trained), None)
    block = _block_of(own.node if own is not None else call.statement, call.caller.file.tree)
    given = names_given(call.statement, call.node) if isinstance(call.node, ast.Call) else []
    metrics = printed_metrics(block, given=given)
    if not metrics:
        return None
    return EvaluationFact(
        function=call.function.readable_name if own is None else None,
        definition=call.function.file.place(call.function.node),
        call=None,
        where=_where(event, training),
        returns="none",
        metrics=metrics,
        loop=own,
        forward=call.statement if own is None else None,
        statements=(expression(block[0], call.caller), expression(block[-1], call.caller)),
        on_training_data=_is_training_data(event, training),
    )


def _phases(training: TrainingLoop) -> list[EvaluationFact]:
    """The evaluating phase of ``for phase in ["train", "val"]``, which shares its code with the training."""
    return [
        EvaluationFact(None, None, None, "loop", "none", printed_metrics(loop.node.body), loop=training.batch)
        for loop in training.first_step.loops
        if runs_over_phases(loop)
    ]


def _enclosing(call: Call | None, inner: list[Call]) -> Call | None:
    """The call that a nested function's own call belongs to: of the outermost function it is defined in."""
    for outer in inner:
        if call is not None and outer is not call and call.function.scope is outer.scope:
            return _enclosing(outer, inner)
    return call


def _inline(training: TrainingLoop, event: Event) -> EvaluationFact:
    """An evaluation that stands among the statements of the training itself."""
    loops = [loop for loop in event.loops if is_statement(loop) and loop.scope is event.scope]
    outside = [entry.node for entry in (*training.path, training.epoch) if isinstance(entry, Loop)]
    found = pass_of(event, training)
    own = found if found in loops else next((loop for loop in loops if loop.node not in outside), None)
    start = own.node if own is not None else _guard(event)
    block = _block_of(start, event.scope.file.tree)
    before = collected_before(_code_around(event), block[0].lineno) if block else []
    metrics = printed_metrics(block[0].body + block[1:] if isinstance(start, ast.With) else block, before)
    return EvaluationFact(
        function=None,
        definition=None,
        call=None,
        where=_where(event, training),
        returns="none",
        metrics=best_first(metrics, {metric.text: metric for metric in metrics}, _code_around(event)),
        loop=own,
        forward=event.statement if own is None else None,
        statements=(expression(block[0], event.scope), expression(block[-1], event.scope)) if block else (),
        on_training_data=_is_training_data(event, training),
    )


def _guard(event: Event) -> ast.AST | None:
    """The ``with torch.no_grad()`` that an evaluation without a loop stands in; else its own statement."""
    for outer in ast.walk(event.scope.file.tree):
        if isinstance(outer, ast.With) and event.statement in outer.body:
            return outer
    return event.statement


def _block_of(node: ast.AST | None, tree: ast.Module) -> list[ast.stmt]:
    """The statements from an evaluating loop to the end of the block it stands in, past the ``with`` around it."""
    for outer in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(outer, name, None)
            if isinstance(block, list) and node in block:
                rest = _block_of(outer, tree)[1:] if isinstance(outer, ast.With) else []
                return [*block[block.index(node) :], *rest]
    return []


def _where(event: Event, training: TrainingLoop) -> str:
    """Where an evaluation stands with respect to the epoch loop."""
    own = pass_of(event, training)
    around = event.path[: event.path.index(own)] if own in event.path else event.path
    if training.batch is not None and leads_through(around, training.batch.node):
        return "batch_loop"
    if event.within_node(training.epoch.node):
        return "loop"
    return "before" if event.number < training.first_step.number else "after"


def _leaves_grad_off(inside: list[Event]) -> bool:
    """True where an evaluation ends with gradients switched off by a call, not by a ``with``."""
    switches = [
        event
        for event in inside
        if event.name == "torch.set_grad_enabled" and isinstance(event.statement, ast.Expr) and event.args
    ]
    return bool(switches) and plain(switches[-1].args[0]) is False
