"""What the job sets on the client's command line: local epochs, data location, parts of the data."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from engine.facts import Expression, Facts, PathFact
from engine.facts.configuration import Option, options_of
from engine.facts.values import Literal, Object, Scope, Value, options
from engine.plan.frame import body_of
from engine.plan.names import Names
from engine.result import Place
from engine.source import SourceFile


@dataclass(frozen=True)
class Setting:
    """A value that an option of the client sets.

    Attributes:
        option: the flag, such as ``--epochs``.
        destination: the attribute it is read by.
        default: its default.
        kind: ``int``, ``float`` or ``str``.
        help: one line for ``--help``.
        declared: True where the script declares the option itself.
        literal: the source range the value stands in, where it is a literal to be replaced.
        replaces: True where the literal is replaced by the parsed value.
        path_kind: for a data path: ``directory``, ``file`` or ``any``.
    """

    option: str
    destination: str
    default: Any
    kind: str
    help: str
    declared: bool
    literal: Range | None = None
    path_kind: str = ""
    replaces: bool = False


@dataclass(frozen=True)
class Range:
    """A range of source, with the scope it stands in."""

    place: Place
    end: Place
    scope: Scope | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ParserPlan:
    """Where options are declared and their values read.

    Attributes:
        variable: the name the parsed arguments have.
        existing: True where the script has its own parser.
        parser: the name of the parser.
        declare_before: the statement before which options are declared.
        bound_after: the statement after which the parsed arguments can be read.
        scope: where the parsed arguments are bound.
        file: the file all that stands in.
    """

    variable: str
    existing: bool
    parser: str
    declare_before: Place
    bound_after: Place
    scope: Scope = field(compare=False, repr=False)
    bound_file: SourceFile | None = field(default=None, compare=False, repr=False)


def plan_parser(facts: Facts, names: Names) -> ParserPlan | None:
    """The script's own parser, or where one of ours is put; None where neither can be done."""
    arguments = facts.arguments
    if arguments.kind == "argparse" and arguments.parse is not None and arguments.parser:
        binding = _binding_of_namespace(facts)
        if binding is None:
            return None
        statement, variable, scope = binding
        parse = arguments.parse
        return ParserPlan(
            variable, True, arguments.parser, parse.place, scope.file.place(statement), scope, scope.file
        )
    if arguments.kind != "none":
        return None
    entry = facts.project.entry
    module = facts.trace.modules[entry.name].scope
    place = first_code(entry)
    return ParserPlan(names.args, False, names.parser, place, place, module, entry)


def _binding_of_namespace(facts: Facts) -> tuple[ast.stmt, str, Scope] | None:
    """The statement that binds what ``parse_args()`` gives back to a name, outermost call first."""
    best: tuple[int, ast.stmt, str, Scope] | None = None
    for event in facts.trace.events:
        held = [o for o in options(event.result) if isinstance(o, Object) and o.kind == "argparse.Namespace"]
        statement = event.statement
        if not held or not isinstance(statement, ast.Assign) or statement.value is not event.node:
            continue
        target = statement.targets[0]
        if isinstance(target, ast.Name) and (best is None or len(event.calls) < best[0]):
            best = (len(event.calls), statement, target.id, event.scope)
    return best[1:] if best else None


def first_code(file: SourceFile) -> Place:
    """The first statement after a module's docstring and leading imports."""
    body = file.tree.body
    index = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        index = 1
    last_import = index - 1
    for position in range(index, len(body)):
        if isinstance(body[position], (ast.Import, ast.ImportFrom)):
            last_import = position
        elif isinstance(body[position], (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With)):
            break
    follower = min(last_import + 1, len(body) - 1)
    return file.place(body[follower])


def plan_epochs(facts: Facts, parser: ParserPlan | None) -> Setting | None:
    """The option that sets the local epochs of one round; None where the loop's length cannot be set."""
    loop = facts.loop
    if loop is None or loop.count is None:
        return None
    for node, scope in _parts(loop.count.node, loop.count.scope):
        option = _option_behind(facts, node, scope)
        if option is not None and isinstance(option.default, int):
            place = _default_literal(facts, option)
            return Setting(_long(option), option.destination, option.default, "int", "", True, place)
    for node, scope in _parts(loop.count.node, loop.count.scope):
        found = _literal_behind(node, scope)
        if found is not None and isinstance(found[1], int) and found[1] > 1:
            if parser is None or not reaches(parser, found[0].scope):
                return Setting("", "epochs", found[1], "int", "", True, found[0])
            name = free_option("epochs", {option.destination for option in facts.arguments.options})
            return Setting(_flag(name), name, found[1], "int", "local epochs of one round", False, found[0], replaces=True)
    return None


def _parts(node: ast.AST, scope: Scope):
    """The names, attributes, subscripts and constants an expression is made of, outermost first."""
    for child in ast.walk(node):
        if isinstance(child, (ast.Name, ast.Attribute, ast.Constant, ast.Subscript)):
            yield child, scope


