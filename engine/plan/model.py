"""How the server builds the model without importing the training script."""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from engine.facts import Facts, FirstWeights, ModelFact, Symbol
from engine.facts.library import DATA_READERS, comes_from_data, is_namespace
from engine.facts.trace import Call, Event
from engine.facts.training import is_default
from engine.facts.values import Class, External, Function, LocalModule, Object, Scope, Unknown, Value, options, plain
from engine.plan.frame import bodies, body_of
from engine.plan.layout import dotted_name
from engine.plan.slicing import Slice, reads, slice_module
from engine.result import Place
from engine.source import SourceFile

CASTS = {".double", ".half", ".bfloat16"}
TYPES = {
    "torch.float64": "double",
    "torch.double": "double",
    "torch.float16": "half",
    "torch.half": "half",
    "torch.bfloat16": "bfloat16",
}
DEVICE = re.compile(r"(cuda|mps|xpu)(:\d+)?")
FILE_NAMES = ("model.py", "global_model.py", "flare_model.py")


@dataclass(frozen=True)
class ModelPlan:
    """How the server builds the model.

    Attributes:
        class_path: importable callable, such as ``model.Net``.
        args: its keyword arguments, as JSON.
        missing: constructor arguments whose value only a person can say, with where each comes from.
        file: the file written for the server; empty where the class can be imported from where it stands.
        text: what is written there.
        moved: statements of the entry that move to that file.
        imported: the names the entry imports back from it.
        repeats: of what sets the model's weights after construction, what the server does as well.
        problem: why the server cannot build the model at all; empty where it can.
        problem_place: where that is.
    """

    class_path: str
    args: dict[str, Any]
    missing: tuple[tuple[str, str], ...] = ()
    file: str = ""
    text: str = ""
    moved: tuple[Place, ...] = ()
    imported: tuple[str, ...] = ()
    repeats: tuple[FirstWeights, ...] = ()
    problem: str = ""
    problem_place: Place | None = field(default=None)


def plan_model(facts: Facts, layout: dict[str, tuple[str, ...]], given: dict[str, Any]) -> ModelPlan:
    """Decide how the server builds the model: by its class, by the factory that builds it, or by a function of our own.

    Args:
        facts: of the program.
        layout: where each file goes.
        given: constructor arguments the user has pinned with ``--model-arg``.
    """
    model = facts.model
    assert model is not None
    changes = alterations(model)
    new_file = free_file(layout)
    initialised = _initialised(facts, layout, new_file, changes, given) if model.first_weights else None
    if initialised is not None:
        return initialised
    if not changes and not casts(facts, model):
        plans = [_by_name(facts, layout, new_file, builder, given) for builder in builders(facts, model)]
        whole = next((plan for plan in plans if plan is not None and not plan.missing and not plan.problem), None)
        if whole is not None:
            return whole
        coded = any(isinstance(value, Symbol) for value in model.arguments.values())
        named = not model.positional and not coded and model.qualified_name.replace(".", "").isidentifier()
        if model.value.cls is None and named:
            return ModelPlan(model.qualified_name, *_pinned(model.arguments, given, model.arguments_source))
        first = next((plan for plan in plans if plan is not None), None)
        if first is not None and any(_unsaid(model.value, name) for name, _ in first.missing):
            return first
        own = _factory(facts, model, changes, new_file, given)
        in_settings = first is not None and any(
            _is_settings(v) for v in [*model.value.args, *model.value.kwargs.values()]
        )
        return first if first is not None and (own.problem or own.missing and not in_settings) else own
    return _factory(facts, model, changes, new_file, given)


