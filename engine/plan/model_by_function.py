"""Build the model by a function of our own, ``build_model``: the expression that builds it, and what follows."""

from __future__ import annotations

import ast
import builtins
from typing import Any

from engine.facts import Facts, ModelFact
from engine.facts.constructor import constructor_arguments
from engine.facts.library import DATA_READERS, is_namespace
from engine.facts.source_text import bound_within, contains, names_bound, names_in, ties
from engine.facts.trace import Call, Event, is_default
from engine.facts.values import (
    Class,
    External,
    Function,
    LocalModule,
    Mapping,
    Object,
    Scope,
    Unknown,
    Value,
    options,
    plain,
)
from engine.plan.frame import bodies, body_of
from engine.plan.importing import bound_by_reading, unliftable
from engine.plan.layout import dotted_name
from engine.plan.server_model import ModelPlan, is_plain, pinned, unbuildable
from engine.plan.slicing import reads, slice_module

CASTS = {".double", ".half", ".bfloat16"}
TYPES = {
    "torch.float64": "double",
    "torch.double": "double",
    "torch.float16": "half",
    "torch.half": "half",
    "torch.bfloat16": "bfloat16",
}


def by_function(
    facts: Facts, model: ModelFact, changes: list[ast.stmt], new_file: str, given: dict[str, Any]
) -> ModelPlan:
    """A ``build_model`` function that holds the expression that builds the model, and what alters it afterwards."""
    reading = _reading(facts, [model.construction.node, *changes])
    if reading is not None:
        problem = f"the model is built with what {ast.unparse(reading.node)} reads, and the server has no such file"
        return unbuildable(problem, reading.place)
    scope = model.construction.scope
    own = bound_within(model.construction.node).union(*map(names_bound, changes))
    from_data = bound_by_reading(facts, scope.file) if scope.file is facts.project.entry else set()
    writer = _Parameters(scope, own | set(model.value.names), _passed(facts, model), from_data, _settings_read(model))
    built = writer.visit(ast.parse(ast.unparse(model.construction.node), mode="eval").body)
    steps = [writer.visit(ast.parse(ast.unparse(change)).body[0]) for change in changes]
    args, missing = pinned(
        writer.values, {k: v for k, v in given.items() if k in writer.values}, model.arguments_source
    )
    variable = next((name for name in model.value.names if name.isidentifier()), "model")
    names = {name for part in [built, *steps] for name in reads(part)}
    needed = names - set(args) - own - {variable, "options", "SimpleNamespace"}
    found = slice_module(scope.file, needed, keep=scope.file is not facts.project.entry)
    refused = unliftable(facts, found)
    if refused is not None:
        return refused
    unbound = sorted(name for name in needed - found.bound if not hasattr(builtins, name))
    if unbound and not found.has_star:
        problem = f"the model needs {', '.join(unbound)}, which exists only while the script runs"
        return unbuildable(problem, model.construction.place)
    parameters = "**options" if writer.takes_options else ", ".join(args)
    function = _function(scope.file.path.name, parameters, variable, built, steps, "".join(casts(facts, model)))
    head = found.text(f"The model, where the server can build it without running {scope.file.path.name}.").rstrip()
    text = f"{head}\n\n\n{function}"
    if writer.takes_options:
        text = text.replace('"""\n\n', '"""\n\nfrom types import SimpleNamespace\n\n', 1)
    path = f"{dotted_name(new_file)}.build_model"
    return ModelPlan(path, args, missing, new_file, text, found.moved, found.exported)