def _value_of(node: ast.AST, scope: Scope) -> list[Value]:
    """What a name, attribute or subscript stood for at the end of the analysis."""
    if isinstance(node, ast.Name):
        return options(scope.look_up(node.id))
    if isinstance(node, ast.Attribute):
        return [
            held
            for owner in _value_of(node.value, scope)
            if isinstance(owner, Object)
            for held in options(owner.attributes.get(node.attr))
        ]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
        return [
            held
            for owner in _value_of(node.value, scope)
            for held in options(getattr(owner, "items", {}).get(key) if isinstance(getattr(owner, "items", None), dict) else None)
        ]
    return []


def _option_behind(facts: Facts, node: ast.AST, scope: Scope) -> Option | None:
    """The script's own option that an expression's value comes from: the very value of the parsed arguments."""
    held = [value for value in _value_of(node, scope) if isinstance(value, Literal)]
    for candidate in facts.trace.objects:
        if candidate.kind != "argparse.Namespace":
            continue
        declared = {option.destination: option for option in options_of(candidate)}
        for name, value in candidate.attributes.items():
            if name in declared and any(option is mine for option in options(value) for mine in held):
                return declared[name]
    return None


def _long(option: Option) -> str:
    """The flag to set an option by."""
    return next((flag for flag in option.flags if flag.startswith("--")), option.flags[0])


def _default_literal(facts: Facts, option: Option) -> Range | None:
    """Where an option's default stands in the source."""
    file = facts.project.files.get(option.place.file)
    if file is None:
        return None
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and file.place(node) == option.place:
            for keyword in node.keywords:
                if keyword.arg == "default":
                    return Range(file.place(keyword.value), file.end(keyword.value))
    return None


def _literal_behind(node: ast.AST, scope: Scope) -> tuple[Range, Any] | None:
    """The literal that gives an expression its value: itself, or the one its name is assigned."""
    if isinstance(node, ast.Constant):
        return Range(scope.file.place(node), scope.file.end(node), scope), node.value
    if not isinstance(node, ast.Name):
        return None
    inner: Scope | None = scope
    while inner is not None:
        assigned = [
            statement
            for statement in _statements(body_of(inner))
            if isinstance(statement, (ast.Assign, ast.AnnAssign))
            and any(isinstance(t, ast.Name) and t.id == node.id for t in _targets(statement))
        ]
        if assigned:
            value = assigned[0].value
            if len(assigned) == 1 and isinstance(value, ast.Constant):
                return Range(inner.file.place(value), inner.file.end(value), inner), value.value
            return None
        if node.id in inner.variables:
            return None
        inner = inner.parent
    return None


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    """What an assignment binds."""
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _statements(body: list[ast.stmt]):
    """Statements, those of blocks inside them too, functions and classes aside."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def plan_paths(facts: Facts, parser: ParserPlan | None, taken: set[str]) -> list[Setting]:
    """The options that say where the data lies: the script's own, and one for each literal path that can have one."""
    settings: list[Setting] = []
    literals: dict[str, Setting] = {}
    for path in facts.data.paths if facts.data else ():
        if path.option is not None:
            settable = any(flag.startswith("-") for flag in path.option.flags) and isinstance(path.option.default, str)
            if settable and not any(s.destination == path.option.destination for s in settings):
                settings.append(
                    Setting(
                        _long(path.option), path.option.destination, path.option.default, "str", "", True,
                        path_kind=path.kind,
                    )  # fmt: skip
                )
            continue
        literal = _literal_of(path)
        if literal is None or path.value is None or parser is None or not reaches(parser, literal.scope):
            continue
        if path.value in literals:
            settings.append(_again(literals[path.value], literal))
            continue
        base = "data_dir" if path.kind == "directory" else "data_path"
        name = free_option(base, taken | {s.destination for s in settings})
        setting = Setting(_flag(name), name, path.value, "str", "where the data lies", False, literal, path.kind, True)
        literals[path.value] = setting
        settings.append(setting)
    return settings


def _literal_of(path: PathFact) -> Range | None:
    """The string literal a path is written as, at its use or where its name is assigned."""
    expression: Expression = path.expression
    found = _literal_behind(expression.node, expression.scope)
    return found[0] if found is not None and isinstance(found[1], str) else None


def _again(setting: Setting, literal: Range) -> Setting:
    """The same setting at another place that names the same path."""
    return Setting(
        setting.option, setting.destination, setting.default, setting.kind, "", True, literal, setting.path_kind, True
    )


def free_option(base: str, taken: set[str]) -> str:
    """A destination that no option of the script has."""
    return next(name for name in (base, *(f"{base}_{number}" for number in range(2, 1000))) if name not in taken)


def _flag(destination: str) -> str:
    """The flag of a destination."""
    return f"--{destination.replace('_', '-')}"


def reaches(parser: ParserPlan, scope: Scope | None) -> bool:
    """True where the parsed arguments can be read in a scope by their name."""
    if scope is None:
        return False
    if parser.scope.parent is None:
        return scope.module is parser.scope and (
            not parser.existing or parser.variable not in scope.variables or scope is parser.scope
        )
    return scope is parser.scope
