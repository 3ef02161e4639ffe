"""Where settings come from: argparse, click, dataclasses and configuration files read as data."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.facts.paths import beside_script, written_path
from engine.facts.trace import is_default
from engine.facts.values import (
    ARGUMENTS,
    CONFIG,
    Function,
    Literal,
    Mapping,
    Object,
    Scope,
    Sequence,
    Unknown,
    Value,
    choose,
    plain,
    written_parts,
)
from engine.result import Place
from engine.source import SourceFile

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter

PARSERS = {"argparse.ArgumentParser", "configargparse.ArgParser", "configargparse.ArgumentParser", "tap.Tap"}
LOADERS = {"json.load", "json.loads", "yaml.load", "yaml.safe_load", "yaml.full_load", "toml.load", "tomllib.load"}
NAMED_SETTINGS = re.compile(r"conf|cfg|setting|param|option|hyper|args|model|arch", re.IGNORECASE)
TRAINS = re.compile(r"train|fit$|run$|main$")
LARGEST_CONFIGURATION = 1_000_000


@dataclass(frozen=True)
class Option:
    """One option of the script's own command line.

    Attributes:
        flags: as written, such as ``("--epochs", "-e")``; a positional argument has its name.
        destination: the attribute it is read by.
        default: its default; ``...`` where it is not known.
        required: True where the script does not start without it.
        kind: ``int``, ``float``, ``str``, ``bool`` or empty.
        place: of the call that declares it.
    """

    flags: tuple[str, ...]
    destination: str
    default: Any
    required: bool
    kind: str
    place: Place

    @property
    def positional(self) -> bool:
        """True for an argument without a flag."""
        return not self.flags[0].startswith("-")


def parser_method(
    interpreter: Interpreter, receiver: Object, method: str, node: ast.Call, scope: Scope, args: list[Value],
    kwargs: dict[str, Value],
) -> Value | None:  # fmt: skip
    """A method of an argument parser; None for any other object."""
    if receiver.kind == "argparse.subparsers" and method == "add_parser":
        return _command(receiver, node, scope, args)
    parser = parser_of(receiver)
    if parser is None:
        return None
    if method == "add_subparsers":
        return Object("argparse.subparsers", scope.file.place(node), node, receiver=parser, kwargs=kwargs, scope=scope)
    if method in ("add_argument_group", "add_mutually_exclusive_group"):
        group = Object("argparse.group", scope.file.place(node), node, receiver=parser, scope=scope)
        return group
    if method == "add_argument":
        option = _option(node, scope, args, kwargs)
        if option:
            parser.attributes.setdefault("#options", Mapping({}))
            parser.attributes["#options"].items[option.destination] = (option, _default(option, kwargs))
        return Literal(None)
    if method == "set_defaults":
        for name, value in kwargs.items():
            parser.attributes.setdefault("#defaults", Mapping({})).items[name] = _as_argument(value)
        return Literal(None)
    if method in ("parse_args", "parse_known_args"):
        namespace = _namespace(interpreter, parser, node, scope, _written_line(args, kwargs))
        return Sequence([namespace, Unknown()], "tuple") if method == "parse_known_args" else namespace
    return Unknown()


def parser_of(receiver: Object) -> Object | None:
    """The parser an object is, or is a group of."""
    if receiver.kind == "argparse.group" and isinstance(receiver.receiver, Object):
        return receiver.receiver
    if receiver.kind in PARSERS or (receiver.cls is not None and receiver.cls.derives_from(*PARSERS)):
        return receiver
    return None


def _command(subparsers: Object, node: ast.Call, scope: Scope, args: list[Value]) -> Object:
    """The parser of one of several commands of a script."""
    command = Object("argparse.ArgumentParser", scope.file.place(node), node, args=args, scope=scope)
    if isinstance(subparsers.receiver, Object):
        subparsers.receiver.attributes.setdefault("#subparsers", subparsers)
        subparsers.attributes[str(plain(args[0]) if args else "")] = command
    return command


def _chosen_command(parser: Object, given: tuple[str, ...]) -> tuple[str, Object | None]:
    """The command of a script that is given, else the one that is named like a training, with its parser."""
    subparsers = parser.attributes.get("#subparsers")
    commands = subparsers.attributes if isinstance(subparsers, Object) else {}
    named = [name for name in commands if name in given] + [name for name in commands if TRAINS.match(name)]
    name = next(iter([*named, *commands]), "")
    return name, commands.get(name)


def _option(node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]) -> Option | None:
    """The option that an ``add_argument`` call declares."""
    flags = tuple(value for value in map(plain, args) if isinstance(value, str))
    if not flags:
        return None
    long = next((flag for flag in flags if flag.startswith("--")), flags[0])
    destination = plain(kwargs.get("dest")) if "dest" in kwargs else long.lstrip("-").replace("-", "_")
    positional = not flags[0].startswith("-")
    required = plain(kwargs.get("required")) is True or (positional and plain(kwargs.get("nargs")) not in ("?", "*"))
    kind = next((k.value.id for k in node.keywords if k.arg == "type" and isinstance(k.value, ast.Name)), "")
    action = plain(kwargs.get("action")) if "action" in kwargs else None
    default = plain(kwargs["default"]) if "default" in kwargs else None
    if action in ("store_true", "store_false"):
        kind, default = "bool", default if default not in (None, ...) else action == "store_false"
    return Option(flags, str(destination), default, required and default is None, kind, scope.file.place(node))


def _given(options: list[Option], words: tuple[str, ...]) -> dict[str, tuple[Option, Value]]:
    """The options that a command line sets, with the values it gives them, by destination."""
    found: dict[str, tuple[Option, Value]] = {}
    positional = [option for option in options if option.positional]
    waiting: Option | None = None
    for word in words:
        flag, _, value = word.partition("=")
        named = next((option for option in options if flag in option.flags), None) if word.startswith("-") else None
        if named is not None and not value:
            waiting = None if named.kind == "bool" else named
            if isinstance(named.default, bool):
                switched = replace(named, default=not named.default)
                found[named.destination] = (switched, _default(switched, {}))
            continue
        option = named or waiting or (positional.pop(0) if positional and not word.startswith("-") else None)
        waiting = None
        if option is not None:
            option = replace(option, default=value if named else word)
            found[option.destination] = (option, _default(replace(option, required=False), {}))
    return found


def _default(option: Option, kwargs: dict[str, Value]) -> Value:
    """The value an option has when it is not given."""
    if option.required or option.default is ...:
        return _as_argument(kwargs["default"], option) if "default" in kwargs else Unknown(ARGUMENTS, option)
    default = option.default
    if isinstance(default, str) and option.kind in ("int", "float"):
        try:
            default = {"int": int, "float": float}[option.kind](default)
        except ValueError:
            return Unknown(ARGUMENTS, option)
    written = getattr(kwargs.get("default"), "written", None)
    if isinstance(default, (list, dict)):
        return _as_argument(kwargs["default"], option)
    return Literal(default, ARGUMENTS, written, option=option)


def _as_argument(value: Value, option: Option | None = None) -> Value:
    """A default as a value the user can override."""
    known = plain(value)
    if isinstance(known, (list, tuple)):
        return Sequence([Literal(item, ARGUMENTS, option=option) for item in known])
    written = getattr(value, "written", None)
    if known is ... and option is not None:
        known = beside_script(value) or written_path(value) or known
    return Literal(known, ARGUMENTS, written, option=option) if known is not ... else value


def _written_line(args: list[Value], kwargs: dict[str, Value]) -> tuple[str, ...] | None:
    """The command line that a script writes itself: ``parse_args(["--lr", "0.1"])``; None where it is given one."""
    line = plain(args[0] if args else kwargs.get("args"))
    return tuple(map(str, line)) if isinstance(line, (list, tuple)) or line == "" else None


def _namespace(
    interpreter: Interpreter, parser: Object, node: ast.Call, scope: Scope, line: tuple[str, ...] | None
) -> Object:
    """What ``parse_args()`` gives back: a command line written in the script, then what the user gives after it."""
    namespace = Object("argparse.Namespace", scope.file.place(node), node, receiver=parser, scope=scope)
    namespace.attributes["#written"] = Literal(line is not None)
    line = (*(line or ()), *interpreter.arguments)
    command, chosen = _chosen_command(parser, line)
    for one in filter(None, (parser, chosen)):
        declared = one.attributes.get("#options", Mapping({})).items
        words = tuple(word for word in line if word != command)
        declared.update(_given([option for option, _ in declared.values()], words))
        for name, (_, default) in declared.items():
            namespace.attributes[name] = default
        namespace.attributes.update(one.attributes.get("#defaults", Mapping({})).items)
    if chosen is not None:
        destination = plain(parser.attributes["#subparsers"].kwargs.get("dest"))
        namespace.attributes[str(destination)] = Literal(command, ARGUMENTS)
        namespace.attributes["#command"] = chosen
    interpreter.trace.objects.append(namespace)
    return namespace


def options_of(namespace: Object) -> list[Option]:
    """The options behind what ``parse_args()`` gave back, those of a script's chosen command among them."""
    parsers = [namespace.receiver, namespace.attributes.get("#command")]
    return [option for parser in parsers if isinstance(parser, Object) for option in declared_by(parser)]


