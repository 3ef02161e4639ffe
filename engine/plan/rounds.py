"""What has to hold from round to round: loops that start anew, epoch numbers and schedules that go on."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.edit import Edit, Insert
from engine.facts import Facts, LoopFact
from engine.facts.first_weights import reparametrises
from engine.facts.models import unwrapped
from engine.facts.source_text import assigned
from engine.facts.training import is_default, runs_over_data
from engine.facts.values import Literal, options
from engine.plan.decision import Decision
from engine.plan.endings import Ending, edits_of, in_the_way, returns_in
from engine.plan.epoch_number import epoch_number_matters
from engine.plan.frame import Frame, bodies
from engine.plan.literals import leaves, value_of
from engine.plan.names import Names
from engine.plan.refusals import (
    LOCAL_WEIGHTS_IN_LOOP,
    LOOP_ENDS_FOR_GOOD,
    MODEL_CHANGES_IN_LOOP,
    PRIVATE_TRAINING,
    RETURN_IN_LOOP,
)
from engine.plan.settings import Setting
from engine.plan.step_limits import step_limits
from engine.plan.used_up import used_up
from engine.result import Place, Result

PRIVATE = (".make_private", ".make_private_with_epsilon")
"""The methods of Opacus' ``PrivacyEngine`` that wrap what trains."""


@dataclass(frozen=True)
class RoundPlan:
    """What has to hold from round to round.

    Attributes:
        resets: assignments repeated at the start of every round, as source.
        shifts: what makes the epoch number go on over the rounds.
        decisions: the judgements taken.
        endings: what makes a ``return`` end the round only.
        repeatable: True where a round does what the script does once, and the script could do it again as it stands.
    """

    resets: tuple[str, ...] = ()
    shifts: tuple[Insert, ...] = ()
    decisions: tuple[Decision, ...] = ()
    endings: tuple[Edit, ...] = ()
    repeatable: bool = False


def plan_rounds(facts: Facts, frame: Frame, names: Names, epochs: Setting | None) -> RoundPlan | Result:
    """Decide what has to hold from round to round, or refuse a loop that could not run a second time."""
    loop = facts.loop
    assert loop is not None
    endings = returns_in(frame)
    trouble = _leaving(frame, endings)
    for look in (_reloading, used_up, _restructuring, _accounting):
        trouble = trouble or look(facts, frame)
    if trouble is not None:
        return trouble
    decisions: list[Decision] = []
    resets: tuple[str, ...] = ()
    if loop.kind == "while" or step_limits(facts, frame):
        found = _counter_resets(loop, frame) if loop.kind == "while" else _limit_resets(facts, frame)
        if isinstance(found, Result):
            return found
        resets = found
        if resets:
            decisions.append(
                Decision(
                    "epoch numbers",
                    f"the loop counts anew every round ({'; '.join(resets)}), and so does all that depends on it",
                    "remove the assignment from client.py to go on counting",
                    ("P2",),
                )
            )
    if loop.kind == "range" and loop.start is not None and not isinstance(loop.start.node, ast.Constant):
        found = _start_reset(loop, frame)
        if isinstance(found, Result):
            return found
        resets += found
        if found:
            decisions.append(
                Decision(
                    "resuming",
                    f"every round trains all its local epochs, whatever a checkpoint says ({'; '.join(found)})",
                    "remove the assignment from client.py to start at the checkpoint's epoch",
                )
            )
    shifts = _shifts(facts, frame, names, epochs)
    if shifts:
        decisions.append(
            Decision(
                "epoch numbers",
                "the epoch's number goes on over the rounds, because training depends on it",
                "remove the line from client.py to start every round at the first epoch",
            )
        )
    if facts.features.early_stopping:
        decisions.append(
            Decision(
                "early stopping",
                "stopping early ends a site's round, not the job; its best value and patience go on over the rounds",
                "stop the job on the global metric with stop_cond in job.py",
                ("P2",),
            )
        )
    for name, place in _limits_over_all_rounds(loop, frame) if loop.kind != "while" else ():
        if any(reset.startswith(f"{name} = ") for reset in resets):
            continue
        decisions.append(
            Decision(
                "step limit",
                f"{name}, at which {place} ends the training, is counted over all rounds: later rounds do nothing",
                f"raise the limit, or set {name} anew at the start of a round in client.py",
            )
        )
    if endings:
        decisions.append(
            Decision(
                "leaving early",
                "a return in the epoch loop ends a site's round; what follows the loop is done after the last round",
                "leave the loop with break in the script itself",
                ("P2",),
            )
        )
    if any(ending.loops for ending in endings):
        resets += (f"{names.ended} = False",)
    if loop.kind == "once":
        decisions.append(
            Decision(
                "rounds",
                f"a round does {_lines(frame)} of {frame.place.file} once, since no loop is around what trains; "
                "all before it, the data it uses among it, is made once",
                "put a loop over epochs around it, to train more in a round",
            )
        )
    repeatable = facts.arrays is None and (loop.kind == "once" or runs_over_data(loop.loop))
    return RoundPlan(resets, shifts, tuple(decisions), tuple(edits_of(frame, endings, names.ended)), repeatable)


