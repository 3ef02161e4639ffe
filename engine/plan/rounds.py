"""What has to hold from round to round: loops that start anew, epoch numbers and schedules that go on."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.edit import Edit, Insert, Replace
from engine.facts import Facts, LoopFact
from engine.facts.trace import Branch
from engine.plan.frame import Frame, body_of
from engine.plan.names import Names
from engine.plan.settings import Setting, _statements, plan_epochs
from engine.result import Place, Result, Safety

if TYPE_CHECKING:
    from engine.plan import Decision

HORIZONS = {
    "CosineAnnealingLR": ("T_max", 1), "OneCycleLR": ("total_steps", 2), "PolynomialLR": ("total_iters", 1),
    "LambdaLR": ("lr_lambda", 1), "LinearLR": ("total_iters", 3),
}  # fmt: skip
WARMUPS = {"get_linear_schedule_with_warmup": 2, "get_cosine_schedule_with_warmup": 2, "get_scheduler": 3}


@dataclass(frozen=True)
class RoundPlan:
    """What has to hold from round to round.

    Attributes:
        resets: assignments repeated at the start of every round, as source.
        shifts: what makes the epoch number go on over the rounds.
        horizons: schedules that are stretched over all rounds.
        needs_rounds: True where the client must be told how many rounds there are.
        decisions: the judgements taken.
    """

    resets: tuple[str, ...] = ()
    shifts: tuple[Edit, ...] = ()
    horizons: tuple[Replace, ...] = ()
    needs_rounds: bool = False
    decisions: tuple = ()


def plan_rounds(facts: Facts, frame: Frame, names: Names) -> RoundPlan | Result:
    """Decide what has to hold from round to round, or refuse a loop that could not run a second time."""
    from engine.plan import Decision

    loop = facts.loop
    assert loop is not None
    trouble = _leaving(facts, frame)
    if trouble is not None:
        return trouble
    decisions: list[Decision] = []
    resets: tuple[str, ...] = ()
    if loop.kind == "while":
        found = _counter_resets(loop, frame)
        if isinstance(found, Result):
            return found
        resets = found
    elif loop.kind == "range" and loop.start is not None and not isinstance(loop.start.node, ast.Constant):
        resets = _start_reset(loop, frame)
    if resets:
        decisions.append(Decision("local epochs", f"every round trains all its local epochs: {'; '.join(resets)} at its start",
                                  "remove the assignment from client.py"))  # fmt: skip
    shifts = _shifts(facts, frame, names)
    if shifts:
        decisions.append(Decision("epoch numbers", "the epoch number goes on over the rounds, because the learning rate depends on it",
                                  "remove the line from client.py"))  # fmt: skip
    if facts.features.early_stopping:
        decisions.append(Decision("early stopping", "a site that stops early ends its round, not the job; its best value and patience go on over the rounds",
                                  "stop the job on the global metric with stop_cond in job.py"))  # fmt: skip
    return RoundPlan(resets, shifts, (), False, tuple(decisions))


def _leaving(facts: Facts, frame: Frame) -> Result | None:
    """A ``return`` in the loop's own function, which would leave a round without its result."""
    if not frame.is_loop:
        return None
    for node, place, path in facts.trace.exits:
        inside = [entry for entry in path if getattr(entry, "node", None) is frame.node]
        if not inside or not isinstance(node, ast.Return):
            continue
        after = path[path.index(inside[0]) + 1 :]
        if not any(hasattr(entry, "function") for entry in after):
            return Result(
                "ReturnInLoop", "this return leaves the epoch loop's function, so a round would end without sending its result",
                "FLR152", place, remedy="leave the loop with break, and return after it", safety=Safety.DISPLAY_ONLY,
            )  # fmt: skip
    return None


def _counter_resets(loop: LoopFact, frame: Frame) -> tuple[str, ...] | Result:
    """The assignments that let a ``while`` loop run again: of the names its test and its breaks depend on."""
    node = loop.loop.node
    assert isinstance(node, ast.While)
    tests = [node.test, *[s.test for s in _statements(node.body) if isinstance(s, ast.If) and _breaks(s)]]
    tested = {ast.unparse(n) for test in tests for n in ast.walk(test) if isinstance(n, (ast.Name, ast.Attribute))}
    changed = {
        ast.unparse(target)
        for statement in _statements(node.body)
        for target in _assigned(statement)
        if isinstance(target, (ast.Name, ast.Attribute))
    }
    resets = []
    for name in sorted(tested & changed):
        first = [
            s for s in _statements(frame.body)
            if isinstance(s, ast.Assign) and s.lineno < node.lineno and ast.unparse(s.targets[0]) == name
        ]  # fmt: skip
        constant = [s for s in first if isinstance(s.value, (ast.Constant, ast.UnaryOp)) or _infinite(s.value)]
        if not constant:
            return Result(
                "LoopEndsForGood", f"this loop ends by {name}, which the script sets in a way that cannot be repeated every round",
                "FLR153", loop.place, remedy="count the epochs with for epoch in range(...)", safety=Safety.DISPLAY_ONLY,
            )  # fmt: skip
        resets.append(ast.unparse(constant[0]))
    return tuple(resets)