def _initialised(
    facts: Facts, layout: dict[str, tuple[str, ...]], new_file: str, changes: list[ast.stmt], given: dict[str, Any]
) -> ModelPlan | None:
    """Build the model with the weights that the script gives it; None where the server cannot set them."""
    model = facts.model
    assert model is not None
    for builder in builders(facts, model):
        plan = _by_name(facts, layout, new_file, builder, given) if _all_within(model.first_weights, builder) else None
        if plan is not None and not plan.missing and not plan.problem:
            return replace(plan, repeats=model.first_weights)
    setting = initialisations(facts, model)
    plan = _factory(facts, model, _in_order([*changes, *setting]), new_file, given) if setting else None
    if plan is None or plan.missing or plan.problem:
        return None
    return replace(plan, repeats=tuple(w for w in model.first_weights if _stands_under(w.event, setting)))


def passed_values(model: Object, name: str) -> list[Value]:
    """What a constructor argument may be."""
    position = _parameters(model).index(name) if name in _parameters(model) else len(model.args)
    return options(model.argument(position, name))


def _unsaid(model: Object, name: str) -> bool:
    """True for a constructor argument whose value nothing in the source says: read from data, or not followed."""
    values = passed_values(model, name)
    return any(isinstance(value, Unknown) or comes_from_data(value) for value in values if not _is_settings(value))


def _is_settings(value: Value) -> bool:
    """True for an object that only holds settings."""
    return isinstance(value, Object) and (is_namespace(value) or is_record(value))


def _parameters(model: Object) -> list[str]:
    """The parameters of a local class's constructor, without ``self``."""
    constructor = model.cls.find("__init__") if model.cls else None
    if not isinstance(constructor, Function):
        return []
    return [a.arg for a in (*constructor.node.args.posonlyargs, *constructor.node.args.args)][1:]


@dataclass(frozen=True)
class Builder:
    """A class or function of the project that builds the model, with its arguments by name."""

    definition: Class | Function
    args: dict[str, Any]
    source: str


def builders(facts: Facts, model: ModelFact) -> Iterator[Builder]:
    """What builds the model: its class first, then the functions that return it, innermost first."""
    if model.value.cls is None:
        return
    if not model.positional:
        yield Builder(model.value.cls, _spelled_out(model), model.arguments_source)
    events = facts.trace.events
    path = events[model.value.event].path if model.value.event < len(events) else ()
    for entry in reversed([entry for entry in path if isinstance(entry, Call)]):
        made = [
            e for e in events if e.node is entry.node and e.function is not None and model.value in options(e.result)
        ]
        if not made or "." in entry.function.qualified_name:
            return
        names = [a.arg for a in (*entry.function.node.args.posonlyargs, *entry.function.node.args.args)]
        passed = {**dict(zip(names, made[0].args, strict=False)), **made[0].kwargs}
        yield Builder(entry.function, {name: plain(value) for name, value in passed.items()}, "unresolved")


def _spelled_out(model: ModelFact) -> dict[str, Any]:
    """The constructor's arguments; those handed over in an unknown ``**mapping`` stand for every parameter left."""
    args = {name: value for name, value in model.arguments.items() if not name.startswith("*")}
    if len(args) < len(model.arguments):
        args |= {name: ... for name in _parameters(model.value) if name not in args}
    return args


def _by_name(
    facts: Facts, layout: dict[str, tuple[str, ...]], new_file: str, builder: Builder, given: dict[str, Any]
) -> ModelPlan | None:
    """Build by a class or function of the project, where it stands or moved out of the script."""
    definition = builder.definition
    file, name = definition.file, definition.name
    args, missing = _pinned(builder.args, given, builder.source)
    if file is not facts.project.entry:
        if not _importable(facts, file) or "." in definition.qualified_name:
            return None
        return ModelPlan(f"{dotted_name(layout[file.name][0])}.{name}", args, missing=missing)
    found = slice_module(file, {name})
    if found.problem:
        return _unbuildable(found)
    text = found.text(f"The model, where the server can build it without running {file.path.name}.")
    path = f"{dotted_name(new_file)}.{name}"
    return ModelPlan(path, args, missing, new_file, text, found.moved, found.exported)


