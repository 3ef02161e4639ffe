"""Training in NumPy: the arrays that an epoch loop updates, found by how values flow through its pass."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from engine.facts.array_construction import (
    GENERATORS,
    Built,
    construction,
    is_built,
    is_fraction,
    is_number,
)
from engine.facts.array_flow import Flow, carried, changed_outside, comes_back, flows, outer_names
from engine.facts.array_problems import (
    aliased,
    apart,
    attribute_update,
    hidden,
    not_built,
    not_updated,
    problem_at,
    replaced,
    several_in_one,
    started_alike,
    unfollowed,
)
from engine.facts.array_slots import Slots, arguments, holders, parameters_changed, rebinds
from engine.facts.library import comes_from_data, is_namespace
from engine.facts.program import ArrayFact, ArrayProblem, ArraysFact
from engine.facts.slot_construction import slot_construction
from engine.facts.source_text import expression, own_nodes, parameters_in
from engine.facts.trace import Call, Entry, Loop, Trace, is_default
from engine.facts.training import TrainingLoop, is_statement
from engine.facts.values import (
    Class,
    External,
    Function,
    LocalModule,
    Mapping,
    Object,
    Unknown,
    Value,
    options,
    plain,
)

OTHER_LIBRARIES = ("torch", "tensorflow", "keras", "jax", "flax", "paddle", "mxnet", "cupy", "autograd", "theano")
SUMMARIES = ("len", "mean", "std", "var", "sum", "max", "min", "unique", "median", "int", "float")


@dataclass(frozen=True)
class ArrayTraining:
    """An epoch loop that updates arrays.

    Attributes:
        loop: the loop.
        arrays: the model; None where it cannot be followed.
        problem: why not.
        flows: the statements of a pass.
        data: the names of what is trained on.
        slots: the attributes and entries that are looked at as variables.
    """

    loop: TrainingLoop
    arrays: ArraysFact | None
    problem: ArrayProblem | None
    flows: tuple[Flow, ...] = ()
    data: frozenset[str] = frozenset()
    slots: Slots | None = None

    @property
    def function(self) -> str | None:
        """The function that the epoch loop stands in; None at module level."""
        calls = [entry for entry in self.loop.path if isinstance(entry, Call)]
        return calls[-1].function.readable_name if calls else None

    @property
    def needed(self) -> list[Flow]:
        """The statements that the updates come of, the updates among them."""
        names = {array.name for array in self.arrays.arrays} if self.arrays else set()
        found: list[Flow] = []
        grown = True
        while grown:
            more = [flow for flow in self.flows if flow not in found and flow.stores & names]
            names |= {name for flow in more for name in (*flow.reads, *flow.governed)}
            found += more
            grown = bool(more)
        return found


def array_trainings(trace: Trace) -> list[ArrayTraining]:
    """The epoch loops of a program in NumPy that update arrays from data, in its order; those inside others aside."""
    if not _only_numpy(trace):
        return []
    found: dict[ast.AST, ArrayTraining] = {}
    inner: list[tuple[Loop, tuple[Entry, ...]]] = []
    for loop, path in trace.loops:
        if not is_statement(loop) or not is_default(path) or loop.node in found:
            continue
        outer = next((found[entry.node] for entry in path if getattr(entry, "node", None) in found), None)
        if outer is not None:
            inner.append((loop, path))
            continue
        training = _training(trace, loop, path)
        if training is not None:
            found[loop.node] = training
    return [_unless_inside_calls(trace, training, inner) for training in found.values()]


def _only_numpy(trace: Trace) -> bool:
    """True for a program that imports NumPy and no library that trains by automatic gradients."""
    values = [value for module in trace.modules.values() for value in module.scope.variables.values()]
    names = {value.name.partition(".")[0] for value in values if isinstance(value, External)}
    return "numpy" in names and not names & set(OTHER_LIBRARIES)


def _unless_inside_calls(
    trace: Trace, training: ArrayTraining, inner: list[tuple[Loop, tuple[Entry, ...]]]
) -> ArrayTraining:
    """The training, unless a function that its loop calls has a loop of updates of its own."""
    for loop, path in inner:
        if loop.scope is training.loop.epoch.scope or not any(entry is training.loop.epoch for entry in path):
            continue
        if _training(trace, loop, path) is not None:
            what = "the arrays are updated in a loop of a function that the epoch loop calls"
            return ArrayTraining(training.loop, None, ArrayProblem(what, expression(loop.node, loop.scope)))
    return training


@dataclass(frozen=True)
class _Pass:
    """One pass of a loop.

    Attributes:
        loop: the loop.
        called: the project's functions that it calls.
        slots: the attributes and entries that are looked at as variables.
        body: its statements.
        start: what the names stand for where the loop starts.
        living: the names that live on from pass to pass.
        starts: the expressions that these start from; None for one that cannot be told.
    """

    loop: Loop
    called: _Calls
    slots: Slots
    body: list[Flow]
    start: dict[str, Value]
    living: set[str]
    starts: dict[str, Built | None]

    @property
    def built(self) -> set[str]:
        """The living names that start from a number or an array that was not read."""
        return {n for n in self.living if is_built(self.starts[n]) and not _is_read(self.start.get(n))}


def _training(trace: Trace, loop: Loop, path: tuple[Entry, ...]) -> ArrayTraining | None:
    """What a loop trains; None where it trains no arrays."""
    one = _pass_of(trace, loop, path)
    body, living, built = one.body, one.living, one.built
    arrays = {name for name in built if not is_number(one.starts[name].node)}
    fractions = {name for name in built if is_fraction(one.starts[name].node)}
    data = _data(body, living, arrays | fractions, one.start)
    if not data:
        return None
    model = [name for name in sorted(built, key=lambda n: (_first(body, n), n)) if comes_back(body, name, living, data)]
    unknown = {
        name for name in living - built
        if (name not in data or _calculated(body, name)) and comes_back(body, name, living, data - {name})
    }  # fmt: skip
    if not model:
        problem = unfollowed(body, loop, unknown)
        return ArrayTraining(TrainingLoop(loop, None, path, ()), None, problem) if problem else None
    updates = [flow for flow in body if flow.stores & set(model)]
    training = TrainingLoop(loop, _innermost(loop, updates), path, ())
    problem = _problem(one, model, unknown, arrays, data)
    if problem:
        return ArrayTraining(training, None, problem, tuple(body), frozenset(data))
    fact = ArraysFact(
        tuple(_fact(name, one.starts[name], body, loop) for name in model),
        tuple(expression(flow.node, loop.scope) for flow in updates),
        tuple(sorted(arrays - set(model))),
    )
    found = ArrayTraining(training, fact, None, tuple(body), frozenset(data), one.slots)
    depends_on = frozenset(name for flow in found.needed for name in flow.reads | flow.governed)
    return replace(found, arrays=replace(fact, samples=tuple(_samples(found, path)), depends_on=depends_on))


def _pass_of(trace: Trace, loop: Loop, path: tuple[Entry, ...]) -> _Pass:
    """One pass of a loop; attributes and entries are looked at only where it sets one."""
    called, start = _Calls(trace, loop), _start(loop, path)
    slots = Slots(holders(loop.node.body, start), called.functions)
    body = flows(loop.node.body, partial(_read_by, called, slots), slots.seen, slots.changed_in)
    if not any(slots.is_slot(name) for flow in body for name in flow.stores):
        slots = Slots({}, called.functions)
        body = flows(loop.node.body, called.outer_names)
    living, stored = carried(body), {name for flow in body for name in flow.stores}
    named = {slot.name: slot for slot in slots.every}
    start |= {name: slot.value for name, slot in named.items() if slot.value is not None and name not in stored}
    starts = {
        name: slot_construction(named[name], trace, loop, path)
        if name in named
        else construction(name, loop.scope, loop.node.lineno, path)
        for name in living
    }
    return _Pass(loop, called, slots, body, start, living, starts)


def _problem(one: _Pass, model: list[str], unknown: set[str], arrays: set[str], data: set[str]) -> ArrayProblem | None:
    """Why a pass that trains cannot be followed.

    Args:
        one: the pass.
        model: the names that it trains.
        unknown: the names that it trains and of which it is not known what they start from.
        arrays: the arrays that live on from pass to pass.
        data: the names of what is trained on.
    """
    body, loop, living = one.body, one.loop, one.living
    known = {name for name, value in one.start.items() if _may_be_array(value)} | set(model) | arrays
    return (
        next((not_built(name, body, loop) for name in sorted(unknown)), None)
        or not_updated(body, loop, arrays - set(model), living, data)
        or several_in_one(body, loop, model, one.start)
        or replaced(body, loop, model)
        or apart(loop, [flow for flow in body if flow.stores & set(model)])
        or aliased(body, loop, known)
        or started_alike(body, loop, one.starts, {n for n in living - data if _may_be_array(one.start.get(n))})
        or one.called.changes(known, one.slots)
        or hidden(body, loop, one.slots.changed_in, known)
        or attribute_update(body, loop)
    )


def _samples(training: ArrayTraining, path: tuple[Entry, ...]) -> Iterator[str]:
    """The arrays of samples that the updates come of: what is read, but sizes and statistics of it."""
    loop = training.loop.epoch
    start, read = _start(loop, path), {name for flow in training.needed for name in flow.reads}
    if any(training.slots.is_slot(name) for name in read & training.data):
        return  # all arrays have to be cut down together, and one of them hangs on an object
    for name in sorted(read):
        built = construction(name, loop.scope, loop.node.lineno, path)
        if name in training.data and name in start and not (built and _is_summary(built.node)):
            yield name


def _is_summary(node: ast.expr) -> bool:
    """True for a size or a statistic of data."""
    if isinstance(node, ast.BinOp):
        return _is_summary(node.left) or _is_summary(node.right)
    if isinstance(node, ast.Subscript):
        return _is_summary(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr in ("shape", "size")
    called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return called in SUMMARIES


def _start(loop: Loop, path: tuple[Entry, ...]) -> dict[str, Value]:
    """What the names around a loop stand for where it starts; a local variable hides the one of that name outside."""
    found: dict[str, Value] = {}
    for scope, variables in reversed(loop.known):
        if scope is loop.scope:
            call = next((e for e in path if isinstance(e, Call) and e.scope is scope), None)
            body = call.function.node.body if call is not None and isinstance(call.function.node.body, list) else []
            local = {n.id for n in own_nodes(body) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
            for name in local - scope.global_names - scope.nonlocal_names:
                found.pop(name, None)
        found.update(variables)
    return found


def _is_read(value: Value | None) -> bool:
    """True for what was read from files, but for arrays that only have their size from it."""
    made = isinstance(value, Object) and value.kind.startswith("numpy.") and not _reads(value.kind)
    return not made and comes_from_data(value)


def _reads(kind: str) -> bool:
    """True for a function of NumPy that reads a file, or gives back what it is given."""
    return kind.rpartition(".")[2].startswith(("load", "genfromtxt", "fromfile", "memmap", "asarray", "array"))


def _calculated(body: list[Flow], name: str) -> bool:
    """True for a name that is updated by arithmetic, as data that is only put into another order is not."""
    nodes = [flow.node for flow in body if name in flow.updates]
    return any(isinstance(n, ast.AugAssign) or isinstance(getattr(n, "value", None), ast.BinOp) for n in nodes)


def _data(body: list[Flow], living: set[str], arrays: set[str], start: dict[str, Value]) -> set[str]:
    """The names of what is trained on, and of what is taken out of it within a pass."""
    stored = {name for flow in body for name in flow.stores}
    read = {name for flow in body for name in flow.reads}
    data = {name for name in read - stored if _is_data(start.get(name))}
    data |= {name for name in stored & living if _is_read(start.get(name))}
    made = _closure(body, arrays, living)
    grown = True
    while grown:
        more = {
            name for flow in body if flow.reads & data and not flow.reads & (arrays | made)
            for name in flow.stores - living - data
        }  # fmt: skip
        data |= more
        grown = bool(more)
    return data - made


def _closure(body: list[Flow], names: set[str], living: set[str]) -> set[str]:
    """What a pass makes of some names."""
    found: set[str] = set()
    grown = True
    while grown:
        more = {name for flow in body if flow.reads & (names | found) for name in flow.stores - living - found}
        found |= more
        grown = bool(more)
    return found


def _is_data(value: Value | None) -> bool:
    """True for what may hold samples: not a number, an option, a function, a module or a random generator."""
    for option in options(value):
        if isinstance(option, (External, LocalModule, Function, Class, Mapping)) or plain(option) is not ...:
            continue
        if _is_no_array(option):
            continue
        return True
    return False


def _first(body: list[Flow], name: str) -> int:
    """The position of the first statement that sets a name."""
    return next((index for index, flow in enumerate(body) if name in flow.stores), len(body))


def _fact(name: str, built: Built, body: list[Flow], loop: Loop) -> ArrayFact:
    """The fact of one array."""
    setting = [flow for flow in body if name in flow.stores]
    in_place = all(isinstance(flow.node, ast.AugAssign) or not rebinds(flow.seen, name) for flow in setting)
    targets = (n for flow in setting for n in ast.walk(flow.node) if isinstance(n, (ast.Attribute, ast.Subscript)))
    written = next((expression(n, loop.scope).text for n in targets if ast.unparse(n) == name), name)
    number = is_number(built.node)
    return ArrayFact(name, expression(built.node, built.scope), built.index, number, in_place, written, built.path)


def _innermost(loop: Loop, updates: list[Flow]) -> Loop | None:
    """The loop within the epoch loop that an update stands in."""
    around = [n for n in own_nodes(loop.node.body) if isinstance(n, (ast.For, ast.While))]
    inner = [n for n in around if any(updates[0].node is part for part in own_nodes(n.body))]
    if not inner:
        return None
    node = min(inner, key=lambda n: n.lineno)
    return Loop(node, loop.scope.file.place(node), loop.scope)


class _Calls:
    """The project's functions that a loop calls.

    Attributes:
        functions: by the call, those it may reach.
    """

    def __init__(self, trace: Trace, loop: Loop) -> None:
        self.loop = loop
        inside = [e for e in trace.events if e.function is not None and e.within_node(loop.node)]
        self.functions: dict[ast.AST, list[Function]] = {}
        for event in inside:
            self.functions.setdefault(event.node, []).append(event.function)

    def outer_names(self, node: ast.AST) -> set[str]:
        """The names that the functions called in a node read from outside, however deep."""
        found: set[str] = set()
        pending = [f for call in ast.walk(node) for f in self.functions.get(call, ())]
        done: set[int] = set()
        while pending:
            function = pending.pop()
            if id(function.node) in done:
                continue
            done.add(id(function.node))
            names = outer_names(function.node)
            found |= names
            pending += [v for name in names if isinstance(v := function.scope.look_up(name), Function)]
        return found

    def changes(self, names: set[str], slots: Slots) -> ArrayProblem | None:
        """A call that changes one of some arrays in place, out of the sight of the loop."""
        own = set(own_nodes(self.loop.node.body))
        for call, function in ((call, f) for call, functions in self.functions.items() for f in functions):
            given = arguments(function, call)
            for parameter in sorted(self._changed(function)) if call in own else ():
                passed = given.get(parameter)
                slot = slots.at(passed)
                name = passed.id if isinstance(passed, ast.Name) else parameter if passed is None else ""
                name = slot.name if slot is not None else name
                if name in names:
                    return problem_at(f"{function.readable_name}() changes {name} in place", call, self.loop)
        return None

    def _changed(self, function: Function, done: frozenset[int] = frozenset()) -> set[str]:
        """The parameters that a function changes in place, by itself or by what it calls, and the globals it sets."""
        found = changed_outside(function.node) | parameters_changed(function.node)
        own = parameters_in(function.node.args)
        if id(function.node) in done:
            return found
        for call in (n for n in ast.walk(function.node) if isinstance(n, ast.Call)):
            for inner in self.functions.get(call, ()):
                given = arguments(inner, call)
                handed = (given.get(name) for name in self._changed(inner, done | {id(function.node)}))
                found |= {one.id for one in handed if isinstance(one, ast.Name) and one.id in own}
        return found


def _read_by(called: _Calls, slots: Slots, node: ast.AST) -> set[str]:
    """The names and slots that the functions called in a node read."""
    return (called.outer_names(node) - set(slots.held)) | slots.read_in(node)


def _may_be_array(value: Value) -> bool:
    """True for what may be an array that was not read from files."""
    return any(
        isinstance(option, (Object, Unknown)) and not _is_no_array(option) and not comes_from_data(option)
        for option in options(value)
    )


def _is_no_array(value: Value) -> bool:
    """True for options and random generators."""
    return isinstance(value, Object) and (is_namespace(value) or value.kind.endswith(GENERATORS))
