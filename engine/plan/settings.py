"""What the job sets on the client's command line: local epochs, data location, parts of the data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.facts import ArgumentsFact, Expression, Facts, LoopFact, PathFact
from engine.facts.configuration import Option
from engine.facts.trace import Call, Event
from engine.facts.values import Literal, LocalModule, Mapping, Object, Scope, Value, options, plain
from engine.plan.names import Names
from engine.result import Place
from engine.source import SourceFile

# Whatever may read the command line beside argparse; code that is executed from a file may, too.
READS_ARGUMENTS = re.compile(
    r"\bargv\b|\bexec\(|\b(import|from) (click|typer|fire|absl|hydra|tyro|docopt|simple_parsing|jsonargparse|plac)\b"
    r"|\b(HfArgumentParser|cli_main|OptionParser|getopt)\b"
)

F_STRING = re.compile(r"""(?P<open>[rR]?[fF][rR]?(\"{3}|'{3}|"|'))(?P<head>[^{}\\]*)(?=\{[^{])""")


@dataclass(frozen=True)
class Setting:
    """A value that an option of the client sets.

    Attributes:
        option: the flag, such as ``--epochs``.
        destination: the attribute it is read by.
        default: its default; for the epochs, how many the script trains by default.
        kind: ``int``, ``float`` or ``str``.
        help: one line for ``--help``.
        declared: True where the script declares the option itself.
        literal: the source range the value stands in, where it is a literal to be replaced.
        reader: how the value is read where the literal stands; empty where the literal stays.
        text: what stands there then, where that is more than how the value is read.
        path_kind: for a data path: ``directory``, ``file`` or ``any``.
        passed: the call the value is passed to, where the literal is the default of a parameter.
        early: True where it is read before the script parses its command line: ``site_settings`` takes it from there.
        beyond: by how much the number in the source exceeds the number of epochs: ``range(1, 10)`` has 9 epochs.
    """

    option: str
    destination: str
    default: Any
    kind: str
    help: str
    declared: bool
    literal: Range | None = None
    path_kind: str = ""
    reader: str = ""
    text: str = ""
    passed: Passed | None = None
    beyond: int = 0
    early: bool = False


@dataclass(frozen=True)
class Range:
    """A range of source, with the scope it stands in."""

    place: Place
    end: Place
    scope: Scope | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, node: ast.AST, scope: Scope) -> Range:
        """The range of a node."""
        return cls(scope.file.place(node), scope.file.end(node), scope)


@dataclass(frozen=True)
class Passed:
    """An argument added to a call.

    Attributes:
        call: the range of the call.
        parameter: the name of the argument.
    """

    call: Range
    parameter: str


@dataclass(frozen=True)
class ParserPlan:
    """Where options are declared and their values read.

    Attributes:
        variable: the name the parsed arguments have.
        existing: True where the script has its own parser.
        parser: the name of the parser.
        declare_at: the statement beside which options are declared.
        declare_after: after that statement rather than before it.
        bound_after: the statement after which the parsed arguments can be read.
        scope: where the parsed arguments are bound.
        bound_file: the file all that stands in.
        alone: True where nothing else reads the command line.
    """

    variable: str
    existing: bool
    parser: str
    declare_at: Place
    declare_after: bool
    bound_after: Place
    scope: Scope = field(compare=False, repr=False)
    bound_file: SourceFile = field(compare=False, repr=False)
    alone: bool = True


def plan_parser(facts: Facts, names: Names) -> ParserPlan:
    """The script's own parser where it can be extended, else one of ours; beside a command line that cannot be
    extended, ours takes its options out of the command line before the script reads it."""
    arguments = facts.arguments
    if arguments.kind == "argparse" and arguments.parse is not None and arguments.parser:
        binding = _binding_of_namespace(facts)
        declaration = _declaration(facts, arguments)
        if binding is not None and declaration is not None:
            statement, variable, scope = binding
            return ParserPlan(variable, True, *declaration, scope.file.place(statement), scope, scope.file)
    entry = facts.project.entry
    module = facts.trace.modules[entry.name].scope
    place = first_code(entry)
    alone = arguments.kind == "none" and not any(READS_ARGUMENTS.search(f.text) for f in facts.project.files.values())
    return ParserPlan(names.args, False, names.parser, place, False, place, module, entry, alone)


def _declaration(facts: Facts, arguments: ArgumentsFact) -> tuple[str, Place, bool] | None:
    """The parser's name and the statement beside which options are declared: right before the arguments are parsed
    where the parser has a name there, else after the last option it declares."""
    assert arguments.parse is not None
    if arguments.parser.replace(".", "").isidentifier():
        return arguments.parser, arguments.parse.place, False
    declared = [
        event for event in facts.trace.named(".add_argument")
        if isinstance(event.statement, ast.Expr) and isinstance(event.node.func, ast.Attribute)
        and isinstance(event.node.func.value, ast.Name)
    ]  # fmt: skip
    if not declared:
        return None
    last = declared[-1]
    return ast.unparse(last.node.func.value), last.scope.file.place(last.statement), True


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
    last_import = 0 if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else -1
    for position, statement in enumerate(body):
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            last_import = position
        elif _is_setting(statement):
            break
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.With)):
            break
    return file.place(body[min(last_import + 1, len(body) - 1)])


