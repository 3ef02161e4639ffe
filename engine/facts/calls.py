"""Follow a call: of a function or class of the project, of a method, or of a library."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from engine.facts import builtin_calls, configuration
from engine.facts.library import ENDS_PROGRAM, MOST_ELEMENTS
from engine.facts.optimizers import ADDED_GROUPS
from engine.facts.source_text import defaults_of
from engine.facts.trace import Branch, Context, Loop
from engine.facts.values import (
    Bound,
    Class,
    External,
    Function,
    Literal,
    Mapping,
    Object,
    Parameters,
    Scope,
    Sequence,
    Unknown,
    Value,
    choose,
    least_certain,
    options,
    plain,
    plain_key,
)

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter

SAME_OBJECT = {
    "to", "cuda", "cpu", "double", "float", "half", "bfloat16", "train", "eval", "requires_grad_", "share_memory",
    "apply", "type", "contiguous", "copy", "clone", "prepare",
}  # fmt: skip
KEEPS_PARAMETERS = {
    "builtins.filter", "builtins.list", "builtins.tuple", "builtins.iter", "itertools.chain", "builtins.map",
}  # fmt: skip
PARAMETER_METHODS = {"parameters", "named_parameters"}
CONVERTS_IN_PLACE = {
    "convert_sync_batchnorm", "convert_syncbn_model", "convert_model", "parallelize_module", "fully_shard", "script",
    "prepare_qat", "prepare_model", "optimize_model",
}  # fmt: skip
WIDE_FIELD = re.compile(r"\d{4,}")
CALLS_ITS_ARGUMENT = {
    "torch.multiprocessing.spawn": (0, "fn"), "torch.multiprocessing.Process": (None, "target"),
    "multiprocessing.Process": (None, "target"), "fire.Fire": (0, "component"), "absl.app.run": (0, "main"),
    "asyncio.run": (0, "main"), "threading.Thread": (None, "target"), "tensorflow.app.run": (0, "main"),
    "torch.multiprocessing.start_processes": (0, "fn"), "typer.run": (0, "function"),
}  # fmt: skip


def dispatch(
    interpreter: Interpreter, node: ast.Call, scope: Scope, receiver: Value | None, callee: Value | None,
    args: list[Value], kwargs: dict[str, Value],
) -> Value:  # fmt: skip
    """Follow one call, with the receiver's or callee's kind decided."""
    details = {"receiver": receiver, "args": tuple(args), "kwargs": kwargs}
    if isinstance(callee, Function):
        event = interpreter.note_call(callee.qualified_name, node, scope, function=callee, **details)
        event.result = interpreter.call_function(callee, node, scope, args, kwargs)
    elif isinstance(callee, Bound):
        event = interpreter.note_call(callee.function.qualified_name, node, scope, function=callee.function, **details)
        event.receiver = callee.receiver
        event.result = interpreter.call_function(callee.function, node, scope, args, kwargs, callee.receiver)
    elif isinstance(callee, Class):
        event = interpreter.note_call(callee.qualified_name, node, scope, **details)
        event.result = interpreter.instantiate(callee, node, scope, args, kwargs)
    elif isinstance(callee, External):
        event = interpreter.note_call(callee.name, node, scope, **details)
        event.result = call_external(interpreter, callee.name, node, scope, args, kwargs)
    elif isinstance(callee, Object):
        event = interpreter.note_call("()", node, scope, **details)
        event.receiver = callee
        event.result = call_object(interpreter, callee, node, scope, args, kwargs)
    elif receiver is not None and isinstance(node.func, ast.Attribute):
        event = interpreter.note_call(f".{node.func.attr}", node, scope, **details)
        event.result = call_method(interpreter, receiver, node.func.attr, node, scope, args, kwargs)
    else:
        event = interpreter.note_call("?", node, scope, **details)
        event.result = interpreter.trace.add_object("?", node, scope, args, kwargs)
    return event.result


def call_object(
    interpreter: Interpreter, callee: Object, node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """Call an object: a model's forward is not followed, other ``__call__`` methods are."""
    if callee.kind == "functools.partial" and callee.args:
        merged = {**callee.kwargs, **kwargs}
        return dispatch(interpreter, node, scope, None, callee.args[0], [*callee.args[1:], *args], merged)
    if callee.cls is not None and not callee.is_module:
        method = callee.cls.find("__call__")
        if isinstance(method, Function):
            return interpreter.call_function(method, node, scope, args, kwargs, callee)
    return interpreter.trace.add_object(f"{callee.kind}()", node, scope, args, kwargs, callee)


