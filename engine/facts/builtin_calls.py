"""Calls of Python's own and of well-known functions, by qualified name.

A handler is named after what it stands for. It gets the interpreter, the call, its scope and the values passed, and
gives what comes back; None where that is for the interpreter to tell, as of any other call.
"""

from __future__ import annotations

import ast
import os
import warnings
from dataclasses import replace
from pathlib import Path

from engine.facts import binding, expressions
from engine.facts.configuration import given_globals
from engine.facts.containers import any_member
from engine.facts.library import comes_from_data
from engine.facts.trace import Call
from engine.facts.values import (
    ARGUMENTS,
    CONSTANT,
    DATASET,
    LITERAL,
    Choice,
    EnvironmentVariable,
    External,
    Function,
    Literal,
    LocalModule,
    Mapping,
    Object,
    Scope,
    Sequence,
    Super,
    Unknown,
    Value,
    choose,
    each,
    least_certain,
    options,
    plain,
    source_of,
    written_parts,
)

MOST_MODULES = 32


def _super(interpreter, node, scope, args, kwargs) -> Value | None:
    inner: Scope | None = scope
    while inner is not None:
        calls = (entry for entry in reversed(interpreter.path) if isinstance(entry, Call))
        call = next((entry for entry in calls if entry.scope is inner), None)
        if call is not None and call.function.owner is not None and call.receiver is not None:
            return Super(call.receiver, call.function.owner)
        inner = inner.parent
    return None


def _getattr(interpreter, node, scope, args, kwargs) -> Value | None:
    if len(args) < 2:
        return None
    name = plain(args[1])
    if isinstance(name, str):
        return each(args[0], lambda option: expressions.attribute_of(interpreter, option, name, node, scope))
    names = [option.value for option in options(args[1]) if isinstance(option, Literal)]
    if isinstance(args[0], LocalModule):
        named = [expressions.module_attribute(interpreter, args[0], n) for n in names if isinstance(n, str)]
        return choose(named) if named else any_member(args[0])
    if isinstance(args[0], External):
        return External(f"{args[0].name}.?")
    return None


def _setattr(interpreter, node, scope, args, kwargs) -> Value | None:
    if len(args) == 3 and isinstance(plain(args[1]), str):
        binding.set_attribute(interpreter, args[0], plain(args[1]), args[2])
    return Literal(None)


def _eval(interpreter, node, scope, args, kwargs) -> Value | None:
    source = plain(args[0]) if args else ...
    if not isinstance(source, str):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for child in ast.walk(tree):
        ast.copy_location(child, node)
    return expressions.evaluate(interpreter, tree, scope)


def _globals(interpreter, node, scope, args, kwargs) -> Value:
    return Mapping(scope.module.variables)


def _vars(interpreter, node, scope, args, kwargs) -> Value | None:
    if args and isinstance(args[0], Object):
        return Mapping(args[0].attributes)
    return args[0] if args and isinstance(args[0], LocalModule) else None


def _dict(interpreter, node, scope, args, kwargs) -> Value:
    base = args[0] if args and isinstance(args[0], Mapping) else Mapping({})
    rest = [*base.rest, *[v for v in args if not isinstance(v, Mapping)]]
    return Mapping({**base.items, **{k: v for k, v in kwargs.items() if k != "**"}}, rest)


def _list(interpreter, node, scope, args, kwargs) -> Value | None:
    if not args:
        return Sequence([])
    if isinstance(args[0], Sequence):
        return Sequence(list(args[0].items))
    if isinstance(args[0], Object) and args[0].kind in ("builtins.generator", "builtins.list"):
        return args[0]
    return None


def _convert(kind: type):
    def convert(interpreter, node, scope, args, kwargs) -> Value | None:
        known = plain(args[0]) if args else ...
        if known is not ... and isinstance(known, (str, int, float)):
            try:
                return Literal(kind(known), source_of(args[0]), parts=(args[0],))
            except (ValueError, OverflowError):
                return None
        if args and isinstance(args[0], Unknown) and args[0].source:
            return args[0]
        return Unknown(DATASET) if args and comes_from_data(args[0]) else None

    return convert


def _fold(action):
    def fold(interpreter, node, scope, args, kwargs) -> Value | None:
        known = [plain(argument) for argument in args]
        if known and all(isinstance(value, (int, float)) for value in known) and len(known) > 1:
            return Literal(action(known), least_certain(args))
        return Unknown(DATASET) if any(comes_from_data(argument) for argument in args) else None

    return fold


def _len(interpreter, node, scope, args, kwargs) -> Value:
    measured = args[0] if args else Unknown()
    if isinstance(measured, Literal) and isinstance(measured.value, str):
        return Literal(len(measured.value), measured.source, parts=(measured,))
    if isinstance(measured, Sequence) and not measured.grows and not comes_from_data(measured):
        return Literal(len(measured.items), least_certain((measured,)), parts=(measured,))
    if isinstance(measured, Mapping) and not measured.rest:
        return Literal(len(measured.items), parts=(measured,))
    method = measured.cls.find("__len__") if isinstance(measured, Object) and measured.cls is not None else None
    if isinstance(method, Function) and not comes_from_data(measured):
        return interpreter.call_function(method, node, scope, [], {}, measured)
    if isinstance(measured, Choice):
        return each(measured, lambda option: _len(interpreter, node, scope, [option], {}))
    return Unknown(DATASET if comes_from_data(measured) else "")