def _is_setting(statement: ast.stmt) -> bool:
    """True for ``DATA = "./data"`` and the like, which an option may replace."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    plain_parts = (
        ast.Constant,
        ast.Tuple,
        ast.List,
        ast.UnaryOp,
        ast.unaryop,
        ast.expr_context,
        ast.BinOp,
        ast.operator,
    )
    return all(isinstance(node, plain_parts) for node in ast.walk(statement.value))


def plan_epochs(facts: Facts, parser: ParserPlan, names: Names) -> Setting | None:
    """The option that sets the local epochs of one round; None where the loop's length cannot be set."""
    loop = facts.loop
    if loop is None or loop.count is None:
        return None
    counts = [leaf for leaf in leaves(loop.count) if isinstance(leaf.value, int) and leaf.value > 1]
    counts = [leaf for leaf in counts if leaf.option is not None] or counts
    for leaf in counts:
        beyond = _beyond(loop, leaf)
        if beyond is None or leaf.value - beyond < 1:
            continue
        if leaf.option is not None and leaf.option.positional:
            continue  # it has no flag by which the job could set it
        if leaf.option is not None:
            place = Range.of(*leaf.written) if leaf.written is not None else None
            epochs = leaf.value - beyond
            return Setting(flag_of(leaf.option), leaf.option.destination, epochs, "int", "", True, place, beyond=beyond)
        if leaf.written is not None and leaf.source != "config":
            place = Range.of(*leaf.written)
            call = defaulting_call(facts, place)
            read_at = Range.of(call.node, call.caller) if call is not None else place
            name = free_option("epochs", {option.destination for option in facts.arguments.options})
            reader = how_to_read(name, parser, read_at, names, facts)
            early = reader is None
            reader = reader or f"{names.site_settings}.{name}"
            reader += f" {'+' if beyond > 0 else '-'} {abs(beyond)}" if beyond else ""
            passed = Passed(read_at, parameter_of(place)) if call is not None else None
            return Setting(
                flag(name),
                name,
                leaf.value - beyond,
                "int",
                "local epochs of one round",
                False,
                place,
                reader=reader,
                passed=passed,
                beyond=beyond,
                early=early,
            )
    return None


def _beyond(loop: LoopFact, leaf: Literal) -> int | None:
    """By how much a number exceeds the number of epochs; None for one that does not say how many there are.

    It is the number of epochs itself, or the end of a count whose start or last pass make up the difference.
    """
    if loop.epochs is None:
        return None if loop.kind == "while" else 0
    beyond = leaf.value - loop.epochs
    starts = [plain(value) for value in value_of(loop.start.node, loop.start.scope)] if loop.start else []
    ends = [plain(value) for value in value_of(loop.count.node, loop.count.scope)] if loop.kind == "while" else []
    return beyond if beyond == 0 or starts == [beyond] or leaf.value in ends else None


