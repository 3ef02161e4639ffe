"""How long the epoch loop runs, and by which expression."""

from __future__ import annotations

import ast

from engine.facts.program import Expression, LoopFact
from engine.facts.source_text import assigned, expression, own_nodes, text_of
from engine.facts.trace import Loop, Once, Trace
from engine.facts.training import TrainingLoop, reached_from
from engine.facts.values import Object, options, plain

RANGES = {"builtins.range": "range", "tqdm.trange": "range", "tqdm.auto.trange": "range", "itertools.count": "count"}
PROGRESS = ("tqdm", "rich.progress", "alive_progress", "fastprogress", "click.progressbar")


def loop_fact(trace: Trace, training: TrainingLoop) -> LoopFact:
    """The fact of an epoch loop."""
    loop = training.epoch
    common = (loop, training.path, reached_from(trace, loop))
    if isinstance(loop, Once):
        return LoopFact(loop.place, "once", "", None, None, 1, *common)
    if isinstance(loop.node, ast.While):
        count = _limit(loop.node.test)
        found = expression(count, loop.scope) if count is not None else None
        return LoopFact(loop.place, "while", "", found, None, _passes(loop, count), *common)
    variable = text_of(loop.node.target)
    counted = next((one for one in options(loop.iterable) if isinstance(one, Object)), None)
    counted = _inside_progress(counted)
    kind = _range_kind(counted)
    call = counted.node if counted is not None and isinstance(counted.node, ast.Call) else None
    if kind != "range" or call is None or counted.scope is None:
        return LoopFact(loop.place, kind, variable, None, None, None, *common)
    arguments = [one for one in call.args if not isinstance(one, ast.Starred)]
    kind, start, stop = _ends(arguments, plain(counted.args[2]) if len(counted.args) > 2 else 1)
    count, start = _written(stop, counted), _written(start, counted)
    return LoopFact(loop.place, kind, variable, count, start, _length(counted), *common)


def _ends(arguments: list[ast.expr], step: object) -> tuple[str, ast.expr | None, ast.expr | None]:
    """The kind of a range, its first number, and the argument that says how many epochs there are: the first of those
    that count down."""
    if len(arguments) == 1:
        return "range", None, arguments[0]
    start, stop = arguments[:2] if len(arguments) > 1 else (None, None)
    if step == -1:
        return "countdown", start, start
    return "range", start, stop if step == 1 else None


def _written(node: ast.AST | None, counted: Object) -> Expression | None:
    """An argument of the range as it is written."""
    return expression(node, counted.scope) if node is not None and counted.scope is not None else None


def _inside_progress(value: Object | None) -> Object | None:
    """What a progress bar, ``enumerate`` or the like runs over."""
    for _ in range(5):
        if value is None or not value.kind.startswith((*PROGRESS, "builtins.enumerate", "builtins.iter")):
            return value
        if value.short_kind == "trange":
            return value
        value = next((one for one in options(value.args[0]) if isinstance(one, Object)), None) if value.args else None
    return value


def _range_kind(value: Object | None) -> str:
    """``range``, ``count`` or ``other``."""
    if value is None:
        return "other"
    return RANGES.get(value.kind, "range" if value.short_kind == "trange" else "other")


def _length(counted: Object) -> int | None:
    """How many passes a range makes, where that is known."""
    numbers = [plain(argument) for argument in counted.args]
    if not numbers or not all(isinstance(number, int) for number in numbers):
        return None
    try:
        return len(range(*numbers))
    except (TypeError, ValueError, OverflowError):
        return None


def _passes(loop: Loop, limit: ast.expr | None) -> int | None:
    """How many passes a ``while`` makes that counts up by one to a limit; None where that is not known."""
    if limit is None or not loop.sides:
        return None
    sides = [loop.node.test.left, *loop.node.test.comparators]
    counter = next(side for side in sides if side is not limit)
    first, last = (plain(loop.sides[sides.index(side)]) for side in (counter, limit))
    if not isinstance(first, int) or not isinstance(last, int) or not _counts_up(loop.node, text_of(counter)):
        return None
    return last - first + isinstance(loop.node.test.ops[0], (ast.LtE, ast.GtE))


def _counts_up(loop: ast.While, counter: str) -> bool:
    """True where all that a loop's body does to its counter is to add one, in no loop inside."""
    inside = list(own_nodes(loop.body))
    deeper = [node for inner in inside if isinstance(inner, (ast.For, ast.While)) for node in own_nodes(inner.body)]
    changes = [node for node in inside if counter in map(text_of, assigned(node))]
    ones = (f"{counter} += 1", f"{counter} = {counter} + 1")
    return bool(changes) and all(text_of(node) in ones and node not in deeper for node in changes)


def _limit(test: ast.expr) -> ast.expr | None:
    """The side of a ``while`` comparison that does not change: ``epochs`` in ``epoch < epochs``."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        if isinstance(test.ops[0], (ast.Lt, ast.LtE, ast.NotEq)):
            return test.comparators[0]
        if isinstance(test.ops[0], (ast.Gt, ast.GtE)):
            return test.left
    return None