def call_method(
    interpreter: Interpreter, receiver: Value, method: str, node: ast.Call, scope: Scope, args: list[Value],
    kwargs: dict[str, Value],
) -> Value:  # fmt: skip
    """Call a method that no local class defines."""
    if isinstance(receiver, Object):
        found = configuration.parser_method(interpreter, receiver, method, node, scope, args, kwargs)
        if found is not None:
            return found
        if method in PARAMETER_METHODS:
            return Parameters([receiver])
        if method in SAME_OBJECT:
            return receiver if method != "prepare" or not args else _prepared(receiver, args)
        if method == "step":
            _call_closures(interpreter, node, scope, args)
        if method == "add_param_group":
            receiver.attributes.setdefault(ADDED_GROUPS, Sequence([])).items.extend([*args, *kwargs.values()])
        if method == "compile" and receiver.is_module:
            return Literal(None)
        result = interpreter.trace.add_object(f"{receiver.kind}.{method}", node, scope, args, kwargs, receiver)
        private = [kwargs[name] for name in ("module", "optimizer", "data_loader") if name in kwargs]
        return Sequence(private, "tuple") if method.startswith("make_private") and len(private) == 3 else result
    if isinstance(receiver, Sequence):
        return _sequence_method(interpreter, receiver, method, args)
    if isinstance(receiver, Mapping):
        return _mapping_method(receiver, method, args, kwargs)
    if isinstance(receiver, Parameters):
        if method in ("extend", "append"):
            receiver.owners.extend(owner for each in args if isinstance(each, Parameters) for owner in each.owners)
        return receiver
    if isinstance(receiver, Literal) and isinstance(receiver.value, str):
        return _text_method(receiver, method, args)
    if method == "step":
        _call_closures(interpreter, node, scope, args)
    if isinstance(receiver, Unknown) and receiver.source:
        return Unknown(receiver.source)
    return interpreter.trace.add_object(f"?.{method}", node, scope, args, kwargs, receiver)


def _call_closures(interpreter: Interpreter, node: ast.Call, scope: Scope, args: list[Value]) -> None:
    """Call the closures that an optimizer is given to step by."""
    for closure in args:
        if isinstance(closure, Function):
            interpreter.call_function(closure, node, scope, [], {})


def _prepared(receiver: Object, args: list[Value]) -> Value:
    """``accelerator.prepare(model, optimizer, ...)`` gives its arguments back, wrapped."""
    return args[0] if len(args) == 1 else Sequence(list(args), "tuple")


def _sequence_method(interpreter: Interpreter, receiver: Sequence, method: str, args: list[Value]) -> Value:
    """A list's own methods."""
    if method in ("append", "add", "extend", "insert", "remove", "update", "clear"):
        conditional = any(isinstance(entry, (Loop, Branch)) for entry in interpreter.path)
        receiver.grows = receiver.grows or conditional or method in ("remove", "clear")
        added = args[0].items if method in ("extend", "update") and isinstance(args[0], Sequence) else args[-1:]
        if len(receiver.items) < MOST_ELEMENTS:
            receiver.items.extend(added)
        return Literal(None)
    if method == "pop":
        receiver.grows = True
        return choose(receiver.items)
    return Unknown()


