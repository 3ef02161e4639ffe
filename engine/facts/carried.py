"""What of a program lives on from one pass of the epoch loop to the next, and what the training and the evaluation make
of it: an abstract run of one pass, which keeps of every value only where it comes from.

Statements are followed in their order, into the functions of the project and the ``forward`` of its modules; branches
both ways, inner loops twice. What is changed in place is changed under every name it has.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from engine.facts.library import comes_from_data
from engine.facts.models import belongs
from engine.facts.optimizers import goes_backward
from engine.facts.program import EvaluationFact
from engine.facts.source_text import names_bound, names_read, parameters_in, positional_parameters, text_of
from engine.facts.trace import Call, Loop, Trace
from engine.facts.training import TrainingLoop, is_statement, names_epochs, runs_over_data
from engine.facts.values import (
    Class,
    External,
    Function,
    LocalModule,
    Object,
    Scope,
    Unknown,
    Value,
    objects,
    plain,
    value_of,
)

BATCH, OUTPUT, MEASURED, DATA = "batch", "output", "measured", "data"
"""Where values come from that are learned: a batch, the model in training, the model in evaluation, and all data."""
LEARNED = frozenset({BATCH, OUTPUT, MEASURED, DATA})
NONE: frozenset = frozenset()
ADDS = {
    "append", "appendleft", "extend", "extendleft", "insert", "add", "update", "push", "put", "put_nowait",
    "setdefault", "fill", "itemset", "partition", "load_state_dict",
}  # fmt: skip
ADDS_TO_FIRST = {"copyto", "put", "place", "putmask", "at", "heappush", "heapreplace", "heappushpop", "insort"}
CLEARS = {"clear", "zero_", "reset"}
KEEPS = {"requires_grad_", "clip_grad_norm_", "clip_grad_value_"}
OF_SHAPE = {
    "len", "size", "numel", "dim", "shape", "ndim", "dtype", "device", "isinstance", "hasattr", "type", "nelement",
}  # fmt: skip
NUMBERS = ("builtins.int", "builtins.float", "builtins.round", "builtins.min", "builtins.max", "builtins.abs", "math.")
WITH_STATISTICS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")
DEEPEST = 12
MOST_STATEMENTS = 20_000


Holder = Scope | Object | Class | Function


@dataclass(frozen=True)
class Location:
    """Where a value is kept: a variable of a scope, or an attribute of something.

    Attributes:
        holder: the scope, object, class or function.
        name: of the variable or attribute.
    """

    holder: Holder
    name: str


Origins = frozenset[Location | str]
"""What a value comes from: locations as they are when the pass begins, and what is learned."""


@dataclass
class Change:
    """The first statement of a pass that keeps something learned in a location.

    Attributes:
        statement, scope: the statement.
        text: the location as it is written there.
    """

    statement: ast.stmt
    scope: Scope
    text: str


@dataclass(frozen=True)
class Entered:
    """A function of the project that a call runs.

    Attributes:
        function: the function.
        scope: its variables.
        has_receiver: True where its first parameter is the object it is called on.
    """

    function: Function
    scope: Scope
    has_receiver: bool


@dataclass
class Pass:
    """One pass of an epoch loop.

    Attributes:
        trace: of the program.
        training: the epoch loop.
        models: the trained models.
        evaluations: how the program measures them.
        stored: the locations in what loaders are made of that a pass changes, known from a pass before this one.
        now: what each location comes from at this point, where that is not what it was when the pass began.
        trains: what the loss of the training comes from.
        measures: what the evaluations come from.
        changes: the locations in which something learned is kept.
        changed_by_evaluation: those in which an evaluation keeps something.
    """

    trace: Trace
    training: TrainingLoop
    models: list[Object]
    evaluations: tuple[EvaluationFact, ...]
    stored: frozenset[Location] = NONE
    now: dict[Location, Origins] = field(default_factory=dict)
    trains: set = field(default_factory=set)
    measures: set = field(default_factory=set)
    changes: dict[Location, Change] = field(default_factory=dict)
    changed_by_evaluation: set[Location] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.calls: dict[tuple[ast.AST | None, Scope], list[Call]] = {}
        for call in self.trace.calls:
            self.calls.setdefault((call.node, call.caller), []).append(call)
        self.backward = {event.node for event in self.trace.events if goes_backward(event)}
        self.data_loops = {loop.node for loop, _ in self.trace.loops if _runs_over_batches(loop)}
        if self.training.batch is not None:
            self.data_loops.add(self.training.batch.node)
        measuring = [evaluation for evaluation in self.evaluations if evaluation.metrics]
        self.evaluating = {e.call_event.node: e for e in measuring if e.call_event is not None}
        phases = self.training.batch.node if self.training.batch is not None else None
        inline = [e for e in measuring if e.call_event is None and not (e.loop and e.loop.node is phases)]
        self.inline = {e.loop.node if e.loop is not None else e.forward: e for e in inline}
        self.aliases: dict[Location, list[Location]] = {}
        self.inner: set[Scope] = set()
        self.made: set[Scope] = set()
        self.from_data: dict[Value, bool] = {}
        self.trained: dict[Value, bool] = {}
        self.counts: set[str] = set()
        self.guarded = 0
        self.left_before: set[Location] = set()
        self.forwards: dict[tuple[ast.AST, Object | None, bool], Origins] = {}
        self.active: list[ast.AST] = []
        self.returned: list[Origins] = []
        self.fact: tuple[EvaluationFact, Scope] | None = None
        self.measuring = False
        self.statements = 0
        self.written: set[Location] = set()
        self.read_by_evaluation: set[Location | str] = set()
        self.statement: tuple[ast.stmt, Scope] | None = None
        self.before = {scope: set(names) for scope, names in self.training.epoch.known}

    def run(self) -> None:
        """Follow the pass, then the evaluations that stand outside the loop; as far as Python's own stack allows."""
        with suppress(RecursionError):
            self.follow()

    def follow(self) -> None:
        """The same, without a limit."""
        loop = self.training.epoch
        if isinstance(loop.node, (ast.For, ast.AsyncFor)):
            self.bind(loop.node.target, NONE, loop.scope)
        self.block(loop.node.body, loop.scope)
        for evaluation in self.inline.values():
            if evaluation.where in ("loop", "batch_loop"):
                self.measures |= self.metrics_of(evaluation, loop.scope) & self.read_by_evaluation
        done, self.now = self.now, {}
        for evaluation in self.evaluating.values():
            if evaluation.where not in ("loop", "batch_loop"):
                self.origins(evaluation.call_event.node, evaluation.call_event.scope)
        self.now = done

    def lives_on(self, location: Location) -> bool:
        """True for what is there before the loop starts."""
        holder = location.holder
        if isinstance(holder, Scope):
            known = location.name in self.before.get(holder, {location.name})
            return holder not in self.inner and (known or location in self.left_before)
        if isinstance(holder, Object):
            return not self.trace.events[holder.event].within_node(self.training.epoch.node)
        return True

    # Statements

    def block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Follow statements in their order."""
        for statement in body:
            self.statements += 1
            if self.statements > MOST_STATEMENTS:
                return
            self.statement = statement, scope
            measuring, self.measuring = self.measuring, self.measuring or statement in self.inline
            handler = STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement, scope)
            self.measuring = measuring

    def assign(self, node: ast.Assign | ast.AnnAssign, scope: Scope) -> None:
        """``a = b``; two tuples element by element."""
        if node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) and _pairs(target, node.value):
                found = [self.origins(value, scope) for value in node.value.elts]
                for part, value, origins in zip(target.elts, node.value.elts, found, strict=True):
                    self.bind(part, origins, scope, value)
            else:
                self.bind(target, self.origins(node.value, scope), scope, node.value)

    def add(self, node: ast.AugAssign, scope: Scope) -> None:
        """``a += b`` changes what a name stands for in place."""
        self.change(self.places(node.target, scope), self.origins(node.value, scope), text_of(node.target))

    def expression(self, node: ast.Expr, scope: Scope) -> None:
        """An expression by itself."""
        self.origins(node.value, scope)

    def loop(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        """The body twice, so that what one pass leaves reaches the next."""
        for _ in range(2):
            origins = self.origins(node.iter, scope)
            if node in self.data_loops:
                origins |= {MEASURED if self.measuring else BATCH}
            counted = "enumerate(" in text_of(node.iter)
            if isinstance(node.target, ast.Tuple) and counted:
                self.counts.add(text_of(node.target.elts[0]))
                self.bind(node.target.elts[0], NONE, scope)
                self.bind(ast.Tuple(node.target.elts[1:], ast.Store()), origins, scope)
            else:
                self.bind(node.target, origins, scope)
            self.block(node.body, scope)
        self.block(node.orelse, scope)

    def repeat(self, node: ast.While, scope: Scope) -> None:
        """The body twice."""
        for _ in range(2):
            self.origins(node.test, scope)
            self.block(node.body, scope)
        self.block(node.orelse, scope)

    def branch(self, node: ast.If, scope: Scope) -> None:
        """Both sides; what the first pass of a loop does is always done."""
        self.origins(node.test, scope)
        test = text_of(node.test)
        epoch = _names(self.training.epoch.node) & _names(node.test)
        self.guarded += bool(epoch)
        holds = not self.measuring if test == "self.training" else self.decided(node.test, scope)
        if holds is not None:
            self.block(node.body if holds else node.orelse, scope)
        elif test in {f"{count} == 0" for count in self.counts}:
            self.block(node.body, scope)
            self.join([[], node.orelse], scope)
        else:
            self.join([node.body, node.orelse], scope)
        self.guarded -= bool(epoch)

    def decided(self, test: ast.expr, scope: Scope) -> bool | None:
        """Whether a test of a parameter holds, ``if train`` or ``if split == "val"``, where its call says so."""
        left, right = (test.left, test.comparators[0]) if isinstance(test, ast.Compare) else (test, None)
        if not self.active or not isinstance(left, ast.Name) or left.id not in _unchanged_parameters(self.active[-1]):
            return None
        given = [plain(value) for value in value_of(left, scope)]
        if len(given) != 1 or given[0] is ...:
            return None
        if right is None:
            return bool(given[0])
        is_equality = len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq) and isinstance(right, ast.Constant)
        return given[0] == right.value if is_equality else None

    def attempt(self, node: ast.Try, scope: Scope) -> None:
        """The body, and then perhaps a handler."""
        self.block(node.body, scope)
        self.join([[], *[handler.body for handler in node.handlers]], scope)
        self.block([*node.orelse, *node.finalbody], scope)

    def match(self, node: ast.Match, scope: Scope) -> None:
        """Every case."""
        self.origins(node.subject, scope)
        self.join([case.body for case in node.cases], scope)

    def join(self, sides: list[list[ast.stmt]], scope: Scope) -> None:
        """Follow several sides from the same point: afterwards a value is what any of them made of it."""
        before, after = self.now, []
        written, self.written = self.written, set()
        for side in sides:
            self.now = dict(before)
            self.block(side, scope)
            after.append(self.now)
        self.now = before | {at: NONE.union(*(now.get(at, {at}) for now in after)) for at in self.written}
        self.written |= written

    def declare(self, node: ast.Global, scope: Scope) -> None:
        """Names that belong to the module."""
        scope.global_names.update(node.names)

    def within(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        """The body, with what is entered."""
        for item in node.items:
            origins = self.origins(item.context_expr, scope)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, origins, scope, item.context_expr)
        self.block(node.body, scope)

    def give_back(self, node: ast.Return, scope: Scope) -> None:
        """What a function returns; of an evaluation, the metrics in it."""
        origins = self.origins(node.value, scope) if node.value is not None else NONE
        self.returned[-1:] = [self.returned[-1] | origins] if self.returned else []
        if self.fact is not None and self.fact[1] is scope and node.value is not None:
            for part in _measured(node.value, self.fact[0]):
                self.measures |= self.origins(part, scope)

    # Locations

    def bind(self, target: ast.expr, origins: Origins, scope: Scope, value: ast.expr | None = None) -> None:
        """Give a target a value; elements of something are changed in place."""
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.bind(part, origins, scope)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, origins, scope)
        elif isinstance(target, ast.Subscript):
            self.change(
                self.places(target.value, scope), origins | self.origins(target.slice, scope), text_of(target.value)
            )
        elif isinstance(target, ast.Name) or self.owners(target, scope):
            held = self.held(target, scope)
            for place in held:
                self.keep(place, origins, text_of(target))
                self.set(place, origins if len(held) == 1 else self.read(place) | origins)
                self.aliases.pop(place, None)
                if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
                    self.aliases[place] = [other for other in self.places(value, scope) if other != place]
        elif isinstance(target, ast.Attribute):
            self.change(self.places(target.value, scope), origins, text_of(target.value))

    def change(self, places: Iterable[Location], origins: Origins, text: str) -> None:
        """Change what locations hold in place."""
        for place in places:
            self.keep(place, origins, text)
            self.set(place, self.read(place) | origins)

    def keep(self, place: Location, origins: Origins, text: str) -> None:
        """Note that a location keeps something."""
        if self.measuring:
            self.changed_by_evaluation.add(place)
        if origins & LEARNED and self.statement is not None and self.lives_on(place):
            self.changes.setdefault(place, Change(*self.statement, text))

    def set(self, place: Location, origins: Origins) -> None:
        """What a location comes from now."""
        self.now[place] = origins
        self.written.add(place)

    def read(self, place: Location) -> Origins:
        """What a location comes from at this point."""
        origins = self.now.get(place, frozenset({place}))
        if self.measuring:
            self.read_by_evaluation |= origins
        elif self.guarded and place not in self.now:
            self.left_before.add(place)
        return origins

    def held(self, node: ast.expr, scope: Scope) -> list[Location]:
        """The location that a name or attribute is, without its other names."""
        if isinstance(node, ast.Name):
            holder = scope.owner_of(node.id) if isinstance(node.ctx, ast.Store) else _holder(node.id, scope)
            if holder is None or isinstance(holder.variables.get(node.id), (External, LocalModule, Function, Class)):
                return []
            if holder in self.made:
                holder.variables.setdefault(node.id, Unknown())
            return [Location(holder, node.id)]
        return [Location(owner, node.attr) for owner in self.owners(node, scope)]

    def owners(self, node: ast.expr, scope: Scope) -> list[Holder]:
        """Whose attribute an attribute is, where that is known."""
        if not isinstance(node, ast.Attribute) or node.attr == "data":
            return []
        values = value_of(node.value, scope)
        modules = [value.scope for value in values if isinstance(value, LocalModule)]
        return [*modules, *(value for value in values if isinstance(value, (Object, Class, Function)))]

    def places(self, node: ast.expr, scope: Scope) -> list[Location]:
        """The locations that an expression stands for, under all their names: what is changed with it."""
        while isinstance(node, (ast.Subscript, ast.Call, ast.Starred)) or (
            isinstance(node, ast.Attribute) and not self.owners(node, scope)
        ):
            node = node.func if isinstance(node, ast.Call) else node.value
            if isinstance(node, ast.Attribute) and not self.owners(node, scope):
                node = node.value
        found = self.held(node, scope) if isinstance(node, (ast.Name, ast.Attribute)) else []
        for place in found:
            found.extend(other for other in self.aliases.get(place, ()) if other not in found)
        return found

    # Expressions

    def origins(self, node: ast.AST | None, scope: Scope) -> Origins:
        """What the value of an expression comes from."""
        if node is None or isinstance(node, (ast.Constant, ast.Lambda)):
            return NONE
        if isinstance(node, ast.Call):
            return self.call(node, scope)
        if isinstance(node, ast.Name):
            return self.variable(node, scope)
        if isinstance(node, ast.Attribute):
            return self.attribute(node, scope)
        if isinstance(node, ast.NamedExpr):
            found = self.origins(node.value, scope)
            self.bind(node.target, found, scope, node.value)
            return found
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.expr, ast.comprehension))]
        found = NONE.union(*(self.origins(part, scope) for part in parts))
        return NONE if isinstance(node, ast.JoinedStr) else found

    def kept(self, node: ast.expr, scope: Scope) -> Origins:
        """What the locations come from that a name or an attribute is."""
        return NONE.union(*(self.read(place) for place in self.held(node, scope)))

    def variable(self, node: ast.Name, scope: Scope) -> Origins:
        """A name: what it keeps, and what it is."""
        if not isinstance(node.ctx, ast.Load):
            return NONE
        found = self.kept(node, scope)
        return found | self.known(value_of(node, scope))

    def attribute(self, node: ast.Attribute, scope: Scope) -> Origins:
        """An attribute: of an object of the project, what was stored there; of anything else, what that is, too."""
        if node.attr in OF_SHAPE:
            return NONE
        if node.attr == "grad":
            return frozenset({MEASURED if self.measuring else OUTPUT})
        found = self.kept(node, scope)
        for call in self.calls.get((node, scope), ()):  # a property
            found |= self.enter(call.function, call.scope)
        owners = value_of(node.value, scope)
        if not owners or any(not isinstance(one, Object) or one.cls is None for one in owners):
            found |= self.origins(node.value, scope)
        return found | self.known(value_of(node, scope))

    def known(self, values: list[Value]) -> Origins:
        """What comes with a value: data, the weights of the model, and what a loader was given."""
        found = self.weights(values)
        for value in values:
            if value not in self.from_data:
                self.from_data[value] = isinstance(value, Object) and _is_data(value)
            if self.from_data[value]:
                found |= {DATA}
            for part in _given(value) if self.stored else ():
                found |= NONE.union(*(self.read(place) for place in self.stored if place.holder is part))
        return found

    def weights(self, values: Iterable[Value]) -> Origins:
        """What is learned where a value is the model, or a part of it."""
        parts = [one for value in values for one in objects(value)]
        for one in parts:
            if one not in self.trained:
                self.trained[one] = any(belongs(one, model) for model in self.models)
        return frozenset({MEASURED if self.measuring else OUTPUT}) if any(map(self.trained.get, parts)) else NONE

    def call(self, node: ast.Call, scope: Scope) -> Origins:
        """A call: what it gives back comes from what it is given, and from what the function reads."""
        evaluation = self.evaluating.get(node)
        if evaluation is None or self.measuring:
            return self.called(node, scope, None)
        before, self.now, self.measuring = self.now, {}, True  # it will be called before training, too
        found = self.called(node, scope, evaluation)
        self.measuring = False
        made, self.now = self.now, before
        for place, origins in made.items():
            self.set(place, self.read(place) | origins)
        return found

    def called(self, node: ast.Call, scope: Scope, evaluation: EvaluationFact | None) -> Origins:
        """The same, where it is known whether it evaluates the model."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {value: self.origins(value, scope) for value in (*node.args, *(word.value for word in node.keywords))}
        callees = value_of(node.func, scope)
        on = self.origins(node.func.value if isinstance(node.func, ast.Attribute) else node.func, scope)
        every = on.union(*given.values())
        if name in OF_SHAPE:
            return NONE
        found, followed = NONE, False
        for entered in self.entered(node, scope, callees):
            followed = True
            self.hand_over(node, scope, entered, given)
            found |= self.enter(entered.function, entered.scope, evaluation)
        modules = [one for value in callees for one in objects(value)]
        own = self.weights(callees)
        if own and self.measuring:
            self.measures |= found.union(*given.values())
        if node in self.backward:
            self.trains |= every
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        found |= self.kept(receiver, scope) if followed and not own else every
        if not followed:
            self.call_library(node, name, scope, every, modules)
        return found | NONE.union(*(self.read(Location(one, "running statistics")) for one in modules))

    def call_library(self, node: ast.Call, name: str, scope: Scope, every: Origins, modules: list[Object]) -> None:
        """What a call of a library changes in place."""
        for one in modules:
            if one.short_kind in WITH_STATISTICS and not self.weights([one]) and self.in_training_mode(one):
                self.change([Location(one, "running statistics")], every, text_of(node.func))
        if isinstance(node.func, ast.Attribute) and name in CLEARS:
            for place in self.places(node.func.value, scope):
                self.set(place, NONE)
        elif isinstance(node.func, ast.Attribute):
            if name in ADDS or (name.endswith("_") and not name.endswith("__") and name not in KEEPS):
                self.change(self.places(node.func.value, scope), every, text_of(node.func.value))
        if name in ADDS_TO_FIRST and node.args:
            self.change(self.places(node.args[0], scope), every, text_of(node.args[0]))
        for keyword in node.keywords:
            if keyword.arg == "out":
                self.change(self.places(keyword.value, scope), every, text_of(keyword.value))

    def in_training_mode(self, module: Object) -> bool:
        """True for a module by itself that is never put into evaluation mode, or put back into training mode."""
        modes = [event.name for event in self.trace.named(".eval", ".train") if module in objects(event.receiver)]
        return module.parent is None and modes[-1:] != [".eval"]

    def entered(self, node: ast.Call, scope: Scope, callees: list[Value]) -> Iterator[Entered]:
        """The functions of the project that a call runs: those the trace has followed, and the ``forward`` of modules,
        which it does not follow."""
        calls = self.calls.get((node, scope), ())
        yield from (Entered(call.function, call.scope, call.receiver is not None) for call in calls)
        if calls:
            return
        yield from (self.not_followed(one) for one in callees if isinstance(one, Function))
        for one in (one for callee in callees for one in objects(callee) if one.cls is not None and one.is_module):
            forward = one.cls.find("forward")
            if isinstance(forward, Function):
                yield self.not_followed(forward, one)
        if not callees and isinstance(node.func, ast.Attribute):
            for one in (one for value in value_of(node.func.value, scope) for one in objects(value)):
                method = one.cls.find(node.func.attr) if one.cls is not None else None
                if isinstance(method, Function):
                    yield self.not_followed(method, one)

    def not_followed(self, function: Function, receiver: Object | None = None) -> Entered:
        """A function that the trace has not followed."""
        own = positional_parameters(function.node)[:1] if receiver is not None else []
        scope = Scope(function.file, function.qualified_name, function.scope, dict.fromkeys(own, receiver))
        self.made.add(scope)
        return Entered(function, scope, receiver is not None)

    def hand_over(self, node: ast.Call, scope: Scope, entered: Entered, given: dict[ast.expr, Origins]) -> None:
        """Give the parameters of a function what a call passes."""
        inner = entered.scope
        self.inner.add(inner)
        names = positional_parameters(entered.function.node)[entered.has_receiver :]
        pairs = [*zip(names, node.args, strict=False), *((k.arg, k.value) for k in node.keywords if k.arg)]
        for name in names:
            self.set(Location(inner, name), NONE)
        for name, value in pairs:
            place = Location(inner, name)
            if inner in self.made:
                inner.variables[name] = next(iter(value_of(value, scope)), Unknown())
            self.set(place, given[value])
            self.aliases[place] = [] if isinstance(value, ast.Call) else self.places(value, scope)

    def enter(self, function: Function, inner: Scope, evaluation: EvaluationFact | None = None) -> Origins:
        """Follow the body of a function, and give what it returns; that of a module once in training and once in
        evaluation."""
        forward = (function.node, inner.variables.get("self"), self.measuring)
        if inner in self.made and forward in self.forwards:
            return self.forwards[forward]
        if function.node in self.active or len(self.active) > DEEPEST or self.statements > MOST_STATEMENTS:
            return NONE
        self.inner.add(inner)
        self.active.append(function.node)
        self.returned.append(NONE)
        statement, fact = self.statement, self.fact
        self.fact = (evaluation, inner) if evaluation is not None else fact
        if isinstance(function.node, ast.Lambda):
            self.returned[-1] = self.origins(function.node.body, inner)
        else:
            self.block(function.node.body, inner)
        if evaluation is not None and evaluation.returns == "none":
            self.measures |= self.metrics_of(evaluation, inner)
        self.statement, self.fact = statement, fact
        self.active.pop()
        returned = self.returned.pop()
        if inner in self.made and function.name == "forward":
            self.forwards[forward] = returned
        return returned

    def metrics_of(self, evaluation: EvaluationFact, scope: Scope) -> Origins:
        """What the numbers that an evaluation prints come from."""
        written = ast.parse(f"[{', '.join(metric.text for metric in evaluation.metrics)}]", mode="eval")
        return self.origins(written.body, scope)