def _join(interpreter, node, scope, args, kwargs) -> Value | None:
    parts = [plain(argument) for argument in args]
    if parts and all(isinstance(part, str) for part in parts):
        return Literal(os.path.join(*parts), least_certain(args), parts=tuple(args))
    return None


def _getcwd(interpreter, node, scope, args, kwargs) -> Value:
    return Literal(".", written=(node, scope))  # the script is run where it stands


def _environ_get(interpreter, node, scope, args, kwargs) -> Value:
    default = args[1] if len(args) > 1 else kwargs.get("default")
    if default is None:
        name = plain(args[0]) if args else ...
        variable = EnvironmentVariable(name=name, written=(node, scope)) if isinstance(name, str) else Unknown()
        return Literal(None, ARGUMENTS, parts=(variable,))
    known = plain(default)
    if known is ...:
        return Unknown()
    return Literal(known, ARGUMENTS, parts=(default,) if isinstance(known, str) else ())


def _namespace(interpreter, node, scope, args, kwargs) -> Value:
    result = interpreter.trace.add_object("types.SimpleNamespace", node, scope, args, kwargs)
    sources = [kwargs, *[argument.items for argument in args if isinstance(argument, Mapping)]]
    for source in sources:
        result.attributes.update({str(key): value for key, value in source.items() if key != "**"})
    return result


def _copy(interpreter, node, scope, args, kwargs) -> Value | None:
    original = args[0] if args else None
    if not isinstance(original, Object):
        return original
    result = interpreter.trace.add_object(original.kind, node, scope, args, kwargs, original)
    result.cls, result.attributes = original.cls, dict(original.attributes)
    return result


def _initialize(interpreter, node, scope, args, kwargs) -> Value:
    """``apex.amp.initialize(model, optimizer)`` and the like give their arguments back, wrapped."""
    return args[0] if len(args) == 1 else Sequence(list(args), "tuple")


def _import_module(interpreter, node, scope, args, kwargs) -> Value | None:
    name = plain(args[0]) if args else ...
    if isinstance(name, str):
        return _named_module(interpreter, name, scope.file.path.parent)
    prefix = next((part.value for part in written_parts(args[0]) if isinstance(part, Literal)), "") if args else ""
    if isinstance(prefix, str) and prefix.endswith("."):
        return _any_module(interpreter, prefix)
    return None


def _named_module(interpreter, name: str, folder: Path) -> Value:
    """A module by a name the program makes up: it belongs to the project as if it stood in an import."""
    module = interpreter.import_module(name.lstrip("."), folder if name.startswith(".") else None)
    if isinstance(module, LocalModule) and module.file is not None:
        interpreter.project.named_modules.append(module.file)
    return module


def _any_module(interpreter, prefix: str) -> Value | None:
    """Any module of a package of the project, where an unknown option says which."""
    package = interpreter.project.find_package(prefix.strip("."))
    names = sorted(path.stem for path in package.glob("*.py") if path.stem != "__init__") if package else []
    found = [_named_module(interpreter, f"{prefix}{name}", package) for name in names[:MOST_MODULES]]
    return choose(found) if found else None


def _exec(interpreter, node, scope, args, kwargs) -> None:
    """Code that is run may set any global: what the module has set so far becomes a default, unless the command line
    is known to set it."""
    given = given_globals(interpreter, node)
    for name, value in scope.module.variables.items():
        if isinstance(value, Literal) and value.source in (LITERAL, CONSTANT) and name != "__name__":
            scope.module.variables[name] = given.get(name) or replace(value, source=ARGUMENTS)


def _isinstance(interpreter, node, scope, args, kwargs) -> Value:
    return Unknown()


HANDLERS = {
    "builtins.super": _super, "builtins.getattr": _getattr, "builtins.setattr": _setattr, "builtins.eval": _eval,
    "builtins.globals": _globals, "builtins.locals": _globals, "builtins.vars": _vars, "builtins.dict": _dict,
    "collections.OrderedDict": _dict, "builtins.list": _list, "builtins.tuple": _list, "builtins.int": _convert(int),
    "builtins.float": _convert(float), "builtins.str": _convert(str), "builtins.max": _fold(max),
    "builtins.min": _fold(min), "builtins.sum": _fold(sum), "builtins.len": _len, "os.path.join": _join,
    "os.getcwd": _getcwd,
    "os.environ.get": _environ_get, "os.getenv": _environ_get, "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace, "easydict.EasyDict": _namespace, "munch.Munch": _namespace,
    "builtins.isinstance": _isinstance, "builtins.exec": _exec, "apex.amp.initialize": _initialize,
    "importlib.import_module": _import_module,
    "copy.deepcopy": _copy, "copy.copy": _copy,
}  # fmt: skip