def declared_by(parser: Object) -> list[Option]:
    """The options that an argument parser declares itself."""
    return [option for option, _ in parser.attributes.get("#options", Mapping({})).items.values()]


def command_of(namespace: Object) -> tuple[str, Object] | None:
    """The command that a script was given by ``parse_args()``, with its parser; None where it has no commands."""
    chosen = namespace.attributes.get("#command")
    return (str(plain(chosen.args[0])), chosen) if isinstance(chosen, Object) and chosen.args else None


def bind_command_options(interpreter: Interpreter, function: Function, scope: Scope) -> None:
    """Give the parameters of a click, typer or hydra command their defaults."""
    for decorator in function.decorators:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "hydra.main":
            _bind_hydra(function, scope, decorator)
        if not isinstance(decorator, ast.Call) or not ast.unparse(decorator.func).endswith((".option", ".argument")):
            continue
        flags = [a.value for a in decorator.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
        name = long.lstrip("-").split("/")[0].replace("-", "_")
        if not name or not isinstance(scope.variables.get(name), Unknown):
            continue
        default = next((k.value for k in decorator.keywords if k.arg == "default"), None)
        known = plain(interpreter.value(default, function.scope)) if default is not None else ...
        scope.variables[name] = Literal(known, ARGUMENTS) if known is not ... else Unknown(ARGUMENTS)


def _bind_hydra(function: Function, scope: Scope, decorator: ast.Call) -> None:
    """Give the first parameter of a hydra program the configuration file that its decorator names."""
    given = {k.arg: k.value.value for k in decorator.keywords if isinstance(k.value, ast.Constant)}
    name, folder = given.get("config_name"), given.get("config_path") or "."
    parameters = [parameter.arg for parameter in function.node.args.args]
    if not isinstance(name, str) or not parameters:
        return
    for suffix in ("", ".yaml", ".yml"):
        data = read_configuration(function.file, function.file.path.parent, f"{folder}/{name}{suffix}")
        if isinstance(data, dict):
            scope.variables[parameters[0]] = as_value(data)


def external(
    interpreter: Interpreter, name: str, node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]
) -> Value | None:
    """A call that reads a configuration file of the project; None for any other."""
    if name not in LOADERS or not args:
        return None
    for opened in [args[0], getattr(args[0], "receiver", None)]:
        if not isinstance(opened, Object) or not opened.kind.startswith(("builtins.open", "pathlib.Path")):
            continue
        named = opened.receiver or next(iter(opened.args), None)
        parts = list(written_parts(named))
        texts = (part.value for part in parts if isinstance(part, Literal) and isinstance(part.value, str))
        path = beside_script(named) or next(texts, None)
        data = read_configuration(scope.file, interpreter.project.root, path) if path else None
        if data is not None and not is_data(str(path), data):
            interpreter.trace.settings_files.append(opened)
            return as_value(data)
        asks = is_default(interpreter.path)
        needed = [part.option for part in parts if asks and part.option is not None and plain(part) in (None, ...)]
        interpreter.trace.needed_options += [one for one in needed if one not in interpreter.trace.needed_options]
    return None


