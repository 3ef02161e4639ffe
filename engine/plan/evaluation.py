"""How the received model is measured: with the script's own evaluation, called once before training."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.edit import Insert
from engine.facts import EvaluationFact, Facts, MetricFact
from engine.facts.array_flow import outer_names
from engine.facts.source_text import FUNCTIONS, bound_within, imported_modules, names_in, own_nodes
from engine.facts.trace import Branch, Event, path_inside
from engine.facts.values import Object, objects
from engine.plan.decision import Decision
from engine.plan.draws import shared_generators, shares_random_transform
from engine.plan.evaluation_side_effects import changes_training, functions_of, moves_model, switched_around
from engine.plan.frame import Frame
from engine.plan.inline_evaluation import inline_function
from engine.plan.names import Names
from engine.plan.phases import phase_evaluation

MODULES_WITH_RANDOM_STREAMS = {"random", "numpy"}
MOST_WRAPPERS = 8


@dataclass(frozen=True)
class EvaluationPlan:
    """How the received model is evaluated.

    Attributes:
        lines: the statements that compute the metrics, as source.
        metric: the one the best model is chosen by.
        edits: what makes the evaluation return what it computed, in whatever file it stands.
        guarded: True where a context manager of our own has to keep modes, gradients and random streams as they were;
            otherwise ``torch.random.fork_rng`` is enough.
        generators: the random generators that the training's loader shares with others, as source; kept as they were.
    """

    lines: tuple[str, ...]
    metric: MetricFact
    edits: tuple[Insert, ...]
    guarded: bool
    generators: tuple[str, ...] = ()


def plan_evaluation(facts: Facts, frame: Frame, names: Names) -> EvaluationPlan | str:
    """The evaluation of the received model, or in words why the script has none that can be used."""
    reasons = []
    for evaluation in [e for e in (*facts.evaluations, phase_evaluation(facts, frame)) if e is not None]:
        plan = _plan_one(facts, evaluation, frame, names)
        if isinstance(plan, EvaluationPlan):
            return _with_generators(plan, facts, frame)
        reasons.append(plan)
    return reasons[0] if reasons else "the script does not evaluate its model"


def decide_evaluation(evaluation: EvaluationPlan | str) -> Iterator[Decision]:
    """The judgement that no metrics are sent, where that is so."""
    if isinstance(evaluation, str):
        yield Decision(
            "metrics",
            f"no metrics are sent: {evaluation}",
            "write the evaluation as a function that is called in the epoch loop",
        )


def _plan_one(facts: Facts, evaluation: EvaluationFact, frame: Frame, names: Names) -> EvaluationPlan | str:
    """The plan for one evaluation, or why it cannot be used."""
    if not evaluation.metrics:
        return "the script's evaluation computes no number that could be sent"
    if evaluation.call is None or evaluation.function is None:
        found = inline_function(facts, evaluation, frame, names)
        if found is None:
            return "the script's evaluation stands inline, mixed with the training"
        text, metrics = found
        comment = "# the evaluation of the loop below, for the received model\n"
        blank = "\n\n" if frame.scope.parent is None else "\n"
        inserted = Insert(frame.place, f"{blank}{comment}{text}{blank}")
        lines = (f"{names.metrics} = {names.evaluate}()",)
        return EvaluationPlan(lines, metrics[0], (inserted,), _needs_guard(facts, evaluation))
    event = _call_in_frame(facts, evaluation, frame)
    if event is None:
        return f"{evaluation.function}() is not called where the model is trained"
    changed = changes_training(facts, event, frame)
    if changed:
        return f"{evaluation.function}() also {changed}, so that calling it once more would change the training"
    switch = switched_around(frame)
    if switch:
        return f"{evaluation.function}() measures by {switch}, which the loop sets to one value for it and back"
    call = _call_text(facts, event, frame)
    if call is None:
        return f"{evaluation.function}() needs values that only exist while training"
    unset = _read_around(facts, event, frame) - frame.bound_outside
    if not unset <= _loop_variables(facts, frame):
        return f"{evaluation.function}() reads values that only exist while training"
    edits: tuple[Insert, ...] = ()
    if evaluation.returns == "none":
        inserted = _return_metrics(evaluation, event)
        if inserted is None:
            return f"{evaluation.function}() ends early on some paths, so what it computes cannot be returned"
        edits = (inserted,)
    starts = [f"{name} = {_first_epoch(facts)}  # {evaluation.function}() reads it" for name in sorted(unset)]
    lines = (*starts, *_lines(evaluation, call, names))
    return EvaluationPlan(lines, evaluation.metrics[0], edits, _needs_guard(facts, evaluation))


def _with_generators(plan: EvaluationPlan, facts: Facts, frame: Frame) -> EvaluationPlan | str:
    """The plan that keeps what the training's shuffling is drawn from, or why it cannot."""
    if shares_random_transform(facts):
        return "the script's evaluation may draw from a transform that draws for the training data, too"
    shared = shared_generators(facts, frame)
    if None in shared:
        return "the script's evaluation may draw from the generator that shuffles the training data, which has no name"
    named = tuple(name for name in shared if name is not None)
    return replace(plan, guarded=plan.guarded or bool(named), generators=named)


