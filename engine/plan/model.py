"""How the server builds the model without importing the training script."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from typing import Any

from engine.facts import Facts, ModelFact
from engine.facts.library import DATA_READERS
from engine.facts.values import Object, Scope, options, plain
from engine.plan.layout import dotted_name
from engine.plan.slicing import Slice, slice_module
from engine.result import Place
from engine.source import SourceFile

FILE_NAMES = ("model.py", "global_model.py", "flare_model.py")


@dataclass(frozen=True)
class ModelPlan:
    """How the server builds the model.

    Attributes:
        class_path: importable callable, such as ``model.Net``.
        args: its keyword arguments, as JSON.
        file: the file written for the server; empty where the class can be imported from where it stands.
        text: what is written there.
        moved: statements of the entry that move to that file.
        imported: the names the entry imports back from it.
        missing: constructor arguments whose value only a person can say, with where each comes from.
        problem: why the server cannot build the model at all; empty where it can.
        problem_place: where that is.
    """

    class_path: str
    args: dict[str, Any]
    file: str = ""
    text: str = ""
    moved: tuple[Place, ...] = ()
    imported: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    problem_place: Place | None = field(default=None)


def plan_model(facts: Facts, layout: dict[str, tuple[str, ...]], given: dict[str, Any]) -> ModelPlan:
    """Decide how the server builds the model.

    Args:
        facts: of the program.
        layout: where each file goes.
        given: constructor arguments the user has pinned with ``--model-arg``.
    """
    model = facts.model
    assert model is not None
    args = {**model.arguments, **given}
    missing = tuple((name, model.arguments_source) for name, value in args.items() if not _is_plain(value))
    file = facts.project.files.get(model.definition.file) if model.definition else None
    new_file = _free_file(layout)
    simple = not model.alterations and not model.positional
    if file is not None and simple and model.value.cls is not None:
        if file is not facts.project.entry and _importable(facts, file):
            path = f"{dotted_name(layout[file.name][0])}.{model.name}"
            return ModelPlan(path, args, missing=missing)
        if file is facts.project.entry:
            found = slice_module(file, {model.name})
            if found.problem:
                return _unbuildable(found)
            text = found.text(f"The model, where the server can build it without running {file.path.name}.")
            path = f"{dotted_name(new_file)}.{model.name}"
            return ModelPlan(path, args, new_file, text, found.moved, found.exported, missing)
    if file is None and simple and model.value.cls is None and model.qualified_name.replace(".", "").isidentifier():
        return ModelPlan(model.qualified_name, args, missing=missing)
    return _factory(facts, model, new_file, given)


def _unbuildable(found: Slice) -> ModelPlan:
    """No plan: the model needs something that exists only while the script runs."""
    return ModelPlan("", {}, problem=found.problem, problem_place=found.problem_place)


def _is_plain(value: Any) -> bool:
    """True for a value that can be written into the job as JSON."""
    if value is ...:
        return False
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _free_file(layout: dict[str, tuple[str, ...]]) -> str:
    """A file name for the server's model that the project does not use."""
    taken = {place.split("/")[0].removesuffix(".py") for places in layout.values() for place in places}
    return next(name for name in FILE_NAMES if name.removesuffix(".py") not in taken)


def _importable(facts: Facts, file: SourceFile) -> bool:
    """True where importing a module neither reads arguments nor data, nor trains."""
    module = facts.trace.modules.get(file.name)
    if module is None:
        return False
    for event in facts.trace.events:
        if event.scope is not module.scope:
            continue
        if event.function is not None or event.name in (".parse_args", ".parse_known_args", ".step", ".backward"):
            return False
        if event.name.startswith(DATA_READERS) or event.name in ("torch.load", "sys.exit", "builtins.input"):
            return False
    return True


def _factory(facts: Facts, model: ModelFact, new_file: str, given: dict[str, Any]) -> ModelPlan:
    """A ``build_model`` function that holds the expression that builds the model, and what alters it afterwards."""
    construction = model.construction
    scope = construction.scope
    expression = ast.parse(ast.unparse(construction.node), mode="eval").body
    writer = _Parameters(scope)
    built = writer.visit(expression)
    steps = [writer.visit(ast.parse(ast.unparse(change.node)).body[0]) for change in model.alterations]
    variable = model.variable
    args = {**writer.values, **{name: value for name, value in given.items() if name in writer.values}}
    missing = tuple((name, "dataset") for name, value in args.items() if not _is_plain(value))
    names = {n.id for part in [built, *steps] for n in ast.walk(part) if isinstance(n, ast.Name)} - set(args)
    names.discard(variable)
    found = slice_module(scope.file, names, keep=True)
    if found.problem:
        return _unbuildable(found)
    lines = [f"def build_model({', '.join(args)}):", f'    """The model as {scope.file.path.name} builds it."""']
    if steps:
        local = variable if variable.isidentifier() else "model"
        lines.append(f"    {local} = {ast.unparse(built)}")
        for step in steps:
            text = ast.unparse(step)
            lines.append("    " + (text if local == variable else text.replace(variable, local)))
        lines.append(f"    return {local}")
    else:
        lines.append(f"    return {ast.unparse(built)}")
    text = found.text(f"The model, where the server can build it without running {scope.file.path.name}.")
    return ModelPlan(
        f"{dotted_name(new_file)}.build_model", args, new_file, text + "\n\n" + "\n".join(lines) + "\n", missing=missing
    )


class _Parameters(ast.NodeTransformer):
    """Makes what an expression takes from arguments and local variables parameters of a function.

    Attributes:
        values: the value of each parameter; ``...`` where it is not known.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.values: dict[str, Any] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        held = options(self.scope.look_up(node.value.id)) if isinstance(node.value, ast.Name) else []
        if any(isinstance(o, Object) and (o.kind.endswith("Namespace") or o.cls is not None) for o in held):
            known = [plain(part) for o in held if isinstance(o, Object) for part in options(o.attributes.get(node.attr))]
            self.values[node.attr] = known[0] if len(known) == 1 else ...
            return ast.Name(node.attr, ast.Load())
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and self.scope.parent is not None and node.id in self.scope.variables:
            value = plain(self.scope.variables[node.id])
            if not isinstance(self.scope.variables[node.id], Object):
                self.values[node.id] = value
        return node
