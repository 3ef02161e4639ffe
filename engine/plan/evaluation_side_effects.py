"""What an evaluation does besides measuring the model: calling it once more, before training, would do it once more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from engine.facts import Facts
from engine.facts.models import belongs
from engine.facts.source_text import assigned, contains, names_read, own_nodes, text_of
from engine.facts.trace import Event, leads_through
from engine.facts.training import PASSED_THROUGH
from engine.facts.values import Function, Object, Value, objects
from engine.plan.epoch_number import reaches_training
from engine.plan.frame import Frame
from engine.plan.statement_effects import ADDS, root

STREAMS = (
    "torch.Generator", "numpy.random.default_rng", "numpy.random.Generator", "numpy.random.RandomState",
    "random.Random",
)  # fmt: skip
IN_PLACE = re.compile(r"[a-z]_$")
STATISTICS = re.compile(r"BatchNorm|register_buffer|torchvision|timm")
DEEPEST = 5


def changes_training(facts: Facts, event: Event, frame: Frame) -> str:
    """What an evaluation does to the training besides measuring the model; empty where that is nothing.

    Args:
        facts: of the program.
        event: the call of the evaluation.
        frame: what becomes a round.
    """
    inside = [one for one in facts.trace.events if one is event or one.within_node(event.node)]
    beside = [one for one in facts.trace.events if one.within_node(frame.node) and one not in inside]
    stepping = [one for fact in (*facts.optimizers, *facts.schedulers) for one in objects(fact.value)]
    if any(one.name == ".step" and any(o in stepping for o in objects(one.receiver)) for one in inside):
        return "steps the optimizer or the schedule"
    functions = list({id(f.node): f for one in inside for f in functions_of(one)}.values())
    nodes = [node for function in functions for node in _own(function)]
    if any(map(_sets_groups, nodes)):
        return "changes the settings of the optimizer"
    if any(_changes_weights(function) for function in functions_of(event)):
        return "changes the weights of the model"
    globals_ = {name for node in nodes if isinstance(node, (ast.Global, ast.Nonlocal)) for name in node.names}
    targets = [text_of(target) for node in nodes for target in assigned(node)]
    stored = dict(sorted(kept for function in functions for kept in stored_around(function)))
    around = globals_ | stored.keys()
    changed = {target.rpartition(".")[2] for target in (*targets, *stored) if "." in target or target in around}
    ends = sorted(changed & (_tested_to_leave(frame.node) | _tested_to_raise(nodes)))
    if ends:
        return f"sets {ends[0]}, which ends the training"
    counted = {text_of(target) for node in nodes for target in assigned(node) if _goes_on(node, target)}
    counted |= {name for name, goes_on in stored.items() if goes_on}
    theirs = {name for name in {*targets, *stored} if name in around or name.startswith("self.")}
    found = (
        next(_counted(frame, event, inside, beside, counted & theirs), "")
        or _set_for_next(frame, event, inside, beside, theirs - counted)
        or _counting_loss(facts, inside, beside)
    )
    if found:
        return f"changes {found}, by which the training goes"
    stream = _shared_stream(facts, event, frame, inside, beside)
    return f"draws from {stream}, from which the training draws" if stream else ""


def moves_model(facts: Facts) -> bool:
    """True where evaluating may change the model itself: it has statistics and is never put into evaluation mode, or it
    counts its passes."""
    model = facts.model.value if facts.model is not None else None
    if model is None:
        return False
    to_evaluate = facts.trace.named(".eval", ".train")
    may_have_statistics = any(STATISTICS.search(file.text) for file in facts.project.modules)
    if may_have_statistics and not any(event.name == ".eval" or event.node.args for event in to_evaluate):
        return True
    forwards = {id(f.node): f for event in facts.trace.named("()") for f in _forward(event) if _is_of(event, model)}
    return any(_counting(forward) for forward in forwards.values())


def functions_of(event: Event) -> list[Function]:
    """The functions of the project that a call runs: the one it names, or the ``__call__`` of an object."""
    methods = [one.cls.find("__call__") for one in objects(event.receiver) if event.name == "()" and one.cls]
    return [one for one in (event.function, *methods) if isinstance(one, Function)]


def _own(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function, those of functions inside it aside."""
    return own_nodes(ast.iter_child_nodes(function.node))


def _tested_to_leave(loop: ast.AST) -> set[str]:
    """The names, or last parts of dotted ones, that the conditions are made of under which a loop is left."""
    tests = [loop.test] if isinstance(loop, ast.While) else []
    return _named_in([*tests, *_tests_around(ast.walk(loop), (ast.Break, ast.Return))])


