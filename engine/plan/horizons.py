"""Where schedules are sized for one run: in the arguments of schedulers, and in learning rates computed by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.array_flow import outer_names
from engine.facts.optimizers import is_scheduler
from engine.facts.source_text import contains, names_in, positional_parameters, text_of
from engine.facts.values import (
    Bound,
    Function,
    Literal,
    Mapping,
    Object,
    Scope,
    Sequence,
    Value,
    objects,
    options,
    value_of,
)  # fmt: skip
from engine.plan.epoch_uses import Use, is_length, number_behind, number_in
from engine.plan.frame import bodies
from engine.plan.written_before import set_from, set_to

HORIZONS = {
    "CosineAnnealingLR": (("T_max", 1),),
    "OneCycleLR": (("total_steps", 2), ("epochs", 3)),
    "PolynomialLR": (("total_iters", 1),),
    "get_linear_schedule_with_warmup": (("num_training_steps", 2),),
    "get_cosine_schedule_with_warmup": (("num_training_steps", 2),),
    "get_polynomial_decay_schedule_with_warmup": (("num_training_steps", 2),),
    "get_scheduler": (("num_training_steps", 3),),
    "CosineLRScheduler": (("t_initial", 1),),
}


def horizons(facts: Facts) -> Iterator[Use]:
    """The expressions that say how long a schedule is; True with those that are an argument of their own."""
    for fact in (*facts.schedulers, *facts.optimizers):
        for value in options(fact.value) if fact.value is not None else ():
            for one in _with_parts(value):
                if isinstance(one.node, ast.Call) and one.scope is not None:
                    yield from _of_scheduler(facts, one, one.node, one.scope)
    yield from _written_by_hand(facts)


def _with_parts(value: Value, depth: int = 3) -> Iterator[Object]:
    """A scheduler, and the schedulers that it is made of: those of ``SequentialLR``, what a warm-up goes over to."""
    for one in objects(value):
        yield one
        for given in (*one.args, *one.kwargs.values()) if depth else ():
            for part in given.items if isinstance(given, Sequence) else [given]:
                if any(is_scheduler(inner) for inner in objects(part)):
                    yield from _with_parts(part, depth - 1)


def _of_scheduler(facts: Facts, scheduler: Object, call: ast.Call, scope: Scope) -> Iterator[Use]:
    """The length of a scheduler, or of an optimizer that schedules itself: the argument that says it, or wherever else
    the number of epochs is used.

    Args:
        facts: of the program.
        scheduler: what is built.
        call, scope: where.
    """
    lengths = HORIZONS.get(scheduler.short_kind, ())
    for name, position in lengths:
        node = _argument(call, name, position)
        if node is not None and not (isinstance(node, ast.Constant) and node.value is None):
            yield from _terms(facts, node, scope) or [(node, scope, True)]
            return
    arguments = [*call.args[1:], *[keyword.value for keyword in call.keywords]]
    given = [use for argument in arguments for use in _in_argument(facts, argument, scope)]
    for value in (one for each in (*scheduler.args[1:], *scheduler.kwargs.values()) for one in options(each)):
        given += _in_function(facts, value)
    given = given or [*_in_method(facts, scheduler, "get_lr")]
    yield from given or _unpacked(call, [name for name, _ in lengths], scope)


def _in_function(facts: Facts, value: Value) -> Iterator[Use]:
    """The number of epochs in a function, or an object called like one, that gives a scheduler its rates."""
    if isinstance(value, Function):
        if not isinstance(value.node, ast.Lambda):
            yield from number_in(facts, value.node, value.scope)
        yield from _around(facts, value.node, value.scope)
    elif isinstance(value, Bound) and isinstance(value.receiver, Object):
        yield from _in_method(facts, value.receiver, value.function.name)
    elif isinstance(value, Object):
        yield from _in_method(facts, value, "__call__")


def _in_method(facts: Facts, owner: Object, name: str) -> Iterator[Use]:
    """The number of epochs in a method that gives rates, of an object of a class of the script's own, and behind it."""
    method = owner.cls.find(name) if owner.cls is not None else None
    if isinstance(method, Function) and not isinstance(method.node, ast.Lambda):
        own = positional_parameters(method.node)[:1]
        inside = Scope(method.file, method.qualified_name, method.scope, dict.fromkeys(own, owner))
        for statement in method.node.body:
            yield from number_in(facts, statement, inside)
            for part in ast.walk(statement):
                yield from number_behind(facts, part, inside)


