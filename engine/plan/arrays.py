"""How a model of NumPy arrays is exchanged, built for the server, and what of its data is split in a simulation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from engine.facts import ArrayFact, ArraysFact, Facts
from engine.facts.array_construction import construction
from engine.facts.library import comes_from_data, is_namespace
from engine.facts.source_text import own_nodes
from engine.facts.values import (
    DATASET,
    UNRESOLVED,
    Class,
    External,
    Function,
    LocalModule,
    Object,
    Scope,
    options,
    plain,
)
from engine.plan.decision import Decision
from engine.plan.frame import body_of, function_node
from engine.plan.layout import dotted_name
from engine.plan.server_model import ModelPlan, free_file, is_plain, unbuildable
from engine.plan.slicing import slice_module
from engine.result import Place
from engine.source import SourceFile

CODE = (External, LocalModule, Function, Class)


@dataclass(frozen=True)
class ArraysPlan:
    """How arrays are exchanged.

    Attributes:
        arrays: the arrays.
        update: the last statement of a step.
        file: the file it stands in.
    """

    arrays: tuple[ArrayFact, ...]
    update: Place
    file: SourceFile

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays, as they are handed over."""
        return tuple(array.written for array in self.arrays)

    @property
    def targets(self) -> tuple[str, ...]:
        """What is received is assigned to these: elements where training changes elements, else names."""
        return tuple(
            f"{array.written}[...]" if array.in_place and not array.is_number else array.written
            for array in self.arrays
        )


def plan_arrays(arrays: ArraysFact) -> ArraysPlan:
    """How arrays are exchanged, and where their updates are counted."""
    last = arrays.updates[-1]
    return ArraysPlan(arrays.arrays, last.place, last.scope.file)


def decide_arrays(arrays: ArraysFact) -> list[Decision]:
    """The judgements on a model in NumPy."""
    names = ", ".join(array.written for array in arrays.arrays)
    found = [
        Decision(
            "model",
            f"the model is {names}, which the epoch loop updates; FLARE's server keeps what it starts from as float32",
            "give the exact values with job --initial-ckpt FILE.npy",
        )
    ]
    if arrays.local:
        found.append(
            Decision(
                "local state",
                f"{', '.join(arrays.local)} stays at the site and lives on from round to round, as an optimizer's does",
                f"set it anew in client.py after the line that receives {names}",
            )
        )
    return found


def plan_array_model(facts: Facts, layout: dict[str, tuple[str, ...]], given: dict[str, Any]) -> ModelPlan:
    """A ``build_model`` function that gives the arrays as the script builds them before its epoch loop.

    Args:
        facts: of the program.
        layout: where each file goes.
        given: sizes that the user has pinned with ``--model-arg``.
    """
    assert facts.arrays is not None
    arrays = facts.arrays.arrays
    scopes = {array.construction.scope.file.name: array.construction.scope for array in arrays}
    if len(scopes) > 1:
        place = arrays[-1].construction.place
        return unbuildable("the arrays are built in different files", place)
    writer = _Writer(facts)
    for array in arrays:
        writer.add(array)
    entry, file = facts.project.entry, arrays[0].construction.scope.file
    found = slice_module(file, writer.needed, keep=file is not entry)
    if found.problem:
        return unbuildable(found.problem, found.problem_place)
    args = {**writer.values, **{name: value for name, value in given.items() if name in writer.values}}
    missing = tuple((name, writer.sources[name]) for name, value in args.items() if not is_plain(value))
    names = ", ".join(array.written for array in arrays)
    returned = ", ".join(writer.built) + ("," if len(arrays) == 1 else "")
    body = "".join(f"    {line}\n" for line in writer.lines)
    head = found.text(f"The initial model, where job.py can build it without running {file.path.name}.").rstrip()
    function = f'def build_model({", ".join(args)}):\n    """{names}, as {file.path.name} builds them."""\n{body}'
    new_file = free_file(layout)
    return ModelPlan(
        f"{dotted_name(new_file)}.build_model",
        args,
        missing,
        new_file,
        f"{head}\n\n\n{function}    return {returned}\n",
        found.moved,
        found.exported,
    )