def _function(script: str, parameters: str, variable: str, built: ast.AST, steps: list[ast.AST], cast: str) -> str:
    """The source of ``build_model``.

    Args:
        script: the name of the script that builds the model.
        parameters: of the function.
        variable: what the model is called there.
        built: the expression that builds it.
        steps: the statements that alter it.
        cast: the calls that change the type of its parameters.
    """
    if steps:
        altered = [line for step in steps for line in ast.unparse(step).splitlines()]
        lines = [f"{variable} = {ast.unparse(built)}", *altered, f"return {variable}{cast}"]
    else:
        lines = [f"return {ast.unparse(built)}{cast}"]
    body = "".join(f"    {line}\n" for line in lines)
    return f'def build_model({parameters}):\n    """The model as {script} builds it."""\n{body}'


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
        read: the settings that the model needs of such a namespace.
    """

    def __init__(
        self, scope: Scope, own: set[str], passed: dict[str, Value], from_data: set[str], read: set[str]
    ) -> None:
        self.scope = scope
        self.read = read
        self.own = own
        self.passed = passed
        self.from_data = from_data
        self.values: dict[str, Any] = {}
        self.takes_options = False

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        held = [o for o in options(self.scope.look_up(name)) if isinstance(o, Object)] if name not in self.own else []
        for owner in held:
            if is_namespace(owner) or owner.cls is not None and not owner.is_module:
                parts = options(self.passed.get(ast.unparse(node)) or owner.attributes.get(node.attr))
                return self.written(parts, node.attr) or node
        self.generic_visit(node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        name = node.value.id if isinstance(node.value, ast.Name) and node.value.id not in self.own else ""
        held = [one for one in options(self.scope.look_up(name)) if isinstance(one, Mapping)] if name else []
        if len(held) == 1 and isinstance(key, str) and key.isidentifier() and self._is_local(name):
            return self.written(options(held[0].items.get(key)), key) or node
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load) or node.id in self.own:
            return node
        held = options(self.passed.get(node.id) or self.scope.look_up(node.id))
        if any(isinstance(o, Object) and (is_namespace(o) or is_record(o)) for o in held):
            return self.written(held, node.id) or node
        return (self.written(held, node.id) or node) if self._is_local(node.id) else node

    def _is_local(self, name: str) -> bool:
        """True for a variable of a function, and for a name from a module that reads data."""
        return self.scope.parent is not None and name in self.scope.variables or name in self.from_data

    def written(self, values: list[Value], name: str) -> ast.expr | None:
        """A value as an expression of the function: a parameter, or an object of settings written out."""
        value = values[0] if len(values) == 1 else Unknown()
        if isinstance(value, (Class, Function, External, LocalModule)):
            return None
        if isinstance(value, Object) and is_namespace(value):
            self.takes_options = True
            known = {key: _setting(part) for key, part in value.attributes.items() if key.isidentifier()}
            self.values.update({key: part for key, part in known.items() if is_plain(part) or key in self.read})
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
        if name in self.values and self.values[name] != plain(value):
            return None  # the same name for something else
        self.values[name] = plain(value)
        return ast.Name(name, ast.Load())


def _settings_read(model: ModelFact) -> set[str]:
    """The settings that a model's class, or another of its file, reads from a namespace it is built with:
    ``config.vocab_size``."""
    handed = [name for name, (value, _) in constructor_arguments(model.value).items() if _is_settings(value)]
    holders = {*handed, *(f"self.{name}" for name in handed)}
    nodes = ast.walk(model.value.cls.file.tree) if model.value.cls is not None and handed else ()
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) in holders}


def _is_settings(value: Value) -> bool:
    """True for a namespace of settings, such as parsed arguments."""
    return any(isinstance(one, Object) and is_namespace(one) for one in options(value))


def _setting(value: Value) -> Any:
    """What a setting is, where it is known; the server has the CPU for whatever device the sites choose."""
    devices = [one for one in options(value) if isinstance(one, Object) and one.kind == "torch.device"]
    return "cpu" if devices and plain(value) is ... else plain(value)


def _passed(facts: Facts, model: ModelFact) -> dict[str, Value]:
    """What the names and attributes among the arguments of the call that builds the model stood for there."""
    call = model.construction.node
    called = next((event for event in facts.trace.events if event.node is call), None)
    if not isinstance(call, ast.Call) or called is None:
        return {}
    pairs = [
        *zip(call.args, called.args, strict=False),
        *[(k.value, called.kwargs.get(k.arg or "")) for k in call.keywords],
    ]
    named = (pair for pair in pairs if isinstance(pair[0], (ast.Name, ast.Attribute)))
    return {ast.unparse(node): value for node, value in named if value is not None}


def is_record(value: Object) -> bool:
    """True for an instance of one of the project's dataclasses."""
    return value.cls is not None and any("dataclass" in ast.unparse(d) for d in value.cls.node.decorator_list)