def is_data(name: str, content: Any) -> bool:
    """True for a JSON file of records, several mappings or lists in a list, unless its name calls it settings: data,
    which stays at its site.

    Args:
        name: its path, as it is written.
        content: what was read from it.
    """
    return name.endswith(".json") and not NAMED_SETTINGS.search(name) and _holds_records(content)


def _holds_records(content: Any) -> bool:
    """True where several mappings or lists stand in one list."""
    if isinstance(content, dict):
        return any(map(_holds_records, content.values()))
    inner = [part for part in content if isinstance(part, (dict, list))] if isinstance(content, list) else []
    return len(inner) > 1 or any(map(_holds_records, inner))


def read_configuration(file: SourceFile, root: Path, name: str) -> Any:
    """The contents of a JSON, YAML or TOML file of the project, as data; None where it cannot be had."""
    for folder in (file.path.parent, root):
        path = folder / name
        if (
            not path.is_file()
            or path.stat().st_size > LARGEST_CONFIGURATION
            or root.resolve() not in path.resolve().parents
        ):
            continue
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".json":
                return json.loads(text)
            if path.suffix in (".yml", ".yaml"):
                import yaml

                return yaml.safe_load(text)
            if path.suffix == ".toml":
                import tomllib

                return tomllib.loads(text)
        except Exception:  # a configuration that cannot be read is not known; the script's own run will say so
            return None
    return None