def _pinned(
    args: dict[str, Any], given: dict[str, Any], source: str
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """Arguments with those the user pinned, and the ones whose value is still not known; the server has no GPU."""
    args = {name: "cpu" if _is_device(name, value) else value for name, value in args.items()} | given
    return args, tuple((name, source) for name, value in args.items() if not is_plain(value))


def _is_device(name: str, value: Any) -> bool:
    """True for an argument that says where the model computes, so that the server can say something else."""
    if isinstance(value, Symbol) and value.kind == "torch.device":
        return True
    return bool(DEVICE.fullmatch(value)) if isinstance(value, str) else name == "device" and not is_plain(value)


def alterations(model: ModelFact) -> list[ast.stmt]:
    """The statements that replace layers of the model after it was built, with what these statements need."""
    scope = model.construction.scope
    roots = {name.split(".")[0] for name in model.value.names}
    own = "self" in roots and model.value.cls is not None
    found: list[ast.stmt] = []
    for body in bodies(body_of(scope)):
        first = next((s for s in body if any(node is model.construction.node for node in ast.walk(s))), None)
        if first is None or isinstance(
            first, (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.While, ast.With, ast.Try)
        ):
            continue
        after = body[body.index(first) + 1 :]
        changed = [s for s in after if isinstance(s, ast.Assign) and _replaces_layer(s, model.value.names) and not own]
        if changed:
            until = after[: after.index(changed[-1]) + 1]
            needed = {n.id for s in changed for n in ast.walk(s.value) if isinstance(n, ast.Name)}
            found = [s for s in until if s in changed or (isinstance(s, ast.Assign) and _binds_any(s, needed - roots))]
    return found


def initialisations(facts: Facts, model: ModelFact) -> list[ast.stmt]:
    """The statements that draw the model's weights anew, beside the one that builds it."""
    drawn = [weights.event for weights in model.first_weights if weights.origin == "drawn"]
    around = [facts.loop.loop.node, *(call.statement for call in facts.loop.calls)] if facts.loop else []
    return [
        statement
        for statement in _after_construction(model)
        if not any(node is part for node in ast.walk(statement) for part in around)
        and any(_stands_under(event, [statement]) for event in drawn)
    ]


def _after_construction(model: ModelFact) -> list[ast.stmt]:
    """The statements that follow the one that builds the model, beside it."""
    for body in bodies(body_of(model.construction.scope)):
        first = next((s for s in body if any(node is model.construction.node for node in ast.walk(s))), None)
        if isinstance(first, (ast.Assign, ast.AnnAssign)):
            return body[body.index(first) + 1 :]
    return []


def _stands_under(event: Event, statements: list[ast.stmt]) -> bool:
    """True for a call in one of some statements, or in a function that one of them calls."""
    nodes = {id(node) for statement in statements for node in ast.walk(statement)}
    around = [entry.statement for entry in event.path if isinstance(entry, Call)]
    return any(id(statement) in nodes for statement in [event.statement, *around])


def _all_within(weights: tuple[FirstWeights, ...], builder: Builder) -> bool:
    """True where a function of the project that builds the model sets all its weights too, without a file."""
    calls = [each.event.calls for each in weights if each.origin != "file"]
    return len(calls) == len(weights) and all(
        any(call.function is builder.definition for call in around) for around in calls
    )


def _in_order(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Statements in the order of the source, each once."""
    return sorted({id(s): s for s in statements}.values(), key=lambda s: s.lineno)


def casts(facts: Facts, model: ModelFact) -> list[str]:
    """The calls that change the type of the model's parameters, as source: ``.double()``; what only an option does
    is left out."""
    found = []
    for event in facts.trace.events:
        if not is_default(event.path):
            continue
        if event.name in CASTS and model.value in options(event.receiver):
            found.append(f"{event.name}()")
        elif event.name == ".to" and model.value in options(event.receiver):
            types = [a for a in (*event.args, *event.kwargs.values()) if isinstance(a, External) and a.name in TYPES]
            found += [f".{TYPES[a.name]}()" for a in types]
        elif event.name == "torch.set_default_dtype" and event.args and isinstance(event.args[0], External):
            found += [f".{TYPES[event.args[0].name]}()"] if event.args[0].name in TYPES else []
    return list(dict.fromkeys(found))


def _replaces_layer(statement: ast.Assign, names: list[str]) -> bool:
    """True for ``model.fc = nn.Linear(...)`` and ``model.head[1] = ...``."""
    target = statement.targets[0]
    if not isinstance(target, (ast.Attribute, ast.Subscript)) or not any(
        isinstance(n, ast.Call) for n in ast.walk(statement.value)
    ):
        return False
    owner: ast.expr = target.value
    while isinstance(owner, (ast.Attribute, ast.Subscript)) and ast.unparse(owner) not in names:
        owner = owner.value
    called = [ast.unparse(n.func).rpartition(".")[2] for n in ast.walk(statement.value) if isinstance(n, ast.Call)]
    return ast.unparse(owner) in names and any(name[:1].isupper() for name in called)


def _binds_any(statement: ast.Assign, names: set[str]) -> bool:
    """True for an assignment to one of some names."""
    return any(isinstance(t, ast.Name) and t.id in names for t in statement.targets)


def _unbuildable(found: Slice) -> ModelPlan:
    """No plan: the model needs something that exists only while the script runs."""
    return ModelPlan("", {}, problem=found.problem, problem_place=found.problem_place)


def is_plain(value: Any) -> bool:
    """True for a value that can be written into the job as JSON."""
    if value is ...:
        return False
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def free_file(layout: dict[str, tuple[str, ...]]) -> str:
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


def _factory(
    facts: Facts, model: ModelFact, changes: list[ast.stmt], new_file: str, given: dict[str, Any]
) -> ModelPlan:
    """A ``build_model`` function that holds the expression that builds the model, and what alters it afterwards."""
    reading = _reading(facts, [model.construction.node, *changes])
    if reading is not None:
        problem = f"the model is built with what {ast.unparse(reading.node)} reads, and the server has no such file"
        return ModelPlan("", {}, problem=problem, problem_place=reading.place)
    scope = model.construction.scope
    own = {n.id for s in changes for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= _bound_within(model.construction.node)
    writer = _Parameters(scope, own | set(model.value.names), _passed(model))
    built = writer.visit(ast.parse(ast.unparse(model.construction.node), mode="eval").body)
    steps = [writer.visit(ast.parse(ast.unparse(change)).body[0]) for change in changes]
    args, missing = _pinned(
        writer.values, {k: v for k, v in given.items() if k in writer.values}, model.arguments_source
    )
    variable = next((name for name in model.value.names if name.isidentifier()), "model")
    names = {name for part in [built, *steps] for name in reads(part)}
    needed = names - set(args) - own - {variable, "options", "SimpleNamespace"}
    found = slice_module(scope.file, needed, keep=scope.file is not facts.project.entry)
    if found.problem:
        return _unbuildable(found)
    unbound = sorted(name for name in needed - found.bound if not hasattr(builtins, name))
    if unbound and not found.has_star:
        problem = f"the model needs {', '.join(unbound)}, which exists only while the script runs"
        return ModelPlan("", {}, problem=problem, problem_place=model.construction.place)
    cast = "".join(casts(facts, model))
    if not steps:
        body = f"    return {ast.unparse(built)}{cast}\n"
    else:
        body = "".join(f"    {line}\n" for step in steps for line in ast.unparse(step).splitlines())
        body = f"    {variable} = {ast.unparse(built)}\n{body}    return {variable}{cast}\n"
    name = scope.file.path.name
    parameters = "**options" if writer.takes_options else ", ".join(args)
    function = f'def build_model({parameters}):\n    """The model as {name} builds it."""\n{body}'
    text = (
        found.text(f"The model, where the server can build it without running {name}.").rstrip() + f"\n\n\n{function}"
    )
    if writer.takes_options:
        text = text.replace('"""\n\n', '"""\n\nfrom types import SimpleNamespace\n\n', 1)
    path = f"{dotted_name(new_file)}.build_model"
    return ModelPlan(path, args, missing, new_file, text, found.moved, found.exported)


def _bound_within(node: ast.AST) -> set[str]:
    """The names that the comprehensions and lambdas of an expression bind."""
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _reading(facts: Facts, parts: list[ast.AST]) -> Event | None:
    """The first call in some code that reads a file."""
    nodes = {id(node) for part in parts for node in ast.walk(part)}
    readers = (*DATA_READERS, "torch.load")
    calls = (event for event in facts.trace.events if id(event.node) in nodes)
    return next((event for event in calls if event.name.startswith(readers)), None)


class _Parameters(ast.NodeTransformer):
    """Makes what an expression takes from arguments and local variables parameters of a function.

    Attributes:
        values: the value of each parameter; ``...`` where it is not known.
        takes_options: True where a whole namespace of options is among them.
    """

    def __init__(self, scope: Scope, own: set[str], passed: dict[str, Value]) -> None:
        self.scope = scope
        self.own = own
        self.passed = passed
        self.values: dict[str, Any] = {}
        self.takes_options = False

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        held = [o for o in options(self.scope.look_up(name)) if isinstance(o, Object)] if name not in self.own else []
        for owner in held:
            if is_namespace(owner) or owner.cls is not None and not owner.is_module:
                parts = options(owner.attributes.get(node.attr))
                return self.written(parts, node.attr) or node
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load) or node.id in self.own:
            return node
        held = options(self.passed.get(node.id) or self.scope.look_up(node.id))
        if any(isinstance(o, Object) and (is_namespace(o) or is_record(o)) for o in held):
            return self.written(held, node.id) or node
        if self.scope.parent is not None and node.id in self.scope.variables:
            return self.written(held, node.id) or node
        return node

    def written(self, values: list[Value], name: str) -> ast.expr | None:
        """A value as an expression of the function: a parameter, or an object of settings written out."""
        value = values[0] if len(values) == 1 else Unknown()
        if isinstance(value, (Class, Function, External, LocalModule)):
            return None
        if isinstance(value, Object) and is_namespace(value):
            self.takes_options = True
            known = {key: plain(part) for key, part in value.attributes.items() if key.isidentifier()}
            self.values.update({key: part for key, part in known.items() if is_plain(part)})
            return ast.parse("SimpleNamespace(**options)", mode="eval").body
        if isinstance(value, Object) and is_record(value):
            assert value.cls is not None
            keywords = [
                ast.keyword(
                    key,
                    ast.parse(repr(plain(part)), mode="eval").body
                    if is_plain(plain(part))
                    else ast.Name(key, ast.Load()),
                )
                for key, part in value.attributes.items()
                if key.isidentifier()
            ]
            self.values |= {k.arg: ... for k in keywords if k.arg and isinstance(k.value, ast.Name)}
            return ast.Call(ast.Name(value.cls.name, ast.Load()), [], keywords)
        self.values[name] = plain(value)
        return ast.Name(name, ast.Load())


def _passed(model: ModelFact) -> dict[str, Value]:
    """What the names among a constructor's arguments stood for when it was called."""
    call = model.construction.node
    if not isinstance(call, ast.Call):
        return {}
    pairs = [
        *zip(call.args, model.value.args, strict=False),
        *[(k.value, model.value.kwargs.get(k.arg or "")) for k in call.keywords],
    ]
    return {node.id: value for node, value in pairs if isinstance(node, ast.Name) and value is not None}


def is_record(value: Object) -> bool:
    """True for an instance of one of the project's dataclasses."""
    return value.cls is not None and any("dataclass" in ast.unparse(d) for d in value.cls.node.decorator_list)