def _in_argument(facts: Facts, argument: ast.expr, scope: Scope) -> Iterator[Use]:
    """The number of epochs in an argument and in what that is computed from; the argument itself where it is a name
    for a length."""
    yield from ((part, holder, whole or part is argument) for part, holder, whole in number_in(facts, argument, scope))
    if is_length(facts, argument, scope):
        yield argument, scope, True
    else:
        yield from (use for part in ast.walk(argument) for use in number_behind(facts, part, scope))


def _around(facts: Facts, function: ast.AST, scope: Scope) -> Iterator[Use]:
    """The number of epochs behind what a function which gives a rate reads from around it."""
    outer = outer_names(function)
    for part in ast.walk(function):
        if names_in(part) & outer and isinstance(part, (ast.Name, ast.Attribute)):
            yield from number_behind(facts, part, scope)


def _terms(facts: Facts, length: ast.expr, scope: Scope) -> list[Use]:
    """The number of epochs in a length from which something else is taken off, as a warm-up is, or added to it: the
    length itself times the rounds would be another. None where it is only multiplied."""
    parts = [*number_in(facts, length, scope), *number_behind(facts, length, scope)]
    return parts if any(_in_sum(part, holder) for part, holder, _ in parts) else []


def _in_sum(part: ast.expr, scope: Scope) -> bool:
    """True for an expression that is part of a sum or a difference."""
    sums = [n for n in ast.walk(scope.file.tree) if isinstance(n, ast.BinOp) and isinstance(n.op, (ast.Add, ast.Sub))]
    return any(contains(one, part) for one in sums)


def _written_by_hand(facts: Facts) -> Iterator[Use]:
    """The number of epochs where a learning rate is computed from it: in the loop, or in a function it calls."""
    loop = facts.loop
    if loop is None or not isinstance(loop.loop.node, (ast.For, ast.While)):
        return
    for rate in rate_expressions(loop.loop.node.body):
        yield from _in_rate(facts, rate, loop.scope)
    inside = {event.node for event in facts.trace.events if event.within_node(loop.loop.node)}
    followed = {call.function.node: call for call in reversed(facts.trace.calls) if call.node in inside}
    for function, call in followed.items():
        for rate in rate_expressions(function.body) if not isinstance(function, ast.Lambda) else ():
            yield from _in_rate(facts, rate, call.scope)


def _in_rate(facts: Facts, rate: ast.expr, scope: Scope, depth: int = 3) -> Iterator[Use]:
    """The number of epochs in what a learning rate is computed from: in an expression, behind what it reads, in what
    was given before to what it calls, and in the functions that it calls."""
    yield from number_in(facts, rate, scope)
    yield from _ends_of(facts, rate, scope)
    for part in ast.walk(rate):
        yield from number_behind(facts, part, scope)
        if isinstance(part, ast.Call):
            yield from _given_before(facts, part.func, scope)
            for expression, inner in _computing(facts, part) if depth else ():
                yield from _in_rate(facts, expression, inner, depth - 1)


def _given_before(facts: Facts, called: ast.expr, scope: Scope) -> Iterator[Use]:
    """The number of epochs in what was given before to a function that computes a rate: by ``partial``, or where the
    object that is called, or whose method it is, was built. The object that trains was not built for the rate."""
    trains = [call.receiver for call in facts.loop.calls]
    for holder in [called, *([called.value] if isinstance(called, ast.Attribute) else [])]:
        for value in value_of(holder, scope):
            if isinstance(value, Object) and isinstance(value.node, ast.Call) and value not in trains:
                partial = value.kind == "functools.partial"  # its first argument is the function
                for argument in [*value.node.args[partial:], *[keyword.value for keyword in value.node.keywords]]:
                    yield from _in_argument(facts, argument, value.scope)


def _computing(facts: Facts, called: ast.Call) -> list[tuple[ast.expr, Scope]]:
    """The expressions in a function of the project from which what it returns to a call is computed."""
    call = next((one for one in facts.trace.calls if one.node is called), None)
    if call is None or call.function.name == "__init__":
        return []
    body = call.function.node.body
    if isinstance(body, ast.expr):
        return [(body, call.scope)]
    returned = [s.value for inner in bodies(body) for s in inner if isinstance(s, ast.Return) and s.value is not None]
    return [(expression, call.scope) for expression in _leading_to(returned, body)]


