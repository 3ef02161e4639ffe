"""The statements that the metrics of an inline evaluation depend on, where they are the evaluation's own."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field

from engine.facts.source_text import names_bound, names_read
from engine.plan.frame import Frame
from engine.plan.statement_effects import (
    ADDS,
    CLEARS,
    added_to,
    assigned_alone,
    changed,
    collected,
    read_before_bound,
    root,
    sets_first,
    starts_anew,
)

TRAINING_CALLS = {"backward", "step", "zero_grad"}
REPORTING = ("print", "torch", "np", "os", "logging", "wandb", "time", "plt", "sys")


@dataclass
class Block:
    """The statements around an evaluating loop, outermost header first.

    Attributes:
        target: the evaluating loop; where nothing loops, the statement that calls the model.
        headers: ``with`` statements around the loop that belong to the evaluation.
        bodies: the statements the slice is taken from: those beside each header, outermost first.
        bound: what loops over phases bind their variable to, as source.
        rewritten: True where the statements are no longer those of the source, so that they are written anew.
        training: where the calls of functions that train stand, by line and column.
        modules: the names of modules, which calling their functions does not change.
    """

    target: ast.AST
    headers: list[ast.With] = field(default_factory=list)
    bodies: list[list[ast.stmt]] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)
    rewritten: bool = False
    training: frozenset[tuple[int, int]] = frozenset()
    modules: frozenset[str] = frozenset()

    @property
    def candidates(self) -> list[ast.stmt]:
        """The statements a slice is taken from."""
        return [statement for body in self.bodies for statement in body if statement not in self.headers]

    def trains(self, statements: list[ast.stmt]) -> bool:
        """True where a statement trains, itself or in what it calls."""
        calls = [n for statement in statements for n in ast.walk(statement) if isinstance(n, ast.Call)]
        return any(
            (isinstance(call.func, ast.Attribute) and call.func.attr in TRAINING_CALLS)
            or (call.lineno, call.col_offset) in self.training
            for call in calls
        )

    def in_order(self, kept: list[ast.stmt], depth: int = 0) -> list[ast.stmt]:
        """The kept statements and the headers around the loop, as they are run."""
        found: list[ast.stmt] = []
        for statement in self.bodies[depth]:
            if depth < len(self.headers) and statement is self.headers[depth]:
                opened = ast.With(items=self.headers[depth].items, body=[])
                found += [opened, *self.in_order(kept, depth + 1)]
            elif statement in kept:
                found.append(statement)
        return found


def own_slice(block: Block, wanted: set[str], frame: Frame) -> list[ast.stmt] | None:
    """The statements that names depend on, where these are the evaluation's own; None where training is among them."""
    kept = _without_dead(block, _slice(block, wanted), wanted)
    if block.target not in kept or block.trains(kept) or _training_reaches(block, kept, wanted):
        return None
    if _adds_up(kept, wanted, block) or not _self_contained(kept, wanted, frame, block):
        return None
    return kept


def _slice(block: Block, wanted: set[str]) -> list[ast.stmt]:
    """The statements that names depend on."""
    needed: set[str] = set(wanted)
    for header in block.headers:
        needed |= {n for item in header.items for n in names_read(item.context_expr)}
    candidates = [s for s in block.candidates if not block.trains([s])]
    kept: list[ast.stmt] = []
    while found := [s for s in candidates if s not in kept and _matters(s, needed - block.modules)]:
        kept += found
        for statement in found:
            needed |= names_read(statement) | added_to(statement)
    return [s for s in candidates if s in kept]


def _matters(statement: ast.stmt, needed: set[str]) -> bool:
    """True for a statement that sets or changes something needed."""
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
        return False
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return (
            root(statement.value.func) in needed
            and not _sets_training_mode(statement.value)
            and not _only_reports(statement.value)
        )
    if isinstance(statement, ast.If):
        return any(_matters(s, needed) for s in [*statement.body, *statement.orelse])
    return bool(changed(statement) & needed)


def _only_reports(call: ast.Call) -> bool:
    """True for ``print`` and the functions of modules, and for what is called otherwise than by a name."""
    return not isinstance(call.func, (ast.Attribute, ast.Name)) or root(call.func) in REPORTING


def _sets_training_mode(call: ast.Call) -> bool:
    """True for ``model.train()`` and ``model.train(True)``."""
    named = isinstance(call.func, ast.Attribute) and call.func.attr == "train"
    return named and all(isinstance(mode, ast.Constant) and mode.value is True for mode in call.args)


def _without_dead(block: Block, kept: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The statements without assignments that a later one undoes before anything reads them.

    Training and evaluation often accumulate under the same names; what the training did with them is not needed.
    """
    order = block.in_order(kept)
    dead: list[ast.stmt] = []
    for position in reversed(range(len(order))):
        later = [statement for statement in order[position + 1 :] if statement not in dead]
        names = assigned_alone(order[position])
        if names and not any(_is_read(name, later, wanted) for name in names):
            dead.append(order[position])
    return [statement for statement in kept if statement not in dead]


def _is_read(name: str, later: list[ast.stmt], wanted: set[str]) -> bool:
    """True where a name is read before it is set anew."""
    for statement in later:
        if sets_first(statement, name):
            continue
        if name in read_before_bound(statement) or name in names_read(statement):
            return True
        if isinstance(statement, ast.Assign) and name in assigned_alone(statement):
            return False
    return name in wanted


def _training_reaches(block: Block, kept: list[ast.stmt], wanted: set[str]) -> bool:
    """True where what training counted or collected is read by the statements that are kept without it."""
    training = [s for s in block.candidates if block.trains([s])]
    order = block.in_order([*kept, *training])
    for position, statement in enumerate(order):
        if statement in training:
            later = [s for s in order[position + 1 :] if s not in training]
            left = names_bound(statement) | collected(statement)
            if any(_reaches(name, later, wanted) for name in left):
                return True
    return False


def _reaches(name: str, later: list[ast.stmt], wanted: set[str]) -> bool:
    """True where the value a name has is read by later statements, or is wanted after them."""
    for statement in later:
        if name in read_before_bound(statement) and not starts_anew(statement, name):
            return True
        if name in assigned_alone(statement) or starts_anew(statement, name):
            return False
    return name in wanted


def _adds_up(kept: list[ast.stmt], wanted: set[str], block: Block) -> bool:
    """True where a list or a meter that metrics are read from is made before the slice and never cleared in it: it
    would hold what was added in earlier rounds."""
    read = wanted | {name for statement in kept if statement is not block.target for name in names_read(statement)}
    calls = [n for s in kept for n in ast.walk(s) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    added = {root(call.func) for call in calls if call.func.attr in ADDS}
    cleared = {root(call.func) for call in calls if call.func.attr in CLEARS}
    return bool(added & read - cleared - {name for statement in kept for name in names_bound(statement)})


def _self_contained(kept: list[ast.stmt], wanted: set[str], frame: Frame, block: Block) -> bool:
    """True where everything the slice reads exists before the loop, or is set in the slice before it is read."""
    outside = frame.bound_outside
    inside: set[str] = set(block.bound)
    for header in block.headers:
        inside |= {n for item in header.items if item.optional_vars for n in names_bound(item.optional_vars)}
    for statement in kept:
        stored = names_bound(statement)
        first_reads = read_before_bound(statement)
        for name in first_reads - inside:
            if name in stored or (name not in outside and not hasattr(builtins, name)):
                return False
        inside |= stored
    return all(name in inside or name in outside or hasattr(builtins, name) for name in wanted)
