"""Where the program trains: the calls that step an optimizer, the epoch loop and the batch loop around them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from engine.facts.library import comes_from_data
from engine.facts.optimizers import goes_backward, stepped_optimizer, trained_by
from engine.facts.source_text import LOOPS, text_of
from engine.facts.trace import Call, Entry, Event, Loop, Once, Trace, exclude, is_default
from engine.facts.values import Object, Sequence, Value, choose, objects, options, plain
from engine.result import Place

EPOCH_NAME = re.compile(r"epoch", re.IGNORECASE)
LENGTH_OF_EPOCH = re.compile(r"len\(|iter|per_?epoch|epoch_?(len|size|steps)", re.IGNORECASE)
DATA_NAME = re.compile(r"load|batch|data|iter\b|train_it|sample|dl\b|perm|chunk|slice", re.IGNORECASE)
PASSED_THROUGH = ("tqdm", "rich.progress", "builtins.enumerate", "builtins.iter", "builtins.zip", "itertools.islice")

Step = tuple[Event, Value, Loop]


@dataclass(frozen=True)
class TrainingLoop:
    """An epoch loop with what steps in it.

    Attributes:
        epoch: the epoch loop, on one of its passes; the statements that train, where they stand in no loop.
        batch: the batch loop within it; None for full-batch training.
        path: what is around the epoch loop.
        steps: the calls in it that step an optimizer, with the optimizer each steps.
    """

    epoch: Loop
    batch: Loop | None
    path: tuple[Entry, ...]
    steps: tuple[tuple[Event, Value], ...]

    @property
    def first_step(self) -> Event:
        """The first call that steps."""
        return self.steps[0][0]

    def function(self, forward: Event | None) -> str | None:
        """The function that holds the batch loop, or what is done with a batch; None at module level.

        Args:
            forward: a forward pass of the trained model: helpers that only step are not meant.
        """
        calls = [entry for entry in self.first_step.path if isinstance(entry, Call)]
        if forward is not None:
            calls = [call for call in calls if forward.within(call)]
        if self.batch is not None and self.batch.scope is not self.epoch.scope:
            return next((call.function.readable_name for call in calls if call.scope is self.batch.scope), None)
        below = [call for call in calls if call not in self.path]
        holder = below[-1] if below else next(iter(reversed(calls)), None)
        return holder.function.readable_name if holder else None


def training_loops(trace: Trace) -> list[TrainingLoop]:
    """The epoch loops of the program, in its order; one that trains another model when it is run again stands twice."""
    passes: dict[Place, dict[int, list[Step]]] = {}
    backward = [event for event in trace.events if goes_backward(event)]
    for event in trace.events:
        optimizer = stepped_optimizer(event)
        loop = epoch_loop(trace, event, optimizer) if optimizer is not None else None
        if loop is not None and any(other.within_node(loop.node) for other in backward):
            passes.setdefault(loop.place, {}).setdefault(id(loop), []).append((event, optimizer, loop))
    loops = [_training_loop(run) for runs in passes.values() for run in _runs(list(runs.values()))]
    by_default = [loop for loop in loops if is_default(loop.path)]
    return by_default or loops


def _runs(passes: list[list[Step]]) -> list[list[Step]]:
    """The passes through one loop, those that train the same model together; of exclusive branches as well."""
    runs: list[tuple[set[Place], list[Step]]] = []
    for steps in sorted(passes, key=lambda steps: not is_default(_around(steps[0]))):
        built = {owner.place for _, optimizer, _ in steps for owner in owners_of(optimizer)}
        around = _around(steps[0])
        same = next((r for r in runs if not built or built & r[0] or exclude(_around(r[1][0]), around)), None)
        if same is None:
            runs.append((built, list(steps)))
        else:
            same[0].update(built)
            same[1].extend(steps)
    return [steps for _, steps in runs]


def _around(step: Step) -> tuple[Entry, ...]:
    """What is around the epoch loop of a step."""
    event, _, loop = step
    return event.path[: event.path.index(loop)]


def reached_from(trace: Trace, loop: Loop) -> tuple[tuple[Place, ...], ...]:
    """The calls through which the program comes to a loop by default, each from the outermost inwards."""
    ways = [path for passed, path in trace.loops if passed.node is loop.node and is_default(path)]
    calls = [tuple(entry.place for entry in path if isinstance(entry, Call)) for path in ways]
    return tuple(dict.fromkeys(calls))


def _training_loop(steps: list[Step]) -> TrainingLoop:
    """One epoch loop from the steps that stand in it; its first pass speaks for the others."""
    event, _, epoch = steps[0]
    position = event.path.index(epoch)
    inner = [entry for entry in event.path[position + 1 :] if isinstance(entry, Loop) and is_statement(entry)]
    batch = next((loop for loop in inner if not runs_over_phases(loop)), None)
    unique: dict[tuple[Place, int], tuple[Event, Value]] = {}
    for stepping, optimizer, _ in steps:
        key = (stepping.place, id(optimizer) if _swept(stepping, optimizer) else 0)
        known = unique.get(key)
        if known is None:
            unique[key] = (stepping, optimizer)
        elif stepping.within(epoch):
            unique[key] = (known[0], choose([known[1], optimizer]))
    found = sorted(unique.values(), key=lambda step: not is_default(step[0].path))
    return TrainingLoop(epoch, batch, event.path[:position], tuple(_by_default(found)))


def _by_default(steps: list[tuple[Event, Value]]) -> list[tuple[Event, Value]]:
    """The steps without those that train something else, and only where the user sets an option of the script."""
    usual = [owner for event, optimizer in steps if is_default(event.path) for owner in owners_of(optimizer)]
    if not usual:
        return steps
    return [
        (event, optimizer)
        for event, optimizer in steps
        if is_default(event.path) or not owners_of(optimizer) or any(one in usual for one in owners_of(optimizer))
    ]


def _swept(event: Event, optimizer: Value) -> bool:
    """True where a loop runs over several optimizers, this one among them: each is stepped, not one of them."""
    return any(
        isinstance(listed, Sequence) and len(listed.items) > 1 and optimizer in listed.items
        for loop in event.loops
        for option in objects(loop.iterable)
        for listed in option.args
    ) or any(isinstance(loop.iterable, Sequence) and optimizer in loop.iterable.items for loop in event.loops)


def epoch_loop(trace: Trace, event: Event, optimizer: Value) -> Loop | None:
    """The epoch loop around a step: not the batch loop within, not the sweep over folds or models around.

    A loop that names epochs settles it. Otherwise it is the loop around the outermost loop over data; where nothing
    runs over data, the outermost loop in which the model is not built anew. The statements of a training that stands in
    no loop count as one.
    """
    loops = [loop for loop in event.loops if is_statement(loop)]
    if not loops:
        return next((loop for loop in event.loops if isinstance(loop, Once)), None)
    named = [loop for loop in loops if names_epochs(loop) and not runs_over_data(loop)]
    if named:
        return named[-1]
    loops = loops[_built_in(trace, optimizer, loops) :] or loops[-1:]
    for index, loop in enumerate(loops):
        if runs_over_data(loop):
            around = [outer for outer in loops[:index] if not runs_over_phases(outer)]
            return around[-1] if around else loop
    return next((loop for loop in loops if not runs_over_phases(loop)), loops[0])


def owners_of(optimizer: Value) -> list[Object]:
    """The objects whose parameters an optimizer was given."""
    return [one for group in trained_by(optimizer) for value in group for one in objects(value)]


def _built_in(trace: Trace, optimizer: Value, loops: list[Loop]) -> int:
    """How many of the loops, outermost first, build the trained model anew: sweeps over folds or settings."""
    depth = 0
    for owner in owners_of(optimizer):
        for index, loop in enumerate(loops):
            if trace.events[owner.event].within(loop):
                depth = max(depth, index + 1)
    return depth


def is_statement(loop: Loop) -> bool:
    """True for a ``for`` or ``while`` statement, not a comprehension."""
    return isinstance(loop.node, LOOPS)


def header(loop: Loop) -> str:
    """The loop's variable and what it runs over, or its test, as text."""
    if isinstance(loop.node, ast.While):
        return text_of(loop.node.test)
    return f"{text_of(loop.node.target)} in {text_of(loop.node.iter)}"


