"""What ends an epoch loop before its last epoch: a number of steps, a flag, or a judgement on how the training goes,
wherever in the program it is kept and asked for. Numbers and flags start anew in every round, or later rounds would
train nothing; where that cannot be written, it is told. Where a learning rate goes by the number, it counts on, and its
limit moves. What the judgement goes by lives on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.edit import Replace
from engine.facts import Facts
from engine.facts.source_text import breaks, names_bound, names_read, own_nodes, text_of
from engine.facts.trace import Branch, Call, path_inside
from engine.facts.values import Scope
from engine.plan.epoch_uses import beside
from engine.plan.frame import Frame
from engine.plan.horizons import rate_expressions
from engine.plan.kept_values import (
    Change,
    Code,
    Kept,
    changes,
    code_of_round,
    counts,
    kept_at,
    lives_on,
    number_at_start,
    reset_of,
    set_before,
)
from engine.plan.names import Names
from engine.plan.passed import arguments_written
from engine.result import Place

TIME = re.compile(r"\b(time|perf_counter|monotonic|now)\(\)")
OF_RATE = re.compile(r"param_groups|get_last_lr|get_lr\b")
EXITS = (ast.Break, ast.Return)
GROWING, SHRINKING = (ast.GtE, ast.Gt, ast.Eq), (ast.LtE, ast.Lt, ast.Eq)


@dataclass(frozen=True)
class Test:
    """What decides whether the training is left.

    Attributes:
        node: the expression.
        scope: where it stands.
        code: the statements that it stands in.
        holds: True where the training is left if it holds, False where it is if it does not.
        first: True where it is asked before an epoch has trained anything.
    """

    node: ast.expr
    scope: Scope
    code: Code
    holds: bool = True
    first: bool = False

    @property
    def place(self) -> Place:
        """Of the expression."""
        return self.scope.file.place(self.node)


@dataclass(frozen=True)
class Limit:
    """A number, or a flag, that ends the training once it has come to its limit.

    Attributes:
        kept: where it is kept.
        node: the number or flag in the test.
        end: the limit that it is compared with; None for a flag.
        test: the test.
        rates: True where a learning rate goes by it, or whatever else has a length.
    """

    kept: Kept
    node: ast.expr
    end: ast.expr | None
    test: Test
    rates: bool


@dataclass(frozen=True)
class EarlyEnds:
    """What ends the training of a round early.

    Attributes:
        limits: the numbers and flags.
        judged: True where it also ends by what goes on over the rounds: a best value, a mean, a learning rate.
    """

    limits: tuple[Limit, ...] = ()
    judged: bool = False


def early_ends(facts: Facts, frame: Frame) -> EarlyEnds:
    """What ends the training of a round early, by values that live on over the rounds."""
    code = code_of_round(facts, frame)
    changed = {kept: how for kept, how in changes(code).items() if lives_on(kept, code, frame)}
    rates = {kept for part in code for rate in rate_expressions(part.body) for kept in _kept_in(rate, part.scope)}
    rates |= {kept for kept, written in counts(facts, frame).items() if any(beside(facts, written))}
    limits: list[Limit] = []
    judged = False
    for test in _leaving(facts, frame, code, _left_out(facts, code, changed)):
        found = list(_limits_in(test, changed, rates))
        limits += found
        read = {kept for node in ast.walk(test.node) for kept in _kept_of(node, test)}
        others = {kept for kept in read & changed.keys() if not all(one.counts for one in changed[kept])}
        others -= {limit.kept for limit in found}
        judged = judged or any(not set_before(test.node, test.code, changed[kept]) for kept in others)
        judged = judged or bool(OF_RATE.search(text_of(test.node)))
    return EarlyEnds(tuple(limits), judged)


def _kept_in(expression: ast.expr, scope: Scope) -> Iterator[Kept]:
    """Where the values are kept that an expression reads."""
    for node in ast.walk(expression):
        yield from kept_at(node, scope)


def _kept_of(node: ast.AST, test: Test) -> list[Kept]:
    """Where what a test reads is kept; for the parameter of a function that is asked, also what it is given."""
    call, found = test.code.call, kept_at(node, test.scope)
    if isinstance(node, ast.Name) and call is not None and isinstance(call.node, ast.Call):
        given = arguments_written(call.function, call.node).get(node.id)
        found += kept_at(given, call.caller) if given is not None else []
    return found


def _limits_in(test: Test, changed: dict[Kept, list[Change]], rates: set[Kept]) -> Iterator[Limit]:
    """The numbers that only grow, or only shrink, to a limit in a test, and the flags that stay as it has them."""
    for part, holds in _operands(test.node, test.holds):
        for node, end, direction in _compared(part, holds):
            for kept in _kept_of(node, test):
                how = changed.get(kept, [])
                comes = _comes_to(test, kept, how, direction) if direction else _is_raised(test, kept, how)
                if comes and not set_before(test.node, test.code, how):
                    yield Limit(kept, node, end, test, kept in rates)


def _operands(test: ast.expr, holds: bool) -> Iterator[tuple[ast.expr, bool]]:
    """What ``and``, ``or`` and ``not`` join in a test, with whether the training is left if it holds."""
    if isinstance(test, ast.BoolOp):
        for value in test.values:
            yield from _operands(value, holds)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _operands(test.operand, not holds)
    else:
        yield test, holds


def _compared(part: ast.expr, holds: bool) -> Iterator[tuple[ast.expr, ast.expr | None, int]]:
    """What a part of a test asks for: a number, its limit, and 1 where the number has to grow to come to it, -1 where
    it has to shrink; or a flag, without a limit, and 0."""
    if not isinstance(part, ast.Compare):
        yield part, None, 0
        if not holds:
            yield part, None, -1
        return
    sides = [part.left, *part.comparators]
    for left, operator, right in zip(sides, part.ops, sides[1:], strict=False):
        for direction, reached in ((1, GROWING), (-1, SHRINKING)):
            if isinstance(operator, reached) is holds or isinstance(operator, ast.Eq):
                yield left, right, direction
                yield right, left, -direction


def _comes_to(test: Test, kept: Kept, how: list[Change], direction: int) -> bool:
    """True for a number that only grows, or shrinks; and for one that is set back at times, such as the epochs without
    progress, where nothing would be trained before it is."""
    start = number_at_start(kept) if test.first else None
    set_back = [one for one in how if start is not None and text_of(one.sets) == repr(start)]
    moved = [one for one in how if one not in set_back]
    return bool(moved) and all(one.adds == direction for one in moved)


def _is_raised(test: Test, kept: Kept, how: list[Change]) -> bool:
    """True for a flag that a round raises, or lowers, and that nothing in it sets back; what a round gives it may be
    worked out where it is asked for before an epoch has trained anything, and so before it could be set back."""
    if test.first and how and isinstance(number_at_start(kept), bool):
        return True
    given = [one.sets for one in how]
    values = {value.value for value in given if isinstance(value, ast.Constant) and type(value.value) is bool}
    return len(values) == 1 and number_at_start(kept) not in values


def _left_out(facts: Facts, code: list[Code], changed: dict[Kept, list[Change]]) -> set[ast.stmt]:
    """What would leave the training, but is not reached unless the user sets an option of the script. A test of what a
    round changes says nothing of that."""
    asked = {part.call.node for part in code if part.call is not None}

    def is_off(branch: Branch) -> bool:
        test = getattr(branch.node, "test", None)
        if branch.default is not False or test is None or isinstance(test, ast.BoolOp):
            return branch.default is False
        return not any(node in asked for node in ast.walk(test)) and changed.keys().isdisjoint(
            _kept_in(test, branch.scope)
        )

    ways: dict[ast.stmt, list[bool]] = {}
    for statement, _, path in facts.trace.exits:
        off = any(is_off(entry) for entry in path if isinstance(entry, Branch))
        ways.setdefault(statement, []).append(off)
    return {statement for statement, off in ways.items() if all(off)}


def _leaving(facts: Facts, frame: Frame, code: list[Code], left_out: set[ast.stmt]) -> Iterator[Test]:
    """The tests that decide by default whether the training of a round is left: where they stand, and in the functions
    and variables that they ask."""
    trains = _trains_at(facts, frame)
    pending = []
    for test in (test for part in code if part.trains for test in _guards(part, left_out)):
        pending.append(replace(test, first=test.code.call is None and test.node.lineno < trains))
    seen: set[tuple[ast.expr, Scope]] = set()
    for test in pending:  # which grows
        if (test.node, test.scope) not in seen:
            seen.add((test.node, test.scope))
            yield test
            pending += [replace(asked, first=test.first) for asked in _asked(test, code, left_out)]


def _trains_at(facts: Facts, frame: Frame) -> int:
    """The line of the statement of an epoch that takes its first step."""
    within = [event.path for event in (one.step_event for one in facts.optimizers) if event is not None]
    lines = [event.statement.lineno for event in (one.step_event for one in facts.optimizers) if event is not None]
    for number, path in enumerate(within):
        call = next((entry for entry in path_inside(path, frame.node) if isinstance(entry, Call)), None)
        if call is not None and call.statement is not None:
            lines[number] = call.statement.lineno
    body = getattr(frame.node, "body", frame.statements)
    return max((one.lineno for one in body if one.lineno <= min(lines, default=0)), default=0)


def _guards(part: Code, left_out: set[ast.stmt]) -> Iterator[Test]:
    """The tests in some statements under which a loop, or the function, is left."""
    for node in own_nodes(part.body):
        sides = ((node.body, True), (node.orelse, False)) if isinstance(node, ast.If) else ()
        for side, holds in sides:
            leaves = [inner for inner in own_nodes(side) if isinstance(inner, EXITS) and inner not in left_out]
            if leaves:
                yield Test(node.test, part.scope, part, holds is not all(map(_gives_false, leaves)))
        if isinstance(node, ast.While):
            yield Test(node.test, part.scope, part, False)


def _gives_false(statement: ast.stmt) -> bool:
    """True for ``return False``."""
    value = statement.value if isinstance(statement, ast.Return) else None
    return isinstance(value, ast.Constant) and value.value is False


def _asked(test: Test, code: list[Code], left_out: set[ast.stmt]) -> Iterator[Test]:
    """What a test goes by: the functions and properties of the project that it calls, and what the names in it were
    set to there."""
    holds = {node: holds for node, holds in _operands(test.node, test.holds)}
    for node in ast.walk(test.node):
        for part in (one for one in code if one.call and one.call.node is node and one.call.caller is test.scope):
            yield from _guards(part, left_out)
            returns = [
                one.value for one in own_nodes(part.body) if isinstance(one, ast.Return) and one.value is not None
            ]
            parts = [value for one in returns for value in _parts_of(one)]
            yield from (Test(value, part.scope, part, holds.get(node, True)) for value in parts)
        if isinstance(node, ast.Name):
            statements = [one for one in own_nodes(test.code.body) if isinstance(one, ast.Assign)]
            values = [one.value for one in statements if node.id in names_bound(one)]
            asked = [value for value in values if not isinstance(value, (ast.BinOp, ast.Constant))]
            yield from (Test(value, test.scope, test.code, holds.get(node, True)) for value in asked)


def _parts_of(returned: ast.expr) -> list[ast.expr]:
    """The values that a function returns, those of a tuple and of a dictionary each by itself."""
    parts = {ast.Tuple: "elts", ast.Dict: "values"}.get(type(returned))
    return getattr(returned, parts) if parts else [returned]


def limit_resets(ends: EarlyEnds, frame: Frame) -> tuple[str, ...]:
    """The assignments that let a round train again that ends at a number of steps, or by a flag; those that can be
    written where a round starts."""
    resets = [line for limit in ends.limits if not limit.rates for line in reset_of(limit.kept, frame)]
    return tuple(dict.fromkeys(resets))


def limits_over_all_rounds(ends: EarlyEnds, frame: Frame) -> Iterator[tuple[str, Place]]:
    """The numbers and flags that end the training for good, each with the first place where it does."""
    lasting = [one for one in ends.limits if not _moves(one, frame) and (one.rates or not reset_of(one.kept, frame))]
    for limit in {one.kept: one for one in reversed(lasting)}.values():
        yield text_of(limit.node), limit.test.place


def moving_limits(ends: EarlyEnds, frame: Frame) -> dict[ast.expr, str]:
    """The limits, as expressions, that end the loop when a number reaches them by which a learning rate goes, so that
    it counts on over the rounds; each with that number."""
    return {limit.end: text_of(limit.node) for limit in ends.limits if limit.end is not None and _moves(limit, frame)}


def _moves(limit: Limit, frame: Frame) -> bool:
    """True for a limit that stands where the round is known that it has to move with."""
    return limit.rates and limit.end is not None and limit.test.scope is frame.scope and limit.test.code.call is None


def moved(limit: ast.expr, frame: Frame, names: Names) -> Replace:
    """A limit as it is in a round, where the steps of all rounds are counted."""
    atom = isinstance(limit, (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript))
    text = f"{'{}' if atom else '({})'} * ({names.received}.current_round + 1)"
    return Replace(frame.file.place(limit), frame.file.end(limit), text)


def time_limits(frame: Frame) -> Iterator[Place]:
    """Where the loop ends because of the time since something before it."""
    bound = names_bound(frame.node)
    for node in ast.walk(frame.node):
        if isinstance(node, ast.If) and breaks(node) and TIME.search(text_of(node.test)):
            called = {"time", "datetime", "perf_counter", "monotonic"}
            if names_read(node.test) & frame.bound_outside - bound - called:
                yield frame.file.place(node)