STATEMENTS = {
    ast.Assign: Pass.assign,
    ast.AnnAssign: Pass.assign,
    ast.AugAssign: Pass.add,
    ast.Expr: Pass.expression,
    ast.For: Pass.loop,
    ast.AsyncFor: Pass.loop,
    ast.While: Pass.repeat,
    ast.If: Pass.branch,
    ast.Try: Pass.attempt,
    ast.Match: Pass.match,
    ast.With: Pass.within,
    ast.AsyncWith: Pass.within,
    ast.Return: Pass.give_back,
    ast.Global: Pass.declare,
}


def _runs_over_batches(loop: Loop) -> bool:
    """True for a loop over what data holds, not over numbers or epochs."""
    if not is_statement(loop) or isinstance(loop.node, ast.While) or names_epochs(loop):
        return False
    return runs_over_data(loop) and not any(one.kind == "builtins.range" for one in objects(loop.iterable))


def _is_data(value: Object) -> bool:
    """True for data, not for a number that was worked out of its size."""
    return not value.kind.startswith(NUMBERS) and comes_from_data(value)


def _pairs(target: ast.Tuple, value: ast.Tuple) -> bool:
    """True for two tuples of which each element goes with one of the other."""
    starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
    return len(target.elts) == len(value.elts) and not starred