def _mapping_method(receiver: Mapping, method: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """A dictionary's own methods."""
    if method in ("get", "pop", "setdefault") and args:
        key = plain_key(args[0])
        default = [args[1]] if len(args) > 1 else [Literal(None)]
        if key is not ... and key in receiver.items:
            return receiver.items[key]
        return choose([*receiver.items.values(), *default]) if key is ... else choose([*receiver.rest, *default])
    if method == "update":
        for given in args:
            known = given if isinstance(given, Mapping) else Mapping({}, [given])
            receiver.items.update(known.items)
            receiver.rest.extend(known.rest)
        receiver.items.update({key: value for key, value in kwargs.items() if key != "**"})
        receiver.rest.extend(value for key, value in kwargs.items() if key == "**")
        return Literal(None)
    if method == "values":
        return Sequence([*receiver.items.values(), *receiver.rest], grows=bool(receiver.rest))
    if method == "keys":
        return Sequence([Literal(key) for key in receiver.items])
    if method == "items":
        pairs = [Sequence([Literal(key), item], "tuple") for key, item in receiver.items.items()]
        return Sequence(
            pairs + [Sequence([Unknown(), item], "tuple") for item in receiver.rest], grows=bool(receiver.rest)
        )
    if method == "copy":
        return Mapping(dict(receiver.items), list(receiver.rest))
    return Unknown()


def _joined(separator: Literal, items: list[Value]) -> Value:
    """Text put together of a known list."""
    known = [plain(item) for item in items]
    if not known or not all(isinstance(part, str) for part in known):
        return Unknown()
    return Literal(separator.value.join(known), least_certain(items), parts=tuple(items))


def _text_method(receiver: Literal, method: str, args: list[Value]) -> Value:
    """The string methods that cannot fail in surprising ways."""
    if method == "join" and len(args) == 1 and isinstance(args[0], Sequence) and not args[0].grows:
        return _joined(receiver, args[0].items)
    known = [plain(argument) for argument in args]
    if method in ("lower", "upper", "strip", "format", "replace", "split", "startswith", "endswith"):
        if ... not in known and not (method == "format" and WIDE_FIELD.search(receiver.value)):
            try:
                result = getattr(receiver.value, method)(*known)
            except (ValueError, TypeError, IndexError, KeyError):
                return Unknown()
            source = least_certain((receiver, *args))
            if isinstance(result, list):
                return Sequence([Literal(part, source) for part in result])
            return Literal(result, source, parts=(receiver, *args))
    return Unknown()


def call_external(
    interpreter: Interpreter, name: str, node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """Call a library's function or class."""
    if name in ENDS_PROGRAM:
        return External(name)
    if name in CALLS_ITS_ARGUMENT:
        return _call_argument(interpreter, name, node, scope, args, kwargs)
    if name.rpartition(".")[2] in CONVERTS_IN_PLACE and (args or kwargs):
        return args[0] if args else next(iter(kwargs.values()))
    handler = builtin_calls.HANDLERS.get(name)
    if handler is not None:
        found = handler(interpreter, node, scope, args, kwargs)
        if found is not None:
            return found
    if name in KEEPS_PARAMETERS or name.startswith("itertools."):
        owners = [o for argument in args if isinstance(argument, Parameters) for o in argument.owners]
        if owners:
            return Parameters(owners)
    return configuration.external(interpreter, name, node, scope, args, kwargs) or interpreter.trace.add_object(
        name, node, scope, args, kwargs
    )


def _call_argument(
    interpreter: Interpreter, name: str, node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """Follow the function that a spawner or runner calls."""
    position, keyword = CALLS_ITS_ARGUMENT[name]
    target = kwargs.get(keyword) or (args[position] if position is not None and position < len(args) else None)
    if target is None and name == "fire.Fire":
        target = _commands(interpreter, scope)
    passed = kwargs.get("args") or (args[1] if "spawn" in name and len(args) > 1 else None)
    values = list(passed.items) if isinstance(passed, Sequence) else []
    if "multiprocessing.s" in name:
        values = [Unknown(), *values]
    for option in options(target):
        if isinstance(option, (Function, Bound, Class)):
            with interpreter.entered(Context(name, scope.file.place(node))):
                dispatch(interpreter, node, scope, None, option, values, {})
    return interpreter.trace.add_object(name, node, scope, args, kwargs)


def _commands(interpreter: Interpreter, scope: Scope) -> Value:
    """What ``fire.Fire()`` without an argument lets the user call: the function that is given, or those that are named
    like a training."""
    functions = {name: value for name, value in scope.module.variables.items() if isinstance(value, Function)}
    given = next((functions[word] for word in interpreter.arguments if word in functions), None)
    if given is not None:
        return given
    named = [value for name, value in functions.items() if name in ("train", "main", "fit", "run")]
    return choose(list(named or functions.values()))


def bind_parameters(
    interpreter: Interpreter, function: Function, scope: Scope, args: list[Value], kwargs: dict[str, Value],
    receiver: Value | None,
) -> None:  # fmt: skip
    """Give a function's parameters their values, defaults among them."""
    spec = function.node.args
    names = [parameter.arg for parameter in [*spec.posonlyargs, *spec.args]]
    values = [receiver, *args] if receiver is not None else list(args)
    rest = dict(kwargs)
    defaults = defaults_of(function.node)
    unpacked = rest.pop("**", None)
    for index, name in enumerate([*names, *[parameter.arg for parameter in spec.kwonlyargs]]):
        if index < len(names) and index < len(values):
            scope.variables[name] = values[index]
        elif name in rest:
            scope.variables[name] = rest.pop(name)
        elif name in defaults and unpacked is None:
            scope.variables[name] = interpreter.value(defaults[name], function.scope)
        else:
            scope.variables[name] = Unknown()
    if spec.vararg:
        scope.variables[spec.vararg.arg] = Sequence(values[len(names) :], "tuple")
    if spec.kwarg:
        scope.variables[spec.kwarg.arg] = Mapping(dict(rest), [unpacked] if unpacked is not None else [])
    configuration.bind_command_options(interpreter, function, scope)


def fill_fields(interpreter: Interpreter, instance: Object, args: list[Value], kwargs: dict[str, Value]) -> None:
    """Set the fields of a dataclass or named tuple, from arguments and defaults."""
    assert instance.cls is not None
    fields = [
        node.target.id
        for base in reversed([b for b in instance.cls.ancestry() if isinstance(b, Class)])
        for node in base.node.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    for index, name in enumerate(fields):
        if index < len(args):
            instance.attributes[name] = args[index]
        elif name in kwargs:
            instance.attributes[name] = kwargs[name]
        else:
            found = instance.cls.find(name)
            if found is not None:
                instance.attributes[name] = _field_default(interpreter, instance, found)


def _field_default(interpreter: Interpreter, instance: Object, declared: Value) -> Value:
    """The default of a dataclass field, that of ``field(default=...)`` and ``field(default_factory=...)`` included."""
    if not isinstance(declared, Object) or declared.kind != "dataclasses.field":
        return declared
    factory = declared.kwargs.get("default_factory")
    if isinstance(factory, (Class, Function)) and isinstance(declared.node, ast.Call) and declared.scope is not None:
        return dispatch(interpreter, declared.node, declared.scope, None, factory, [], {})
    return declared.kwargs.get("default", Unknown())
