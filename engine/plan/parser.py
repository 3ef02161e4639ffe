"""Where the options of the client are declared, and how their values are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.facts import ArgumentsFact, Facts
from engine.facts.source_text import DEFINITIONS
from engine.facts.values import Object, Scope, options
from engine.plan.literals import Range, is_default
from engine.plan.names import Names
from engine.result import Place
from engine.source import SourceFile

# Whatever may read the command line beside argparse; code that is executed from a file may, too.
READS_ARGUMENTS = re.compile(
    r"\bargv\b|\bexec\(|\b(import|from) (click|typer|fire|absl|hydra|tyro|docopt|simple_parsing|jsonargparse|plac)\b"
    r"|\b(HfArgumentParser|cli_main|OptionParser|getopt)\b"
)


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
        elif _is_setting(statement) or isinstance(statement, (*DEFINITIONS, ast.For, ast.While, ast.With)):
            break
    return file.place(body[min(last_import + 1, len(body) - 1)])


def _is_setting(statement: ast.stmt) -> bool:
    """True for ``DATA = "./data"`` and the like, which an option may replace; not for ``__author__``."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    if statement.targets[0].id.startswith("__"):
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


def parsed_at(facts: Facts, parser: ParserPlan) -> int | None:
    """The number of the call that gives the script its own parsed arguments; None for a parser of ours."""
    if not parser.existing:
        return None
    parsing = (event for event in facts.trace.events if event.scope is parser.scope and event.statement is not None)
    bound = (e.number for e in parsing if e.scope.file.place(e.statement) == parser.bound_after)
    return next(bound, None)


def how_to_read(destination: str, parser: ParserPlan, place: Range, names: Names) -> str | None:
    """How a parsed value is read at a place: from the parsed arguments where these are at hand, else from
    ``site_settings``, which client.py fills in; None where neither works."""
    if place.scope is None:
        return None
    if reaches(parser, place):
        return f"{parser.variable}.{destination}"
    if place.scope.parent is not None and not place.scope.is_class and not is_default(place):
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
    evaluated_at_once = scope.is_class or is_default(place)
    return parsed and not parser.existing if evaluated_at_once else True


def _inside(scope: Scope, outer: Scope) -> Iterator[Scope]:
    """A scope and those around it, up to an outer one."""
    inner: Scope | None = scope
    while inner is not None and inner is not outer:
        yield inner
        inner = inner.parent