def _ends_of(facts: Facts, rate: ast.expr, scope: Scope) -> Iterator[Use]:
    """A length by which a rate has come to its end, other than by the number of epochs: ``limit`` in ``1 - step /
    limit`` and ``cos(pi * step / limit)``. Beyond it the rate would be negative, or rise again.

    A ``while`` loop counts anew every round, and its rates with it; so does what is counted by ``%``.
    """
    if facts.loop is None or facts.loop.kind == "while":
        return
    for node in ast.walk(rate):
        ends = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant)
        turns = isinstance(node, ast.Call) and text_of(node.func).rpartition(".")[2] == "cos"
        inner = node.right if ends else node.args[0] if turns and node.args else None
        quotients = [n for n in ast.walk(inner) if isinstance(n, ast.BinOp)] if inner else []
        for length in [one.right for one in quotients if isinstance(one.op, ast.Div)]:
            known = [use for part in ast.walk(length) for use in number_behind(facts, part, scope)]
            if not known and not any(number_in(facts, length, scope)) and "warm" not in text_of(length):
                yield (*_where_given(facts, length, scope), False)


def _where_given(facts: Facts, length: ast.expr, scope: Scope) -> tuple[ast.expr, Scope]:
    """A length as the call of a function gives it, where it is a parameter; else itself."""
    given = set_from(facts, length, scope) if isinstance(length, ast.Name) and not set_to(length, scope)[1] else []
    return given[0] if given else (length, scope)


def rate_expressions(body: list[ast.stmt]) -> list[ast.expr]:
    """The expressions that a learning rate set in some statements is computed from, conditions included."""
    statements = [s for inner in bodies(body) for s in inner]
    rates = [part for s in statements for rate in _rates_set(s) for part in (rate, *_conditions(s, body))]
    return _leading_to(rates, body)


def _rates_set(statement: ast.stmt) -> list[ast.expr]:
    """What a statement sets a learning rate to: ``group["lr"] = rate``, ``group.update(lr=rate)``."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        updates = text_of(statement.value.func).endswith(".update")
        return [keyword.value for keyword in statement.value.keywords if updates and keyword.arg == "lr"]
    if not isinstance(statement, (ast.Assign, ast.AugAssign)):
        return []
    keys = [target.slice for target in _assigned(statement) if isinstance(target, ast.Subscript)]
    return [statement.value] if any(isinstance(key, ast.Constant) and key.value == "lr" for key in keys) else []


def _leading_to(expressions: list[ast.expr], body: list[ast.stmt]) -> list[ast.expr]:
    """Some expressions, and those that the names in them are set to in some statements, conditions included."""
    statements = [s for inner in bodies(body) for s in inner if isinstance(s, (ast.Assign, ast.AugAssign))]
    found = list(dict.fromkeys(expressions))
    for expression in found:  # which grows
        for statement in statements:
            names = {target.id for target in _assigned(statement) if isinstance(target, ast.Name)}
            if names & names_in(expression):
                found += [part for part in (statement.value, *_conditions(statement, body)) if part not in found]
    return found


def _assigned(statement: ast.Assign | ast.AugAssign) -> list[ast.expr]:
    """What an assignment sets."""
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _conditions(statement: ast.stmt, body: list[ast.stmt]) -> list[ast.expr]:
    """The conditions under which a statement is reached."""
    return [s.test for inner in bodies(body) for s in inner if isinstance(s, ast.If) and contains(s, statement)]


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """An argument of a call by keyword or position."""
    named = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    unpacks = any(isinstance(argument, ast.Starred) for argument in call.args)
    return named or (call.args[position] if position < len(call.args) and not unpacks else None)


def _unpacked(call: ast.Call, names: list[str], scope: Scope) -> Iterator[Use]:
    """The numbers that a dictionary which a call unpacks holds under some names."""
    for held in [one for keyword in call.keywords if keyword.arg is None for one in value_of(keyword.value, scope)]:
        for given in [held.items.get(name) for name in names] if isinstance(held, Mapping) else ():
            if isinstance(given, Literal) and given.written is not None and given.source != "config":
                yield (*given.written, True)