def _tested_to_raise(nodes: list[ast.AST]) -> set[str]:
    """The names, or last parts of dotted ones, that the conditions are made of under which an evaluation raises."""
    return _named_in(_tests_around(nodes, (ast.Raise,)))


def _tests_around(nodes: Iterable[ast.AST], ends: tuple[type[ast.AST], ...]) -> list[ast.expr]:
    """The conditions under which statements of some kinds are run."""
    branches = (node for node in nodes if isinstance(node, ast.If))
    return [node.test for node in branches if any(isinstance(one, ends) for one in ast.walk(node))]


def _named_in(tests: list[ast.expr]) -> set[str]:
    """The names, last parts of dotted ones and entries in some conditions."""
    kinds = (ast.Name, ast.Attribute, ast.Subscript)
    parts = [part for test in tests for part in ast.walk(test) if isinstance(part, kinds)]
    return {text_of(part).rpartition(".")[2] for part in parts}


def _counted(frame: Frame, event: Event, inside: list[Event], beside: list[Event], counted: set[str]) -> Iterator[str]:
    """What an evaluation counts or collects, around it or on an object, and the training goes by.

    Args:
        frame: what becomes a round.
        event: the call of the evaluation.
        inside, beside: what it does, and what else a round does.
        counted: what it makes a new value of from the old one, as it writes it.
    """
    bodies = [getattr(frame.node, "body", []), *_bodies(frame, inside, beside)]
    evaluating = [one.node for one in (event, *beside) if one.function is not None and one.function is event.function]
    for name in sorted(counted):
        seen = _seen_from(frame, name, event, inside)
        if seen and any(reaches_training(body, seen, beside, but_for=evaluating) for body in bodies):
            yield seen


def _set_for_next(frame: Frame, event: Event, inside: list[Event], beside: list[Event], anew: set[str]) -> str:
    """What an evaluation sets anew, where the training goes by what the evaluation of the epoch before has set."""
    body = getattr(frame.node, "body", [])
    holder = next((position for position, statement in enumerate(body) if contains(statement, event.node)), 0)
    bodies = [body[:holder], *_bodies(frame, inside, [one for one in beside if one.number < event.number])]
    nodes = [node for statements in bodies for node in own_nodes(statements)]
    set_before = {text_of(target) for node in nodes for target in assigned(node)}
    seen = (_seen_from(frame, name, event, inside) for name in sorted(anew))
    read = (name for name in seen if name and name not in set_before)
    return next((name for name in read if any(reaches_training(body, name, beside) for body in bodies)), "")


def _bodies(frame: Frame, inside: list[Event], beside: list[Event]) -> list[list[ast.stmt]]:
    """The bodies of the functions that the training runs beside an evaluation."""
    trainer = frame.scope.look_up("self")
    evaluating = {id(function.node) for one in inside for function in functions_of(one)}
    training = [f for one in beside for f in functions_of(one) if id(f.node) not in evaluating]
    called = {id(f.node): f.node for f in training if _is_trainers(f, trainer)}
    return [node.body for node in called.values() if not isinstance(node, ast.Lambda)]


def _seen_from(frame: Frame, name: str, event: Event, inside: list[Event]) -> str:
    """What an evaluation calls by a name as the loop over epochs calls it: of ``evaluator.run()``, ``self.calls`` is
    ``evaluator.calls``; empty where it has no name there."""
    trainer = frame.scope.look_up("self")
    if not name.startswith("self.") or trainer is not None and any(one.receiver is trainer for one in inside):
        return name
    function = event.node.func if isinstance(event.node, ast.Call) else None
    return text_of(function.value) + name.removeprefix("self") if isinstance(function, ast.Attribute) else ""


def stored_around(function: Function) -> Iterator[tuple[str, bool]]:
    """What a function adds to or stores in that is not its own, as it writes it: ``state["calls"]``, ``history``; with
    it, whether it goes on from what was there."""
    nodes = list(_own(function))
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    goes_on = {target for node in nodes for target in _entries(node) if _goes_on(node, target)}
    for node in nodes:
        method = node.func if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            held = node
        elif isinstance(method, ast.Attribute) and method.attr in ADDS:
            held = method.value
        else:
            continue
        while isinstance(held, ast.Subscript) and not isinstance(held.slice, ast.Constant):
            held = held.value
        if root(held) not in own:
            yield text_of(held), node in goes_on or node is not held


def _entries(node: ast.AST) -> list[ast.Subscript]:
    """The entries that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target for target in targets if isinstance(target, ast.Subscript)]


def _sets_groups(node: ast.AST) -> bool:
    """True for ``for group in optimizer.param_groups: group["lr"] *= 0.1``, and for what sets one group's."""
    if isinstance(node, ast.For) and text_of(node.iter).endswith(".param_groups"):
        return any(isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store) for part in ast.walk(node))
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and ".param_groups[" in text_of(node)