def defaulting_call(facts: Facts, place: Range) -> Call | None:
    """The call on the way to the epoch loop that leaves a parameter at the default that stands at a place."""
    for call in facts.loop.calls if facts.loop else ():
        arguments = call.function.node.args
        defaults = [*arguments.defaults, *[d for d in arguments.kw_defaults if d is not None]]
        if any(call.function.file.place(default) == place.place for default in defaults) and isinstance(
            call.node, ast.Call
        ):
            return call
    return None


def parameter_of(place: Range) -> str:
    """The parameter whose default stands at a place."""
    assert place.scope is not None
    for node in ast.walk(place.scope.file.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
            pairs = [*zip(names[len(names) - len(node.args.defaults) :], node.args.defaults, strict=True)]
            pairs += [
                (a.arg, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None
            ]
            for name, default in pairs:
                if place.scope.file.place(default) == place.place:
                    return name
    return ""


def leaves(expression: Expression) -> Iterator[Literal]:
    """The known values an expression is made of, the outermost names first."""
    for node in ast.walk(expression.node):
        for value in value_of(node, expression.scope):
            yield from origins(value)


def origins(value: Value) -> Iterator[Literal]:
    """The values a value was made of, back to where each is written."""
    if not isinstance(value, Literal):
        return
    if value.parts and value.option is None:
        for part in value.parts:
            yield from origins(part)
    else:
        yield value


def value_of(node: ast.AST, scope: Scope) -> list[Value]:
    """What a constant, name, attribute or subscript stands for."""
    if isinstance(node, ast.Constant):
        return [Literal(node.value, written=(node, scope))]
    if isinstance(node, ast.Name):
        return options(scope.look_up(node.id))
    if isinstance(node, ast.Attribute):
        owners = [owner for owner in value_of(node.value, scope) if isinstance(owner, (Object, LocalModule))]
        held = [o.attributes if isinstance(o, Object) else o.scope.variables for o in owners]
        return [value for attributes in held for value in options(attributes.get(node.attr))]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        owners = [owner for owner in value_of(node.value, scope) if isinstance(owner, Mapping)]
        return [held for owner in owners for held in options(owner.items.get(node.slice.value))]
    return []


def plan_paths(facts: Facts, parser: ParserPlan, names: Names, taken: set[str]) -> list[Setting]:
    """The options that say where the data lies: the script's own, and one for each literal path that can have one."""
    found: list[Setting] = []
    paths = facts.data.paths if facts.data else ()
    early = {path.value for path in paths if path.option is None and _is_early(path, parser, names, facts)}
    for path in paths:
        option = path.option
        if option is not None:
            if any(f.startswith("-") for f in option.flags) and not any(
                s.destination == option.destination for s in found
            ):
                found.append(
                    Setting(flag_of(option), option.destination, path.value, "str", "", True, path_kind=path.kind)
                )
            continue
        if not is_settable(path):
            continue
        place = literal_of(path)
        known = next((s for s in found if s.default == path.value and s.reader), None)
        base = "data_dir" if path.kind == "directory" else "data_path"
        name = known.destination if known else free_option(base, taken | {s.destination for s in found})
        is_early = path.value in early
        reader = f"{names.site_settings}.{name}" if is_early else how_to_read(name, parser, place, names, facts)
        if reader is not None and not any(s.literal == place for s in found):
            joined = _in_text(path, reader) if isinstance(path.expression.node, ast.JoinedStr) else None
            found.append(
                Setting(
                    flag(name),
                    name,
                    path.value,
                    "str",
                    "where the data lies",
                    known is not None,
                    place,
                    path.kind,
                    reader,
                    joined or "",
                    early=is_early,
                )
            )
    return found


def fixed_paths(facts: Facts, found: list[Setting]) -> list[PathFact]:
    """The paths that no option sets: written in the source, or the defaults of arguments without a flag."""
    paths = facts.data.paths if facts.data else ()
    written = [p for p in paths if p.option is not None and isinstance(p.expression.node, ast.Constant)]
    positional = [p for p in written if p.option.positional]
    return positional + [
        p for p in paths if p.option is None and p.value and not any(s.literal == literal_of(p) for s in found)
    ]


def is_settable(path: PathFact) -> bool:
    """True for a path that stands in the source as a literal of its own, or begins an f-string."""
    if path.value is None or not isinstance(path.expression.node, (ast.Constant, ast.JoinedStr)):
        return False
    return isinstance(path.expression.node, ast.Constant) or _in_text(path, "") is not None


def _in_text(path: PathFact, reader: str) -> str | None:
    """An f-string with the value that is read in place of the path it begins with; None where it does not."""
    found = F_STRING.match(path.expression.text)
    if found is None or found["head"] != path.value:
        return None
    return f"{found['open']}{{{reader}}}{path.expression.text[found.end() :]}"


def literal_of(path: PathFact) -> Range:
    """Where a path is written."""
    return Range(path.expression.place, path.expression.end, path.expression.scope)


def _is_early(path: PathFact, parser: ParserPlan, names: Names, facts: Facts) -> bool:
    """True for a literal path that the program needs before the script's arguments are at hand."""
    return is_settable(path) and (
        _runs_early(path.event, parser, facts) or how_to_read("", parser, literal_of(path), names, facts) is None
    )


def _runs_early(event: Event, parser: ParserPlan, facts: Facts) -> bool:
    """True for a call made while a module is imported, or before the script's own arguments are parsed."""
    outermost = event.calls[0].caller if event.calls else event.scope
    if outermost.module is not facts.trace.modules[facts.project.entry.name].scope:
        return True
    parsed = parsed_at(facts, parser)
    return parsed is not None and event.number < parsed


def parsed_at(facts: Facts, parser: ParserPlan) -> int | None:
    """The number of the call that gives the script its own parsed arguments; None for a parser of ours."""
    if not parser.existing:
        return None
    parsing = (event for event in facts.trace.events if event.scope is parser.scope and event.statement is not None)
    bound = (e.number for e in parsing if e.scope.file.place(e.statement) == parser.bound_after)
    return next(bound, None)


def how_to_read(destination: str, parser: ParserPlan, place: Range, names: Names, facts: Facts) -> str | None:
    """How a parsed value is read at a place: from the parsed arguments where these are at hand, else from
    ``site_settings``, which client.py fills in; None where neither works."""
    if place.scope is None:
        return None
    if reaches(parser, place):
        return f"{parser.variable}.{destination}"
    if place.scope.parent is not None and not place.scope.is_class and not _is_default(place):
        return f"{names.site_settings}.{destination}"
    return None


def reaches(parser: ParserPlan, place: Range) -> bool:
    """True where the parsed arguments can be read by their name, and have been parsed by then."""
    scope = place.scope
    if scope is None:
        return False
    parsed = place.place > parser.bound_after or not parser.existing and place.place == parser.bound_after
    if scope is parser.scope:
        return parsed
    if scope.module is not parser.scope or any(parser.variable in s.variables for s in _inside(scope, parser.scope)):
        return False
    evaluated_at_once = scope.is_class or _is_default(place)
    return parsed and not parser.existing if evaluated_at_once else True


def _inside(scope: Scope, outer: Scope) -> Iterator[Scope]:
    """A scope and those around it, up to an outer one."""
    inner: Scope | None = scope
    while inner is not None and inner is not outer:
        yield inner
        inner = inner.parent


def _is_default(place: Range) -> bool:
    """True for a literal among a function's parameters: it is evaluated where the function is defined."""
    assert place.scope is not None
    for node in ast.walk(place.scope.file.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            defaults = [*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]]
            if any(place.scope.file.place(default) == place.place for default in defaults):
                return True
    return False


def flag_of(option: Option) -> str:
    """The flag to set an option by."""
    return next((flag for flag in option.flags if flag.startswith("--")), option.flags[0])


def free_option(base: str, taken: set[str]) -> str:
    """A destination that no option of the script has."""
    return next(name for name in (base, *(f"{base}_{number}" for number in range(2, 1000))) if name not in taken)


def flag(destination: str) -> str:
    """The flag of a destination."""
    return f"--{destination.replace('_', '-')}"