class _Writer(ast.NodeTransformer):
    """Writes the statements that build some arrays, with what they take from options or data as parameters.

    Attributes:
        lines: the statements.
        values: the parameters; ``...`` where a value is not known.
        sources: where a value that is not known would come from.
        needed: the names of code that the statements use.
        built: the variables that hold the arrays.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.lines: list[str] = []
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.needed: set[str] = set()
        self.scope: Scope = facts.loop.scope
        self.line = 0
        self.path: tuple[Any, ...] = ()
        self.written: dict[str, ast.AST] = {}
        self.built: list[str] = []

    def add(self, array: ArrayFact) -> None:
        """Write the statement that builds an array."""
        built = array.construction
        self.scope, self.line = built.scope, built.place.line
        self.path = array.path or self.facts.loop.path
        name = _variable(array.name, self.written)
        self.built.append(name)
        if array.index is None:
            self.assign(name, built.node)
        else:
            self.assign("built", built.node)
            self.written[name] = built.node
            self.lines.append(f"{name} = built{array.index if isinstance(array.index, str) else f'[{array.index}]'}")

    def assign(self, name: str, node: ast.AST) -> None:
        """Write an assignment, once."""
        if self.written.get(name) is not node:
            self.written[name] = node
            value = self.visit(ast.parse(ast.unparse(node), mode="eval").body)
            self.lines.append(f"{name} = {ast.unparse(value)}")

    def parameter(self, name: str, value: Any, source: str = UNRESOLVED) -> ast.expr:
        """A parameter of the function."""
        name = name.lower()
        while name in self.values and self.values[name] != value:
            name += "_2"
        self.values[name], self.sources[name] = value, source
        return ast.Name(name, ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """``x.shape[1]`` is the number of columns of the data."""
        whole = node.value
        index = plain_index(node)
        if isinstance(whole, ast.Attribute) and whole.attr == "shape" and isinstance(whole.value, ast.Name):
            if index is not None and whole.value.id not in self.written:
                what = {0: "rows", 1: "columns", -1: "columns"}.get(index, f"shape_{index}")
                return self.parameter(f"{whole.value.id}_{what}", ..., DATASET)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``len(x)`` is the number of rows of the data."""
        if isinstance(node.func, ast.Name) and node.func.id == "len" and isinstance(node.args[0], ast.Name):
            known = plain(self.scope.look_up(node.args[0].id))
            if known is ... and node.args[0].id not in self.written:
                return self.parameter(f"{node.args[0].id}_rows", ..., DATASET)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """``args.hidden`` is an option."""
        held = options(self.scope.look_up(node.value.id)) if isinstance(node.value, ast.Name) else []
        for owner in held:
            if isinstance(owner, Object) and (is_namespace(owner) or owner.cls is not None):
                return self.parameter(node.attr, plain(owner.attributes.get(node.attr)))
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A constant becomes a parameter, a local variable is built beside the arrays."""
        value = self.scope.look_up(node.id)
        if node.id in self.written or value is None:
            return node
        if any(isinstance(option, CODE) for option in options(value)):
            self.needed.add(node.id)
            return node
        if plain(value) is not ... or _is_sized(value):
            return self.parameter(node.id, plain(value), DATASET)
        assert self.facts.loop is not None
        built = construction(node.id, self.scope, self.line, self.path)
        if built is None or built.index is not None or built.scope is not self.scope or comes_from_data(value):
            return self.parameter(node.id, ..., DATASET if comes_from_data(value) else UNRESOLVED)
        self.assign(node.id, built.node)
        return node


def _variable(name: str, taken: Iterable[str]) -> str:
    """A variable for an array: its own name, or what that ends with for an attribute or entry."""
    found = name if name.isidentifier() else re.sub(r"\W", "_", re.split(r"\.|\[", name)[-1].strip("]'\""))
    found = found if found.isidentifier() and not iskeyword(found) else f"array_{found}"
    while found in taken or found == "built" and found != name:
        found += "_2"
    return found


def _is_sized(value: object) -> bool:
    """True for a number read from data."""
    return getattr(value, "source", "") == DATASET


def plain_index(node: ast.Subscript) -> int | None:
    """The literal index of a subscript; None for another."""
    try:
        index = ast.literal_eval(node.slice)
    except ValueError:
        return None
    return index if isinstance(index, int) else None


@dataclass(frozen=True)
class Split:
    """Where arrays of samples are cut down to a site's part.

    Attributes:
        names: the arrays, one entry of each for one sample.
        place: the statement it happens next to.
        after: after that statement rather than before it.
        file: the file.
    """

    names: tuple[str, ...]
    place: Place
    after: bool
    file: SourceFile


def plan_split(facts: Facts) -> Split | str:
    """Where the training data is split: right after its arrays are bound, before anything reads them; or why not."""
    assert facts.arrays is not None and facts.loop is not None
    scope = facts.loop.scope
    body, function = body_of(scope), function_node(scope)
    parameters = [a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)] if function is not None else []
    written = [*parameters, *(name for statement in body for name in _sets_in_order(statement))]
    names = tuple(sorted(facts.arrays.samples, key=lambda name: written.index(name) if name in written else -1))
    if not names:
        return "the arrays that hold the samples cannot be told"
    bound = [next((s for s in body if name in _sets(s)), None) for name in names]
    first = [s for s in bound if s is not None and s.lineno < facts.loop.place.line]
    if any(s is None and name not in parameters for s, name in zip(bound, names, strict=True)):
        return f"{', '.join(names)} are not bound beside the epoch loop"
    if not first:
        start = body[1] if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else body[0]
        return Split(names, scope.file.place(start), False, scope.file)
    last = max(first, key=lambda s: s.lineno)
    known = set(names) & set(parameters)
    for statement in (s for s in body if s.lineno <= last.lineno):
        if statement not in first and _reads(statement) & known:
            return f"{', '.join(sorted(_reads(statement) & known))} is read before all training data is there"
        known |= _sets(statement) & set(names)
    if not isinstance(last, (ast.Assign, ast.AnnAssign)):
        return "the training data is bound in a branch or loop"
    return Split(names, scope.file.place(last), True, scope.file)


def _sets(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, those of functions inside it aside."""
    return set(_sets_in_order(statement))


def _sets_in_order(statement: ast.stmt) -> list[str]:
    """The same in the order of the source."""
    bound = [n for n in own_nodes([statement]) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
    return [node.id for node in sorted(bound, key=lambda n: (n.lineno, n.col_offset))]


def _reads(statement: ast.stmt) -> set[str]:
    """The names that a statement reads."""
    return {n.id for n in own_nodes([statement]) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
