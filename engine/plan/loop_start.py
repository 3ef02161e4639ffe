"""The assignments that make a loop start anew in every round: at its first epoch, with its counters as they were."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.facts import Expression, Facts, LoopFact
from engine.facts.source_text import assigned, breaks, expression, names_in, own_nodes, text_of
from engine.facts.values import Literal, value_of
from engine.plan.epoch_uses import set_from
from engine.plan.frame import Frame, bodies, body_of
from engine.plan.literals import leaves, origins
from engine.plan.refusals import LOOP_ENDS_FOR_GOOD
from engine.result import Result


def counter_resets(facts: Facts, frame: Frame, known: tuple[str, ...] = ()) -> tuple[str, ...] | Result:
    """The assignments that let a ``while`` loop run again: of the names its test and its exits depend on.

    Args:
        facts: of the program.
        frame: what becomes a round.
        known: assignments that are known to be repeated in every round.
    """
    loop = facts.loop
    assert loop is not None and isinstance(loop.loop.node, ast.While)
    node, function = loop.loop.node, ast.Module(body_of(loop.scope), [])
    inside = [s for body in bodies(node.body) for s in body]
    tests = [node.test, *[s.test for s in inside if isinstance(s, ast.If) and _ends(s)]]
    tested = {ast.unparse(n): n for test in tests for n in ast.walk(test) if isinstance(n, (ast.Name, ast.Attribute))}
    changed = {ast.unparse(target) for statement in inside for target in assigned(statement)}
    changed |= _changed_in_calls(facts, loop, tested)
    resets = []
    for name in sorted(tested.keys() & changed):
        before = [
            value
            for target, value in assignments(function)
            if ast.unparse(target) == name and value.lineno < node.lineno
        ]
        if before and not frame.is_loop:
            continue  # set anew by the call that leads to the loop
        values = [value for one in before for value in _followed(one, function, node)]
        constant = [ast.unparse(value) for value in values if is_constant(value)]
        constant = constant if before else _numbers_at_start(tested[name], loop)
        constant = _counted_on(constant, name, function.body, node)
        constant = constant or _read_again(facts, tested[name], loop, changed)
        reachable = bool(constant) and frame.is_loop
        if not reachable and not before and name not in ast.unparse(node.test):
            continue  # set anew in every pass
        if not reachable and _counted_on(["0"], name, function.body, node):
            if any(one.startswith(f"{name} = ") for one in known):
                continue
        if not reachable:
            return _ends_for_good(loop, frame, name)
        resets.append(f"{name} = {constant[0]}")
    return tuple(resets)


def _changed_in_calls(facts: Facts, loop: LoopFact, tested: Mapping[str, ast.expr]) -> set[str]:
    """The names among some that the functions change which a loop calls: attributes, and names declared ``global``.

    Args:
        facts: of the program.
        loop: the loop; what it counts up to is not meant.
        tested: the names, with a node of each.
    """
    limit = names_in(loop.count.node) | {ast.unparse(loop.count.node)} if loop.count is not None else set()
    owners = {name: value_of(n.value, loop.scope) for name, n in tested.items() if isinstance(n, ast.Attribute)}
    called = {
        (event.function.node, id(event.receiver)): event
        for event in facts.trace.events
        if event.function is not None and event.within_node(loop.loop.node)
    }
    changed: set[str] = set()
    for event in called.values():
        nodes = list(own_nodes(_statements(event.function.node)))
        shared = {name for n in nodes if isinstance(n, (ast.Global, ast.Nonlocal)) for name in n.names}
        for target in (target for node in nodes for target in assigned(node)):
            if isinstance(target, ast.Name):
                changed |= {target.id} & shared
                continue
            own = ast.unparse(target.value) == "self"
            alike = [name for name in owners if name.endswith(f".{target.attr}")]
            changed |= {name for name in alike if not own or event.receiver in owners[name]}
    return changed & tested.keys() - limit


def _statements(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.stmt]:
    """The body of a function; none for a lambda."""
    return [] if isinstance(function, ast.Lambda) else function.body


def _numbers_at_start(node: ast.expr, loop: LoopFact) -> list[str]:
    """The number or truth value that an attribute has where a loop starts, as source; none where it is not known, or an
    option says it."""
    held = value_of(node, loop.scope) if isinstance(node, ast.Attribute) else []
    known = [one for one in held if isinstance(one, Literal) and not any(leaf.option for leaf in origins(one))]
    values = dict.fromkeys(one.value for one in known)
    return [repr(value) for value in values if isinstance(value, (bool, int, float))]


def _read_again(facts: Facts, node: ast.expr, loop: LoopFact, changed: set[str]) -> list[str]:
    """Where a counter starts at a number that another name or attribute keeps, ``left = args.epochs``: that, as source;
    none where it cannot be read in the loop's function, or the loop changes it."""
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return []
    for value, holder in set_from(facts, node, loop.scope):
        names = names_in(value)
        here = holder is loop.scope or isinstance(value, ast.Attribute) and text_of(value.value) == text_of(node.value)
        kept = isinstance(value, (ast.Name, ast.Attribute)) and not {text_of(value), *names} & changed
        if here and kept and all(isinstance(one, Literal) for one in value_of(value, holder)):
            return [text_of(value)]
    return []