def given_globals(interpreter: Interpreter, executed: ast.Call) -> dict[str, Value]:
    """What the command line gives the globals of a script, by name, where the script runs code that reads it there.

    Such code, after the configurator of nanoGPT, sets a global to ``--name=value``, and runs the files of assignments
    that are named.

    Args:
        executed: ``exec(open("configurator.py").read())``.
    """
    folder = interpreter.project.entry.path.parent
    written = [node.value for node in ast.walk(executed) if isinstance(node, ast.Constant)]
    if not any("sys.argv" in _text_of(folder / name) for name in written if isinstance(name, str)):
        return {}
    found: dict[str, Value] = {}
    for word in interpreter.arguments:
        name, equals, value = word.removeprefix("--").partition("=")
        if equals:
            found[name] = Literal(_evaluated(value, value), ARGUMENTS)
            continue
        for statement in _statements(_text_of(folder / word)):
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                known = _evaluated(ast.unparse(statement.value), ...)
                found[statement.targets[0].id] = Unknown(ARGUMENTS) if known is ... else Literal(known, ARGUMENTS)
    return found


def _text_of(path: Path) -> str:
    """The text of a small file; empty where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8") if 0 < path.stat().st_size < LARGEST_CONFIGURATION else ""
    except (OSError, ValueError):
        return ""


def _statements(text: str) -> list[ast.stmt]:
    """The statements of Python code; none where it is no such code."""
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return []


def _evaluated(text: str, otherwise: Any) -> Any:
    """The Python value that a text writes out; something else where it does not."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return otherwise


def as_value(data: Any) -> Value:
    """Configuration data as values."""
    if isinstance(data, dict):
        return Mapping({key: as_value(item) for key, item in data.items()})
    if isinstance(data, list):
        return Sequence([as_value(item) for item in data])
    return Literal(data, CONFIG)


__all__ = ["Option", "bind_command_options", "choose", "command_of", "external", "options_of", "parser_method"]