def _changes_weights(function: Function) -> bool:
    """True where a function changes the parameters it runs over, in place, and loads nothing back."""
    nodes = list(_own(function))
    loads = any(isinstance(node, ast.Attribute) and node.attr == "load_state_dict" for node in nodes)
    loops = [node for node in nodes if isinstance(node, ast.For) and "parameters()" in text_of(node.iter)]
    return not loads and any(
        isinstance(part, ast.Attribute) and (isinstance(part.ctx, ast.Store) or IN_PLACE.search(part.attr))
        for loop in loops
        for statement in loop.body
        for part in ast.walk(statement)
    )


def _is_trainers(function: Function, trainer: Value | None) -> bool:
    """True for a method of the object that trains, and for a function that is no method."""
    return function.owner is None or isinstance(trainer, Object) and function.owner is trainer.cls


def _goes_on(node: ast.AST, target: ast.AST) -> bool:
    """True for an assignment that makes a new value of the old one."""
    return (
        isinstance(node, ast.AugAssign)
        or isinstance(node, ast.Assign)
        and any(text_of(part) == text_of(target) for part in ast.walk(node.value))
    )


def _counting_loss(facts: Facts, inside: list[Event], beside: list[Event]) -> str:
    """A module other than the model that counts its passes, and is passed in training, too."""
    model = facts.model.value if facts.model is not None else None
    trained = [one for event in beside if event.name == "()" for one in objects(event.receiver)]
    for event in inside:
        if event.name == "()" and model is not None and not _is_of(event, model):
            shared = any(one in trained for one in objects(event.receiver))
            counted = next((name for forward in _forward(event) for name in _counting(forward)), "")
            if shared and counted:
                return f"{text_of(event.node.func)}{counted.removeprefix('self')}"
    return ""


def _forward(event: Event) -> list[Function]:
    """The ``forward`` of the modules a call passes something through."""
    found = [one.cls.find("forward") for one in objects(event.receiver) if one.cls is not None and one.is_module]
    return [one for one in found if isinstance(one, Function)]


def _is_of(event: Event, model: Object) -> bool:
    """True for a pass through the model, or through a part of it."""
    return any(belongs(one, model) for one in objects(event.receiver))


def _counting(forward: Function) -> list[str]:
    """The attributes that a pass adds to."""
    added = (node.target for node in _own(forward) if isinstance(node, ast.AugAssign))
    return [text_of(target) for target in added if text_of(target).startswith("self.")]


def _shared_stream(facts: Facts, event: Event, frame: Frame, inside: list[Event], beside: list[Event]) -> str:
    """A random stream of the script's own that both an evaluation and the training draw from, by its name. Those of
    loaders are kept as they were, see ``shared_generators``."""
    loops = [(loop, path) for loop, path in facts.trace.loops if loop.iterable is not None]
    training = [
        loop.iterable for loop, path in loops if leads_through(path, frame.node) and not leads_through(path, event.node)
    ]
    for made in facts.trace.objects:
        if made.kind.removesuffix(".manual_seed") in STREAMS and made.names:
            drawn = any(made in objects(value) for value in _given(inside))
            read = any(made.names[0] in names_read(f.node) for one in inside for f in functions_of(one))
            trained = any(_holds(value, made) for value in (*training, *_given(beside)))
            if (drawn or read) and trained:
                return made.names[0]
    return ""


def _given(events: list[Event]) -> Iterator[Value]:
    """What calls are made on, and given."""
    for event in events:
        yield from (one for one in (event.receiver, *event.args, *event.kwargs.values()) if one is not None)


def _holds(value: Value | None, stream: Object, depth: int = 0) -> bool:
    """True for a random stream, and for a loader or a sampler that draws from it; not for what was once drawn."""
    for one in objects(value) if depth < DEEPEST else ():
        around = one.args[:1] if one.kind.startswith(PASSED_THROUGH) else ()
        parts = (*around, *(one.kwargs.get(name) for name in ("generator", "sampler", "batch_sampler")))
        if one is stream or any(_holds(part, stream, depth + 1) for part in parts if part is not None):
            return True
    return False


def switched_around(frame: Frame) -> str:
    """An attribute that the loop sets to one constant for training and to another for evaluating."""
    values: dict[str, set[str]] = {}
    for node in own_nodes(getattr(frame.node, "body", [])):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and not text_of(target).startswith("torch."):
                    values.setdefault(text_of(target), set()).add(repr(node.value.value))
    return next((name for name, given in values.items() if len(given) > 1), "")