def _lines(frame: Frame) -> str:
    """The lines of what trains."""
    first, last = frame.place.line, frame.end.line
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _leaving(frame: Frame, endings: list[Ending]) -> Result | None:
    """A ``return`` in the loop that gives back something else than the function does after its last round."""
    found = in_the_way(frame, endings)
    return RETURN_IN_LOOP.at(frame.file, frame.file.place(found)) if found is not None else None


def _reloading(facts: Facts, frame: Frame) -> Result | None:
    """Weights loaded into the model inside the epoch loop: they would replace the received ones from round 2 on, or
    the trained ones before they are sent."""
    if facts.model is None:
        return None  # arrays that are replaced in the loop are a problem that the facts know of
    model = facts.model.value
    for event in facts.trace.named(".load_state_dict"):
        loaded = [unwrapped(value) for value in options(event.receiver)]
        if event.within_node(frame.node) and any(value is model for value in loaded):
            return LOCAL_WEIGHTS_IN_LOOP.at(event.scope.file, event.place)
    return None


def _restructuring(facts: Facts, frame: Frame) -> Result | None:
    """Pruning and its like inside the epoch loop: the state of the model is another one after it, at each site."""
    for event in facts.trace.where(reparametrises):
        if event.within_node(frame.node):
            return MODEL_CHANGES_IN_LOOP.at(event.scope.file, event.place)
    return None


def _accounting(facts: Facts, frame: Frame) -> Result | None:
    """Training that is made differentially private."""
    for event in facts.trace.named(*PRIVATE):
        if is_default(event.path):
            return PRIVATE_TRAINING.at(event.scope.file, event.place)
    return None


def _counter_resets(loop: LoopFact, frame: Frame) -> tuple[str, ...] | Result:
    """The assignments that let a ``while`` loop run again: of the names its test and its breaks depend on."""
    node = loop.loop.node
    assert isinstance(node, ast.While)
    inside = [s for body in bodies(node.body) for s in body]
    tests = [node.test, *[s.test for s in inside if isinstance(s, ast.If) and _breaks(s)]]
    tested = {ast.unparse(n) for test in tests for n in ast.walk(test) if isinstance(n, (ast.Name, ast.Attribute))}
    changed = {ast.unparse(target) for statement in inside for target in assigned(statement)}
    resets = []
    for name in sorted(tested & changed):
        before = [
            value
            for target, value in _assignments(ast.Module(frame.body, []))
            if ast.unparse(target) == name and value.lineno < node.lineno
        ]
        constant = [value for one in before for value in _followed(one, frame, node) if _is_constant(value)]
        if not before and name not in ast.unparse(node.test):
            continue  # set anew in every pass
        if not constant:
            return _ends_for_good(loop, frame, name)
        resets.append(f"{name} = {ast.unparse(constant[0])}")
    return tuple(resets)


def _limit_resets(facts: Facts, frame: Frame) -> tuple[str, ...]:
    """The assignments that let a loop over epochs run again that ends at a number of steps, or by a flag; those of
    which it is known how they start."""
    resets = []
    for name in step_limits(facts, frame):
        known = [value for target, value in _assignments(frame.file.tree) if ast.unparse(target) == name]
        resets += [f"{name} = {ast.unparse(value)}" for value in known if _is_constant(value)][:1]
    return tuple(resets)


def _followed(value: ast.expr, frame: Frame, loop: ast.While) -> list[ast.expr]:
    """A value, or for a name what was assigned to it before the loop: ``start`` in ``step = start``."""
    if not isinstance(value, ast.Name):
        return [value]
    known = _assignments(ast.Module(frame.body, []))
    return [given for target, given in known if ast.unparse(target) == value.id and given.lineno < loop.lineno]


def _ends_for_good(loop: LoopFact, frame: Frame, name: str) -> Result:
    """The refusal of a loop that could not run in a second round."""
    return LOOP_ENDS_FOR_GOOD.at(frame.file, loop.place, name)