def _infinite(node: ast.expr) -> bool:
    """True for ``float("inf")`` and ``np.inf``."""
    return ast.unparse(node).endswith(("inf", "'inf')", "Inf", "False", "True"))


def _breaks(statement: ast.If) -> bool:
    """True for an ``if`` whose body leaves a loop."""
    return any(isinstance(inner, ast.Break) for inner in ast.walk(statement))


def _assigned(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, (ast.AugAssign, ast.AnnAssign)) else []


def _start_reset(loop: LoopFact, frame: Frame) -> tuple[str, ...]:
    """The assignment that makes a loop start at its first epoch again, where a checkpoint may have moved it."""
    assert loop.start is not None
    start = loop.start.node
    if not isinstance(start, (ast.Name, ast.Attribute)):
        return ()
    name = ast.unparse(start)
    count = loop.count
    if count is not None and name in ast.unparse(count.node):
        return ()  # range(start, start + n) has its n epochs wherever it starts
    attribute = name.rpartition(".")[2]
    statements = [
        s for file in {frame.file.name: frame.file}.values() for s in _all_statements(file.tree)
        if isinstance(s, (ast.Assign, ast.AnnAssign)) and any(ast.unparse(t).rpartition(".")[2] == attribute for t in _assigned(s))
    ]  # fmt: skip
    if not [s for s in statements if not isinstance(s.value, ast.Constant)]:
        return ()
    constants = [s.value for s in statements if isinstance(s.value, ast.Constant)]
    first = ast.unparse(constants[0]) if constants else "0"
    return (f"{name} = {first}",)


def _all_statements(tree: ast.AST):
    """Every statement of a file."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.stmt))


def _shifts(facts: Facts, frame: Frame, names: Names) -> tuple[Edit, ...]:
    """Where the learning rate depends on the epoch's number: a line that makes the number go on over the rounds."""
    loop = facts.loop
    if loop is None or loop.kind != "range" or not loop.variable or loop.count is None or not frame.is_loop:
        return ()
    node = loop.loop.node
    if not isinstance(node, ast.For) or not isinstance(node.target, ast.Name):
        return ()
    if not _drives_learning_rate(facts, node, loop.variable):
        return ()
    length = loop.count.text
    if loop.start is not None and not (isinstance(loop.start.node, ast.Constant) and loop.start.node.value == 0):
        length = _difference(loop.count.node, loop.start.node)
    first = node.body[0]
    text = f"{loop.variable} += {names.received}.current_round * ({length})  # schedules go on over the rounds\n"
    if length.replace(".", "").replace("_", "").isalnum():
        text = text.replace(f"({length})", length)
    return (Insert(frame.file.place(first), text),)


def _difference(stop: ast.AST, start: ast.AST) -> str:
    """The number of epochs between two expressions: ``n`` for ``n + 1`` and ``1``."""
    if isinstance(stop, ast.BinOp) and isinstance(stop.op, ast.Add):
        if ast.dump(stop.right) == ast.dump(start):
            return ast.unparse(stop.left)
        if ast.dump(stop.left) == ast.dump(start):
            return ast.unparse(stop.right)
    return f"{ast.unparse(stop)} - {ast.unparse(start)}"


def _drives_learning_rate(facts: Facts, loop: ast.For, variable: str) -> bool:
    """True where the epoch's number reaches a learning rate, a sampler or a schedule."""
    reached = {id(loop): variable}
    for event in facts.trace.events:
        if not event.within_node(loop) or not any(isinstance(n, ast.Name) and n.id == variable for n in ast.walk(event.node)):
            continue
        if event.name in (".set_epoch",) or (event.name == ".step" and _passes(event.node, variable)):
            return True
        if event.function is not None and _passes(event.node, variable):
            reached[id(event.function.node)] = ""
            if _sets_learning_rate(event.function.node):
                return True
    return any(_sets_learning_rate(s) and variable in {n.id for n in ast.walk(s) if isinstance(n, ast.Name)} for s in loop.body)


def _passes(call: ast.Call, variable: str) -> bool:
    """True where a call passes a variable on."""
    arguments = [*call.args, *[k.value for k in call.keywords]]
    return any(isinstance(n, ast.Name) and n.id == variable for a in arguments for n in ast.walk(a))


def _sets_learning_rate(node: ast.AST) -> bool:
    """True for code that stores under ``['lr']``."""
    return any(
        isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)
        and isinstance(n.slice, ast.Constant) and n.slice.value in ("lr", "momentum", "weight_decay")
        for n in ast.walk(node)
    )  # fmt: skip


__all__ = ["Branch", "Place", "RoundPlan", "Setting", "body_of", "plan_epochs", "plan_rounds"]
