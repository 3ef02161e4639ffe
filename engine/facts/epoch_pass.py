"""One pass of the epoch loop, followed to learn what lives on from it to the next, and what the training and the
evaluation make of that: an abstract run which keeps of every value only where it comes from.

Statements are followed in their order, branches both ways, inner loops twice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from engine.facts.locations import BATCH, MEASURED, NONE, OUTPUT, Location, Locations, Origins
from engine.facts.optimizers import goes_backward
from engine.facts.origins import follow_hooks, is_trained, origins_of
from engine.facts.program import EvaluationFact
from engine.facts.source_text import names_bound, names_read, parameters_in
from engine.facts.trace import Call, Loop, Trace
from engine.facts.training import TrainingLoop, is_statement, names_epochs, runs_over_data
from engine.facts.values import Function, Object, Scope, Value, objects, plain, value_of

DEEPEST = 12
MOST_STATEMENTS = 20_000
INSIDE = ("loop", "batch_loop")


class Pass:
    """One pass of an epoch loop.

    Attributes:
        trace: of the program.
        training: the epoch loop.
        models: the trained models.
        stored: the locations in what loaders are made of that a pass changes, known from a pass before this one.
        locations: what each comes from now, and what has changed.
        trains: what the loss of the training comes from.
        measures: what the evaluations come from.
        evaluating, inline: the evaluations, by their call or by the statement that holds them.
        from_data, trained: what is known of values: that they are data, or parts of the models.
        counted: the names that count the passes of inner loops.
        forwards: what the ``forward`` of a module has given back, in training and in evaluation.
        called: every call that was followed, with its scope, and the statement it stands in.
        active: the functions being followed; returned: what each of them has returned so far.
        evaluation: the evaluation being followed, with its scope.
        statements: how many have been followed.
        limit: why the pass was not followed to its end; empty where it was.
    """

    def __init__(
        self, trace: Trace, training: TrainingLoop, models: list[Object], evaluations: tuple[EvaluationFact, ...],
        stored: frozenset[Location] = NONE,
    ) -> None:  # fmt: skip
        self.trace, self.training, self.models, self.stored = trace, training, models, stored
        self.locations = Locations(trace, training.epoch)
        self.trains: set[Location | str] = set()
        self.measures: set[Location | str] = set()
        self.calls: dict[tuple[ast.AST | None, Scope], list[Call]] = {}
        for call in trace.calls:
            self.calls.setdefault((call.node, call.caller), []).append(call)
        self.backward = {event.node for event in trace.events if goes_backward(event)}
        batches = training.batch.node if training.batch is not None else None
        self.data_loops = {batches, *(loop.node for loop, _ in trace.loops if _runs_over_batches(loop))}
        measuring = [evaluation for evaluation in evaluations if evaluation.metrics]
        self.evaluating = {e.call_event.node: e for e in measuring if e.call_event is not None}
        inline = [e for e in measuring if e.call_event is None and not (e.loop and e.loop.node is batches)]
        self.inline = {e.loop.node if e.loop is not None else e.forward: e for e in inline}
        self.from_data: dict[Value, bool] = {}
        self.trained: dict[Value, bool] = {}
        self.counted: set[str] = set()
        self.forwards: dict[tuple[ast.AST, Value | None, bool], Origins] = {}
        self.called: dict[tuple[ast.Call, Scope], tuple[ast.stmt, Scope] | None] = {}
        self.active: list[ast.AST] = []
        self.returned: list[Origins] = []
        self.evaluation: tuple[EvaluationFact, Scope] | None = None
        self.statements = 0
        self.limit = ""

    @property
    def output(self) -> Origins:
        """Where what the model gives comes from at this point."""
        return frozenset({MEASURED if self.locations.measuring else OUTPUT})

    def run(self) -> None:
        """Follow the pass, then the evaluations that stand outside the loop; as far as Python's own stack allows."""
        try:
            self.follow()
        except RecursionError:
            self.limit = "an epoch is nested too deeply"

    def follow(self) -> None:
        """The same, without a limit."""
        loop, locations = self.training.epoch, self.locations
        if isinstance(loop.node, (ast.For, ast.AsyncFor)):
            self.bind(loop.node.target, NONE, loop.scope)
        follow_hooks(self)
        self.block(loop.node.body, loop.scope)
        for evaluation in self.inline.values():
            if evaluation.where in INSIDE:
                self.measures |= self.metrics_of(evaluation, loop.scope) & locations.read_by_evaluation
        done, locations.now = locations.now, {}
        for evaluation in self.evaluating.values():
            if evaluation.where not in INSIDE:
                origins_of(self, evaluation.call_event.node, evaluation.call_event.scope)
        locations.now = done

    def enter(self, function: Function, inner: Scope, evaluation: EvaluationFact | None = None) -> Origins:
        """Follow the body of a function, and give what it returns; that of a module once in training and once in
        evaluation.

        Args:
            function: what is called.
            inner: its variables.
            evaluation: the evaluation that it is, if it is one.
        """
        locations = self.locations
        forward = (function.node, inner.variables.get("self"), locations.measuring)
        if inner in locations.made and forward in self.forwards:
            return self.forwards[forward]
        if function.node in self.active or self.statements > MOST_STATEMENTS:
            return NONE
        if len(self.active) > DEEPEST:
            self.limit = f"the functions of an epoch call one another more than {DEEPEST} deep"
            return NONE
        locations.called.add(inner)
        self.active.append(function.node)
        self.returned.append(NONE)
        statement, outer = locations.statement, self.evaluation
        self.evaluation = (evaluation, inner) if evaluation is not None else outer
        if isinstance(function.node, ast.Lambda):
            self.returned[-1] = origins_of(self, function.node.body, inner)
        else:
            self.block(function.node.body, inner)
        if evaluation is not None and evaluation.returns == "none":
            self.measures |= self.metrics_of(evaluation, inner)
        locations.statement, self.evaluation = statement, outer
        self.active.pop()
        returned = self.returned.pop()
        if inner in locations.made and function.name == "forward":
            self.forwards[forward] = returned
        return returned

    def metrics_of(self, evaluation: EvaluationFact, scope: Scope) -> Origins:
        """What the numbers that an evaluation prints come from."""
        written = ast.parse(f"[{', '.join(metric.text for metric in evaluation.metrics)}]", mode="eval")
        return origins_of(self, written.body, scope)

    def block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Follow statements in their order."""
        locations = self.locations
        for statement in body:
            self.statements += 1
            if self.statements > MOST_STATEMENTS:
                self.limit = f"an epoch comes to more than {MOST_STATEMENTS:,} statements"
                return
            locations.statement = statement, scope
            measuring, locations.measuring = locations.measuring, locations.measuring or statement in self.inline
            handler = STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement, scope)
            locations.measuring = measuring

    def bind(self, target: ast.expr, origins: Origins, scope: Scope, value: ast.expr | None = None) -> None:
        """Give a target a value; elements of something are changed in place."""
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.bind(part, origins, scope)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, origins, scope)
        elif isinstance(target, ast.Subscript):
            self.locations.change(target.value, origins | origins_of(self, target.slice, scope), scope)
        elif self.locations.named_by(target, scope):
            self.locations.assign(target, origins, scope, value)
        elif isinstance(target, ast.Attribute):
            self.locations.change(target.value, origins, scope)
            self.trains |= origins if is_trained(self, target.value, scope) else NONE

    def assign(self, node: ast.Assign | ast.AnnAssign, scope: Scope) -> None:
        """``a = b``; two tuples element by element."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets if node.value is not None else ():
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) and _pairs(target, node.value):
                found = [origins_of(self, value, scope) for value in node.value.elts]
                for part, value, origins in zip(target.elts, node.value.elts, found, strict=True):
                    self.bind(part, origins, scope, value)
            else:
                self.bind(target, origins_of(self, node.value, scope), scope, node.value)

    def add(self, node: ast.AugAssign, scope: Scope) -> None:
        """``a += b`` changes what a name stands for in place."""
        self.locations.change(node.target, origins_of(self, node.value, scope), scope)

    def expression(self, node: ast.Expr, scope: Scope) -> None:
        """An expression by itself."""
        origins_of(self, node.value, scope)

    def loop(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        """The body twice, so that what one pass leaves reaches the next."""
        for _ in range(2):
            origins = origins_of(self, node.iter, scope)
            if node in self.data_loops:
                origins |= {MEASURED if self.locations.measuring else BATCH}
            target = node.target
            if isinstance(target, ast.Tuple) and "enumerate" in names_read(node.iter):
                number, *rest = target.elts
                self.counted |= {number.id} if isinstance(number, ast.Name) else set()
                self.bind(number, NONE, scope)
                target = ast.Tuple(rest, ast.Store())
            self.bind(target, origins, scope)
            self.block(node.body, scope)
        self.block(node.orelse, scope)

    def repeat(self, node: ast.While, scope: Scope) -> None:
        """The body twice."""
        for _ in range(2):
            origins_of(self, node.test, scope)
            self.block(node.body, scope)
        self.block(node.orelse, scope)

    def branch(self, node: ast.If, scope: Scope) -> None:
        """Both sides; what the first pass of a loop does is always done."""
        origins_of(self, node.test, scope)
        holds = self.holds(node.test, scope)
        with self.guarded_by(node.test):
            if holds is not None:
                self.block(node.body if holds else node.orelse, scope)
            elif self.is_first(node.test):
                self.block(node.body, scope)
                self.join([[], node.orelse], scope)
            else:
                self.join([node.body, node.orelse], scope)

    @contextmanager
    def guarded_by(self, test: ast.expr) -> Iterator[None]:
        """Within the sides of a test: of one of the epoch, they read what earlier epochs left."""
        of_epoch = self.is_of_epoch(test)
        self.locations.guards += of_epoch
        yield
        self.locations.guards -= of_epoch

    def is_of_epoch(self, test: ast.expr) -> bool:
        """True for a test of the epoch."""
        node = self.training.epoch.node
        return isinstance(node, (ast.For, ast.AsyncFor)) and not names_bound(node.target).isdisjoint(names_read(test))

    def is_first(self, test: ast.expr) -> bool:
        """True for ``i == 0``, which holds in the first pass of an inner loop."""
        return any(isinstance(part, ast.Name) and part.id in self.counted for part in _compared_to(test, 0))

    def holds(self, test: ast.expr, scope: Scope) -> bool | None:
        """Whether a test holds: of the model's mode, or of a parameter, as ``if train`` or ``if split == "val"``, where
        its call says so."""
        if isinstance(test, ast.Attribute) and test.attr == "training" and _is_self(test.value):
            return not self.locations.measuring
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
        origins_of(self, node.subject, scope)
        self.join([case.body for case in node.cases], scope)

    def join(self, sides: list[list[ast.stmt]], scope: Scope) -> None:
        """Follow several sides from the same point: afterwards a value is what any of them made of it."""
        locations = self.locations
        before, after = locations.now, []
        written, locations.written = locations.written, set()
        for side in sides:
            locations.now = dict(before)
            self.block(side, scope)
            after.append(locations.now)
        met = {at: NONE.union(*(now.get(at, {at}) for now in after)) for at in locations.written}
        locations.now = before | met
        locations.written |= written

    def declare(self, node: ast.Global, scope: Scope) -> None:
        """Names that belong to the module."""
        scope.global_names.update(node.names)

    def within(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        """The body, with what is entered."""
        for item in node.items:
            origins = origins_of(self, item.context_expr, scope)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, origins, scope, item.context_expr)
        self.block(node.body, scope)

    def give_back(self, node: ast.Return, scope: Scope) -> None:
        """What a function returns; of an evaluation, the metrics in it."""
        origins = origins_of(self, node.value, scope)
        if self.returned:
            self.returned[-1] |= origins
        if self.evaluation is not None and self.evaluation[1] is scope and node.value is not None:
            for part in _measured(node.value, self.evaluation[0]):
                self.measures |= origins_of(self, part, scope)


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


def _pairs(target: ast.Tuple, value: ast.Tuple) -> bool:
    """True for two tuples of which each element goes with one of the other."""
    starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
    return len(target.elts) == len(value.elts) and not starred


def _unchanged_parameters(function: ast.AST) -> set[str]:
    """The parameters of a function that it does not set itself."""
    return parameters_in(function.args) - names_bound(function)


def _is_self(node: ast.expr) -> bool:
    """True for ``self``."""
    return isinstance(node, ast.Name) and node.id == "self"


def _compared_to(test: ast.expr, number: int) -> list[ast.expr]:
    """What a test says is equal to a number; nothing for another test."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq) or len(test.ops) > 1:
        return []
    right = test.comparators[0]
    return [test.left] if isinstance(right, ast.Constant) and right.value == number else []


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