def alterations(model: ModelFact) -> list[ast.stmt]:
    """The statements that replace layers of the model after it was built, with what these statements need."""
    scope = model.construction.scope
    roots = {name.split(".")[0] for name in model.value.names}
    own = "self" in roots and model.value.cls is not None
    found: list[ast.stmt] = []
    for body in bodies(body_of(scope)):
        first = next((s for s in body if contains(s, model.construction.node)), None)
        if first is None or isinstance(
            first, (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.While, ast.With, ast.Try)
        ):
            continue
        after = body[body.index(first) + 1 :]
        changed = [s for s in after if isinstance(s, ast.Assign) and _replaces_layer(s, model.value.names) and not own]
        if changed:
            until = after[: after.index(changed[-1]) + 1]
            needed = {name for s in changed for name in names_in(s.value)}
            found = [s for s in until if s in changed or (isinstance(s, ast.Assign) and _binds_any(s, needed - roots))]
    return found


def _replaces_layer(statement: ast.Assign, names: list[str]) -> bool:
    """True for ``model.fc = nn.Linear(...)``, ``model.head[1] = ...`` and a weight that is tied to another."""
    target = statement.targets[0]
    tied = ties(statement)
    if not isinstance(target, (ast.Attribute, ast.Subscript)) or not (
        tied or any(isinstance(n, ast.Call) for n in ast.walk(statement.value))
    ):
        return False
    owner: ast.expr = target.value
    while isinstance(owner, (ast.Attribute, ast.Subscript)) and ast.unparse(owner) not in names:
        owner = owner.value
    called = [ast.unparse(n.func).rpartition(".")[2] for n in ast.walk(statement.value) if isinstance(n, ast.Call)]
    return ast.unparse(owner) in names and (tied or any(name[:1].isupper() for name in called))


def _binds_any(statement: ast.Assign, names: set[str]) -> bool:
    """True for an assignment to one of some names."""
    return any(isinstance(t, ast.Name) and t.id in names for t in statement.targets)


def initialisations(facts: Facts, model: ModelFact) -> list[ast.stmt]:
    """The statements that draw the model's weights anew, beside the one that builds it."""
    drawn = [weights.event for weights in model.first_weights if weights.origin == "drawn"]
    around = [facts.loop.loop.node, *(call.statement for call in facts.loop.calls)] if facts.loop else []
    return [
        statement
        for statement in after_construction(model)
        if not any(contains(statement, part) for part in around)
        and any(stands_under(event, [statement]) for event in drawn)
    ]


def after_construction(model: ModelFact) -> list[ast.stmt]:
    """The statements that follow the one that builds the model, beside it."""
    for body in bodies(body_of(model.construction.scope)):
        first = next((s for s in body if contains(s, model.construction.node)), None)
        if isinstance(first, (ast.Assign, ast.AnnAssign)):
            return body[body.index(first) + 1 :]
    return []


def stands_under(event: Event, statements: list[ast.stmt]) -> bool:
    """True for a call in one of some statements, or in a function that one of them calls."""
    nodes = {id(node) for statement in statements for node in ast.walk(statement)}
    around = [entry.statement for entry in event.path if isinstance(entry, Call)]
    return any(id(statement) in nodes for statement in [event.statement, *around])


def in_order(statements: list[ast.stmt]) -> list[ast.stmt]:
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


def exchange_format_for(facts: Facts) -> str:
    """What the server keeps the weights in: NumPy arrays, or tensors where they have a type that NumPy lacks."""
    if facts.model is None or facts.arrays is not None:
        return "numpy"
    layers = (one for one in facts.trace.objects if one.is_module)
    written = any(getattr(one.kwargs.get("dtype"), "name", "") == "torch.bfloat16" for one in layers)
    return "pytorch" if written or ".bfloat16()" in casts(facts, facts.model) else "numpy"