def names_epochs(loop: Loop) -> bool:
    """True for a loop whose variable or test names epochs."""
    node = loop.node
    if isinstance(node, ast.While):
        return bool(EPOCH_NAME.search(text_of(node.test)))
    if EPOCH_NAME.search(text_of(node.target)):
        return True
    return bool(EPOCH_NAME.search(text_of(node.iter))) and not LENGTH_OF_EPOCH.search(text_of(node.iter))


def runs_over_phases(loop: Loop) -> bool:
    """True for ``for phase in ["train", "val"]``."""
    items = loop.iterable.items if isinstance(loop.iterable, Sequence) else []
    return bool(items) and all(isinstance(plain(item), str) for item in items)


def runs_over_data(loop: Loop) -> bool:
    """True for a loop over batches: a loader, something read from data, or positions counted by their number."""
    if isinstance(loop.node, ast.While):
        return False
    return any(_is_data(option) for option in options(loop.iterable)) or _named_data(loop)


def _is_data(value: Value, depth: int = 0) -> bool:
    """True for a loader or what was read from data, through ``enumerate`` and progress bars."""
    if not isinstance(value, Object) or depth > 6:
        return comes_from_data(value)
    if value.kind.startswith(PASSED_THROUGH):
        return any(_is_data(option, depth + 1) for argument in value.args[:1] for option in options(argument))
    if value.kind == "builtins.range":
        counted = [text_of(argument) for argument in getattr(value.node, "args", [])]
        return any(re.search(r"len\(|\.shape|\.size|batch", text) for text in counted) or len(counted) == 3
    return value.short_kind.endswith(("DataLoader", "Loader")) or comes_from_data(value)


def _named_data(loop: Loop) -> bool:
    """True where the text of the header speaks of data and not of a count."""
    iterable = text_of(loop.node.iter)
    if re.fullmatch(r"(\w+\.)*(range|trange|count)\(.*\)", iterable) and not re.search(r"len\(", iterable):
        return bool(re.search(r"batch|len", iterable))
    return bool(DATA_NAME.search(iterable) or DATA_NAME.search(text_of(loop.node.target)))