def _call_in_frame(facts: Facts, evaluation: EvaluationFact, frame: Frame) -> Event | None:
    """The call of the evaluating function that stands in the frame's scope, or in another method of its object."""
    candidates = [evaluation.call_event] if evaluation.call_event is not None else []
    function = candidates[0].function if candidates else None
    if function is not None:
        candidates += [e for e in facts.trace.events if e.function is not None and e.function.node is function.node]
    here = (e for e in candidates if e is not None and e.scope is frame.scope)
    return next(here, None) or next((e for e in candidates if _on_same_object(e, frame)), None)


def _on_same_object(event: Event, frame: Frame) -> bool:
    """True for ``self.validate()`` in a method of the object whose method the frame stands in."""
    own = frame.scope.look_up("self")
    return names_in(event.node) == {"self"} and own is not None and event.scope.look_up("self") is own


def _call_text(facts: Facts, event: Event, frame: Frame) -> str | None:
    """The call as source that can stand before the loop: the loop variable becomes the first epoch's number."""
    available = frame.bound_outside
    replaced: dict[str, str] = {}
    for node in ast.walk(event.node):
        if not isinstance(node, ast.Name) or node.id in available:
            continue
        if node.id in _loop_variables(facts, frame):
            replaced[node.id] = _first_epoch(facts)
        elif hasattr(builtins, node.id) or node.id in bound_within(event.node):
            continue
        else:
            return None
    return source_with(frame.file.text, event.node, replaced)