def _limits_over_all_rounds(loop: LoopFact, frame: Frame) -> Iterator[tuple[str, Place]]:
    """Counters that only ever grow in the loop, and that end it when they reach a limit."""
    nodes = list(ast.walk(loop.loop.node))
    grown = {ast.unparse(n.target) for n in nodes if isinstance(n, ast.AugAssign) and _is_constant(n.value)}
    set_anew = {ast.unparse(target) for target, _ in _assignments(loop.loop.node)}
    for node in nodes:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and _breaks(node):
            for name in sorted({ast.unparse(part) for part in ast.walk(node.test)} & grown - set_anew):
                yield name, frame.file.place(node)


def _is_constant(node: ast.expr) -> bool:
    """True for a literal number or truth value, its sign and infinity included."""
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    return isinstance(node, ast.Constant) or ast.unparse(node) in ("float('inf')", "np.inf", "math.inf", "torch.inf")


def _breaks(statement: ast.If) -> bool:
    """True for an ``if`` whose body leaves a loop."""
    return any(isinstance(inner, ast.Break) for inner in ast.walk(statement))


def _assignments(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
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


def _start_reset(loop: LoopFact, frame: Frame) -> tuple[str, ...] | Result:
    """The assignment that makes a loop start at its first epoch again, where a checkpoint may have moved it."""
    assert loop.start is not None
    start = loop.start.node
    if not isinstance(start, (ast.Name, ast.Attribute)):
        return ()
    name = ast.unparse(start)
    if loop.count is not None and name in {ast.unparse(n) for n in ast.walk(loop.count.node)}:
        return ()  # range(start, start + n) has its n epochs wherever it starts
    values = [value for target, value in _assignments(frame.file.tree) if _last(target) == _last(start)]
    changes = [value for value in values if not _is_constant(value)]
    if not changes and len(values) <= 1:
        return ()
    constants = [ast.unparse(value) for value in values if _is_constant(value)]
    constants += [repr(leaf.option.default) for leaf in leaves(loop.start) if leaf.option is not None]
    known = {v.value for v in value_of(start, loop.start.scope) if isinstance(v, Literal) and isinstance(v.value, int)}
    constants += map(str, known if len(known) == 1 else ())
    if constants:
        return (f"{name} = {constants[0]}",)
    remedy = f"let it run over range(epochs): {name} is for resuming, and a job resumes by its own checkpoints"
    return replace(_ends_for_good(loop, frame, name), remedy=remedy)


def _shifts(facts: Facts, frame: Frame, names: Names, epochs: Setting | None) -> tuple[Insert, ...]:
    """Where training depends on the epoch's number: a line that makes the number go on over the rounds."""
    loop = facts.loop
    if loop is None or loop.kind != "range" or loop.count is None:
        return ()
    node = loop.loop.node
    if not isinstance(node, ast.For) or not isinstance(node.target, ast.Name) or not frame.is_loop:
        return ()
    if not epoch_number_matters(facts, node, node.target.id):
        return ()
    start = loop.start.node if loop.start is not None else ast.Constant(0)
    length = _difference(loop.count.node, start)
    text = ast.unparse(_Read(frame, epochs).visit(copy.deepcopy(length)))
    text = text if isinstance(length, (ast.Name, ast.Attribute, ast.Constant, ast.Subscript)) else f"({text})"
    line = (
        f"{node.target.id} += {names.received}.current_round * {text}  # the epoch's number goes on over the rounds\n"
    )
    return (Insert(frame.file.place(node.body[0]), line),)


class _Read(ast.NodeTransformer):
    """Reads the option that sets the local epochs where the source has their number as a literal."""

    def __init__(self, frame: Frame, epochs: Setting | None) -> None:
        self.frame, self.epochs = frame, epochs

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        literal = self.epochs.literal if self.epochs is not None and self.epochs.reader else None
        here = hasattr(node, "lineno") and literal is not None and self.frame.file.place(node) == literal.place
        return ast.parse(self.epochs.reader, mode="eval").body if here else node


def _difference(stop: ast.AST, start: ast.AST) -> ast.AST:
    """The number of epochs between two expressions: ``n`` for ``n + 1`` and ``1``."""
    if isinstance(start, ast.Constant) and start.value == 0:
        return stop
    if isinstance(stop, ast.BinOp) and isinstance(stop.op, ast.Add):
        for one, other in ((stop.left, stop.right), (stop.right, stop.left)):
            if ast.unparse(other) == ast.unparse(start):
                return one
    return ast.BinOp(stop, ast.Sub(), start)