def start_reset(loop: LoopFact, frame: Frame) -> tuple[str, ...] | Result:
    """The assignment that makes a loop start at its first epoch again, where a checkpoint may have moved it: in its
    range, or by ``if epoch < start_epoch: continue``."""
    first = loop.start if loop.start is not None else _passed_over(loop)
    if loop.kind != "range" or first is None or not isinstance(first.node, (ast.Name, ast.Attribute)):
        return ()
    start = first.node
    name = ast.unparse(start)
    if loop.count is not None and name in {ast.unparse(n) for n in ast.walk(loop.count.node)}:
        return ()  # range(start, start + n) has its n epochs wherever it starts
    values = [value for target, value in assignments(frame.file.tree) if _last(target) == _last(start)]
    changes = [value for value in values if not is_constant(value)]
    moved = len(value_of(start, first.scope)) > 1  # by a function elsewhere that resumes from a checkpoint
    if not changes and len(values) <= 1 and not moved:
        return ()
    constants = [ast.unparse(value) for value in values if is_constant(value)]
    constants += [repr(leaf.option.default) for leaf in leaves(first) if leaf.option is not None]
    known = {v.value for v in value_of(start, first.scope) if isinstance(v, Literal) and isinstance(v.value, int)}
    constants += map(str, known if len(known) == 1 else ())
    if constants:
        return (f"{name} = {constants[0]}",)
    if loop.start is None:
        return ()  # a round that passes over all its epochs does no step, and fails
    remedy = f"let it run over range(epochs): {name} is for resuming, and a job resumes by its own checkpoints"
    return replace(_ends_for_good(loop, frame, name), remedy=remedy)


def _passed_over(loop: LoopFact) -> Expression | None:
    """The epoch below which a loop passes on to the next, ``if epoch < start_epoch: continue``; None where none is."""
    for statement in loop.loop.node.body:
        test = statement.test if isinstance(statement, ast.If) else None
        alone = test is not None and not statement.orelse and isinstance(statement.body[-1], ast.Continue)
        if not alone or not isinstance(test, ast.Compare) or len(test.ops) != 1:
            continue
        sides = [test.left, test.comparators[0]]
        lower, upper = sides if isinstance(test.ops[0], (ast.Lt, ast.LtE)) else reversed(sides)
        if isinstance(test.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) and text_of(lower) == loop.variable:
            return expression(upper, loop.scope)
    return None


def _followed(value: ast.expr, function: ast.Module, loop: ast.While) -> list[ast.expr]:
    """A value, or for a name what was assigned to it before the loop: ``start`` in ``step = start``."""
    if not isinstance(value, ast.Name):
        return [value]
    known = assignments(function)
    return [given for target, given in known if ast.unparse(target) == value.id and given.lineno < loop.lineno]


def _counted_on(constant: list[str], name: str, body: list[ast.stmt], loop: ast.While) -> list[str]:
    """The numbers a counter may start at, moved by what is added to it before the loop: ``epoch = 0``, ``epoch += 1``;
    none where that is not said by a number, or only under a condition."""
    added = [s for s in own_nodes(body) if isinstance(s, ast.AugAssign) and s.lineno < loop.lineno]
    for statement in (one for one in added if ast.unparse(one.target) == name):
        if (
            statement not in body
            or not isinstance(statement.op, (ast.Add, ast.Sub))
            or not is_constant(statement.value)
        ):
            return []
        sign = 1 if isinstance(statement.op, ast.Add) else -1
        constant = [_sum(one, sign, statement.value) for one in constant]
    return constant


def _sum(start: str, sign: int, step: ast.expr) -> str:
    """A number as it stands in the source, moved by another."""
    number = ast.parse(start, mode="eval").body
    if all(isinstance(one, ast.Constant) and isinstance(one.value, (int, float)) for one in (number, step)):
        return repr(ast.literal_eval(number) + sign * ast.literal_eval(step))
    return f"{start} {'+' if sign > 0 else '-'} {ast.unparse(step)}"


def _ends_for_good(loop: LoopFact, frame: Frame, name: str) -> Result:
    """The refusal of a loop that could not run in a second round."""
    return LOOP_ENDS_FOR_GOOD.at(frame.file, loop.place, name)


def is_constant(node: ast.expr) -> bool:
    """True for a literal number or truth value, its sign and infinity included."""
    if isinstance(node, ast.UnaryOp):
        return is_constant(node.operand)
    return isinstance(node, ast.Constant) or ast.unparse(node) in ("float('inf')", "np.inf", "math.inf", "torch.inf")


def _ends(statement: ast.If) -> bool:
    """True for an ``if`` whose body leaves a loop, or the function around it."""
    return breaks(statement) or any(isinstance(inner, ast.Return) for inner in ast.walk(statement))


def assignments(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Every name or attribute assigned in a tree with its value, unpackings included, in the order of the source."""
    statements = [s for s in ast.walk(tree) if isinstance(s, (ast.Assign, ast.AnnAssign)) and s.value is not None]
    for statement in sorted(statements, key=lambda s: s.lineno):
        assert statement.value is not None
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            unpacks = isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
            pairs = zip(target.elts, statement.value.elts, strict=False) if unpacks else [(target, statement.value)]
            yield from ((part, value) for part, value in pairs if isinstance(part, (ast.Name, ast.Attribute)))


def _last(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return ast.unparse(node).rpartition(".")[2]