def _unchanged_parameters(function: ast.AST) -> set[str]:
    """The parameters of a function that it does not set itself."""
    return parameters_in(function.args) - names_bound(function)


def _names(node: ast.AST) -> set[str]:
    """The variable of a loop, or the names that an expression reads."""
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return {text_of(node.target)}
    return names_read(node) if isinstance(node, ast.expr) else set()


def _holder(name: str, scope: Scope) -> Scope | None:
    """The scope that a name is read from."""
    found = (one for one in scope.chain() if name in one.variables and (one is scope or not one.is_class))
    return next(found, None)


def _given(value: Value, depth: int = 0) -> Iterator[Object]:
    """A loader, and the data and the samplers it was given."""
    for one in objects(value):
        yield one
        for part in (*one.args, *one.kwargs.values()) if depth < 4 else ():
            yield from _given(part, depth + 1)


def _measured(value: ast.expr, evaluation: EvaluationFact) -> list[ast.expr]:
    """The parts of what an evaluation returns that are its metrics; all of it where that is not known."""
    wanted = {metric.index for metric in evaluation.metrics}
    parts: dict[object, ast.expr] = {}
    if isinstance(value, ast.Tuple):
        parts = dict(enumerate(value.elts))
    elif isinstance(value, ast.Dict):
        keyed = zip(value.keys, value.values, strict=True)
        parts = {key.value: part for key, part in keyed if isinstance(key, ast.Constant)}
    return [parts[index] for index in wanted if index in parts] or [value]
