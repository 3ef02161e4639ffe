"""What gives a model other weights than its constructor does, before it is trained: values drawn anew, or loaded."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.facts.library import comes_from_data
from engine.facts.models import altering, belongs
from engine.facts.program import FirstWeights
from engine.facts.source_text import text_of
from engine.facts.trace import Branch, Call, Event, Loop, Trace, is_default
from engine.facts.training import TrainingLoop
from engine.facts.values import Function, Object, objects, plain

IN_PLACE = re.compile(r"^\.(copy|fill|zero|normal|uniform|trunc_normal|constant|mul|div|add|sub|clamp)_$")
DOWNLOADS = re.compile(r"load_url$|load_state_dict_from_url$|get_state_dict$")
REPARAMETRISES = re.compile(r"^torch\.nn\.utils\.(prune|parametriz\w+|(remove_)?(weight|spectral)_norm)\b")
MISSING = ("FileNotFoundError", "OSError", "IOError", "EnvironmentError", "Exception", "BaseException")
"""What may be caught where a file is missing."""
INITIALISES = re.compile(r"\binit\.|\.\w+_\(")
"""What the body of a function handed to ``model.apply`` says where it sets weights."""


def first_weights(trace: Trace, training: TrainingLoop, model: Object) -> Iterator[FirstWeights]:
    """What sets the weights of a model between its construction and the first step, in the order of the program.

    Args:
        trace: what the program does.
        training: the loop that trains it.
        model: the model.
    """
    for event in trace.events[model.event + 1 : training.first_step.number]:
        constructs = any(isinstance(entry, Call) and entry.node is model.node for entry in event.path)
        if constructs or event.within_node(training.epoch.node) or not is_default(event.path):
            continue
        place = next((call.place for call in event.calls if call.caller is model.scope), event.place)
        if event.name == ".load_state_dict":
            if any(belongs(one, model) for one in objects(event.receiver)):
                file, read = _reading(trace, event, model)
                yield FirstWeights(event, place, _origin(event), file, _is_certain(trace, training, event), read)
        elif _sets(event, model, training):
            origin = "file" if event.name == ".copy_" and any(map(comes_from_data, event.args)) else "drawn"
            yield FirstWeights(event, place, origin, None, _is_certain(trace, training, event))


def _sets(event: Event, model: Object, training: TrainingLoop) -> bool:
    """True for a call that writes into the weights of the model."""
    if event.name == ".apply":
        applied = event.args[0] if event.args else None
        body = text_of(applied.node) if isinstance(applied, Function) else ""
        return bool(INITIALISES.search(body)) and any(belongs(one, model) for one in objects(event.receiver))
    if event.name.startswith("torch.nn.init.") or reparametrises(event):
        written = event.args[0] if event.args else next(iter(event.kwargs.values()), None)
    elif IN_PLACE.match(event.name):
        written = event.receiver
    else:
        return False
    owners = objects(written)
    return any(belongs(one, model) for one in owners) if owners else _names(event, model, training)


def reparametrises(event: Event) -> bool:
    """True for weight and spectral norm, pruning and parametrizations: a state has other keys after them."""
    return bool(REPARAMETRISES.match(event.name))


def _names(event: Event, model: Object, training: TrainingLoop) -> bool:
    """True where a call, or a loop or a call around it, is given the model by one of its names."""
    names = "|".join(re.escape(name) for name in model.names)
    around = [entry.node for entry in event.path if isinstance(entry, (Loop, Call)) and entry not in training.path]
    texts = [text_of(getattr(node, "iter", node)) for node in (*around, event.node) if node is not None]
    return bool(names) and any(re.search(rf"(?<![\w.])({names})\b", text) for text in texts)


def _origin(event: Event) -> str:
    """Where a state that is loaded comes from."""
    loaded = next(iter(objects(event.args[0])), None) if event.args else None
    while isinstance(loaded, Object):
        if DOWNLOADS.search(loaded.kind):
            return "download"
        loaded = next(iter(objects(loaded.receiver)), None)
    return "file"


def _reading(trace: Trace, event: Event, model: Object) -> tuple[str | None, Event | None]:
    """The path of the file that holds the whole state of the model and nothing else, and the call that reads it.

    What a part of the model loads is not the whole; the keys of what a wrapper loads have its prefix; and the file has
    other layers than a model in which layers are replaced after that.
    """
    later = any(one.event > event.number for store in altering(trace, model) for one in objects(store.value))
    if later or any(one is not model for one in objects(event.receiver)):
        return None, None
    loaded = next(iter(objects(event.args[0])), None) if event.args else None
    strict = plain(event.kwargs.get("strict")) if "strict" in event.kwargs else True
    if loaded is None or loaded.kind != "torch.load" or strict is not True or len(event.args) > 1:
        return None, None
    path = plain(loaded.argument(0, "f"))
    return (path, trace.events[loaded.event]) if isinstance(path, str) else (None, None)


def _is_certain(trace: Trace, training: TrainingLoop, event: Event) -> bool:
    """True for what happens whenever the program runs with its defaults, and nothing fails before."""
    by_default = all(entry.default for entry in event.path if isinstance(entry, Branch))
    return by_default and not _may_be_left_out(trace, event) and not _may_do_without(training, event)


def _may_do_without(training: TrainingLoop, event: Event) -> bool:
    """True where a program trains without the file that it would load: ``except FileNotFoundError: pass``."""
    trains = {training.epoch.node, *(getattr(entry, "node", None) for entry in training.path)}
    loads = {event.node, *(call.node for call in event.calls)}
    files = {id(scope.file): scope.file for scope in (event.scope, *(call.caller for call in event.calls))}
    tries = [node for file in files.values() for node in ast.walk(file.tree) if isinstance(node, ast.Try)]
    for node in (one for one in tries if any(_goes_on_without(handler) for handler in one.handlers)):
        tried = {inner for statement in node.body for inner in ast.walk(statement)}
        if tried & loads and not tried & trains:
            return True
    return False


def _goes_on_without(handler: ast.ExceptHandler) -> bool:
    """True for a handler of a missing file that does not end the program."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    catches = any(kind is None or text_of(kind).rpartition(".")[2] in MISSING for kind in kinds)
    ends = [node for statement in handler.body for node in ast.walk(statement)]
    return catches and not any(
        isinstance(node, ast.Raise) or isinstance(node, ast.Call) and text_of(node.func).endswith("exit")
        for node in ends
    )


def _may_be_left_out(trace: Trace, event: Event) -> bool:
    """True where one of the functions around a call may return before it, as ``except FileNotFoundError: return``."""
    calls = [entry for entry in event.path if isinstance(entry, Call)]
    for statement, _, path in trace.exits:
        function = next((entry for entry in reversed(path) if isinstance(entry, Call)), None)
        branches = [entry for entry in path if isinstance(entry, Branch) and entry not in event.path]
        if isinstance(statement, ast.Return) and function in calls and any(b.default is not False for b in branches):
            within = event.path[event.path.index(function) + 1 :]
            reached = next((entry.statement for entry in within if isinstance(entry, Call)), event.statement)
            if reached is not None and statement.lineno < reached.lineno:
                return True
    return False