def _read_around(facts: Facts, event: Event, frame: Frame) -> set[str]:
    """The names of the frame's own scope that a called function reads from around it, or one that it calls."""
    inside = (one for one in facts.trace.events if one is event or one.within_node(event.node))
    called = [function for one in inside for function in functions_of(one)]
    inner = {id(f): f.node for f in called if f.scope is frame.scope}
    own = {n.id for n in own_nodes(frame.body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return {name for node in inner.values() for name in outer_names(node)} & own


def _loop_variables(facts: Facts, frame: Frame) -> set[str]:
    """The names that the epoch loop binds, where it is what becomes a round."""
    node = facts.loop.loop.node if facts.loop is not None and frame.is_loop else None
    return names_in(node.target) if isinstance(node, ast.For) else set()


def _first_epoch(facts: Facts) -> str:
    """The number of the first epoch, as source."""
    return facts.loop.start.text if facts.loop is not None and facts.loop.start is not None else "0"


def source_with(text: str, node: ast.AST, replaced: dict[str, str]) -> str:
    """The source of an expression on one line, some names replaced by other expressions."""

    class Replacer(ast.NodeTransformer):
        """Puts the expressions in place of the names."""

        def visit_Name(self, name: ast.Name) -> ast.AST:
            if name.id in replaced and isinstance(name.ctx, ast.Load):
                return ast.parse(replaced[name.id], mode="eval").body
            return name

    if not replaced:
        segment = ast.get_source_segment(text, node)
        if segment is not None and "\n" not in segment:
            return segment
    return ast.unparse(Replacer().visit(ast.parse(ast.unparse(node), mode="eval").body))


def _return_metrics(evaluation: EvaluationFact, event: Event) -> Insert | None:
    """The ``return`` that gives back what an evaluation otherwise only prints; None where it may end before."""
    function = event.function
    if function is None or not isinstance(function.node, FUNCTIONS):
        return None
    own = [n for n in own_nodes(function.node.body) if isinstance(n, (ast.Return, ast.Yield, ast.YieldFrom))]
    if own:
        return None
    last = function.node.body[-1]
    entries = ", ".join(f'"{metric.name}": float({metric.text})' for metric in evaluation.metrics)
    text = f"\nreturn {{{entries}}}  # for the server: what is printed above\n"
    return Insert(function.file.place(last), text, after=True)


def _lines(evaluation: EvaluationFact, call: str, names: Names) -> tuple[str, ...]:
    """The statements that compute the metrics."""
    target = names.metrics
    if evaluation.returns == "none":
        return (f"{target} = {call}",)
    if evaluation.returns == "dict":
        known = [m for m in evaluation.metrics if isinstance(m.index, str)]
        if len(known) == 1:
            return (f'{target} = {{"{known[0].name}": float({call}["{known[0].index}"])}}',)
        if known:
            entries = ", ".join(f'"{m.name}": float({names.evaluated}["{m.index}"])' for m in known)
            return (f"{names.evaluated} = {call}", f"{target} = {{{entries}}}")
        return (f"{target} = {{name: float(value) for name, value in {call}.items()}}",)
    if evaluation.returns == "object":
        entries = ", ".join(f'"{m.name}": float({names.evaluated}.{m.index})' for m in evaluation.metrics)
        return (f"{names.evaluated} = {call}", f"{target} = {{{entries}}}")
    if evaluation.returns == "value":
        return (f'{target} = {{"{evaluation.metrics[0].name}": float({call})}}',)
    indexed = [m for m in evaluation.metrics if isinstance(m.index, int)]
    if len(indexed) == 1:
        return (f'{target} = {{"{indexed[0].name}": float({call}{_subscripts(indexed[0])})}}',)
    entries = ", ".join(f'"{m.name}": float({names.evaluated}{_subscripts(m)})' for m in indexed)
    return (f"{names.evaluated} = {call}", f"{target} = {{{entries}}}")


def _subscripts(metric: MetricFact) -> str:
    """What takes a metric out of a tuple."""
    return f"[{metric.index}]" if metric.key is None else f'[{metric.index}]["{metric.key}"]'


def _needs_guard(facts: Facts, evaluation: EvaluationFact) -> bool:
    """True unless training itself sets its mode and only torch's random stream can be drawn from."""
    if facts.arrays is not None:
        return False  # an evaluation that draws random numbers is none that the facts know of
    if evaluation.leaves_grad_off or not _training_sets_mode(facts) or moves_model(facts):
        return True
    return any(
        module.split(".")[0] in MODULES_WITH_RANDOM_STREAMS
        for file in facts.project.modules
        for module in imported_modules(file.tree)
    )


def _training_sets_mode(facts: Facts) -> bool:
    """True where the model is put into training mode in the epoch loop before it is trained."""
    loop, optimizer, model = facts.loop, facts.optimizer, facts.model
    if loop is None or optimizer is None or model is None:
        return False
    step = optimizer.step_event
    for event in facts.trace.named(".train"):
        on_model = any(_is_model(one, model.value) for one in objects(event.receiver))
        before_step = event.number < step.number and event.within_node(loop.loop.node)
        unconditional = not any(isinstance(entry, Branch) for entry in path_inside(event.path, loop.loop.node))
        if on_model and before_step and unconditional and not event.args:
            return True
    return False


def _is_model(value: Object, model: Object) -> bool:
    """True for the model or a wrapper around it."""
    current: Object | None = value
    for _ in range(MOST_WRAPPERS):
        if current is None or current is model:
            break
        current = next(iter(objects(current.args[0])), None) if current.args else None
    return current is model
