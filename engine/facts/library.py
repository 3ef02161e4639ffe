"""What calls of Python's and PyTorch's libraries mean to the analysis."""

from __future__ import annotations

import ast
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.facts import configuration, expressions
from engine.facts.trace import Branch, Call, Context, Loop
from engine.facts.values import (
    ARGUMENTS,
    DATASET,
    LITERAL,
    Bound,
    Choice,
    Class,
    External,
    Function,
    Literal,
    LocalModule,
    Mapping,
    Object,
    Parameters,
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
    plain_key,
    source_of,
)
from engine.result import Place

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
NAMESPACES = {
    "argparse.Namespace", "types.SimpleNamespace", "easydict.EasyDict", "munch.Munch", "addict.Dict",
    "attrdict.AttrDict", "ml_collections.ConfigDict", "omegaconf.OmegaConf.create",
}  # fmt: skip
DATA_READERS = (
    "builtins.open", "io.open", "gzip.open", "codecs.open", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt",
    "numpy.memmap", "numpy.fromfile",
    "pandas.read_", "pickle.load", "scipy.io.loadmat", "h5py.File", "os.listdir", "glob.glob", "csv.reader",
    "torchvision.datasets.", "torchtext.", "datasets.load_dataset", "sklearn.datasets.", "nibabel.load",
    "PIL.Image.open", "cv2.imread", "torch.utils.data.",
)  # fmt: skip
CONVERTS_IN_PLACE = {
    "convert_sync_batchnorm", "convert_syncbn_model", "convert_model", "parallelize_module", "fully_shard", "script",
    "prepare_qat", "prepare_model", "optimize_model",
}  # fmt: skip
MOST_ELEMENTS = 200
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
        event.result = new_object(interpreter, "?", node, scope, args, kwargs)
    return event.result


def new_object(
    interpreter: Interpreter, kind: str, node: ast.AST, scope: Scope, args: list[Value] | None = None,
    kwargs: dict[str, Value] | None = None, receiver: Value | None = None,
) -> Object:  # fmt: skip
    """What a library's call gives back."""
    result = Object(
        kind, scope.file.place(node), node, receiver=receiver, args=list(args or []), kwargs=dict(kwargs or {}),
        scope=scope, event=len(interpreter.trace.events) - 1,
    )  # fmt: skip
    interpreter.trace.objects.append(result)
    return result


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
    return new_object(interpreter, f"{callee.kind}()", node, scope, args, kwargs, callee)


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
            for closure in args:
                if isinstance(closure, Function):
                    interpreter.call_function(closure, node, scope, [], {})
        if method == "compile" and receiver.is_module:
            return Literal(None)
        result = new_object(interpreter, f"{receiver.kind}.{method}", node, scope, args, kwargs, receiver)
        return result
    if isinstance(receiver, Sequence):
        return _sequence_method(interpreter, receiver, method, args)
    if isinstance(receiver, Mapping):
        return _mapping_method(receiver, method, args)
    if isinstance(receiver, Parameters):
        return receiver
    if isinstance(receiver, Literal) and isinstance(receiver.value, str):
        return _text_method(receiver, method, args)
    if method == "step":
        for closure in args:
            if isinstance(closure, Function):
                interpreter.call_function(closure, node, scope, [], {})
    if isinstance(receiver, Unknown) and receiver.source:
        return Unknown(receiver.source)
    return new_object(interpreter, f"?.{method}", node, scope, args, kwargs, receiver)


def _prepared(receiver: Object, args: list[Value]) -> Value:
    """``accelerator.prepare(model, optimizer, ...)`` gives its arguments back, wrapped."""
    return args[0] if len(args) == 1 else Sequence(list(args), "tuple")


def _sequence_method(interpreter: Interpreter, receiver: Sequence, method: str, args: list[Value]) -> Value:
    """A list's own methods."""
    if method in ("append", "add", "extend", "insert", "remove", "update", "clear"):
        receiver.grows = receiver.grows or any(isinstance(entry, (Loop, Branch)) for entry in interpreter.path)
        added = args[0].items if method in ("extend", "update") and isinstance(args[0], Sequence) else args[-1:]
        if len(receiver.items) < MOST_ELEMENTS:
            receiver.items.extend(added)
        return Literal(None)
    if method == "pop":
        return choose(receiver.items)
    return Unknown()


def _mapping_method(receiver: Mapping, method: str, args: list[Value]) -> Value:
    """A dictionary's own methods."""
    if method in ("get", "pop", "setdefault") and args:
        key = plain_key(args[0])
        default = [args[1]] if len(args) > 1 else [Literal(None)]
        if key is not ... and key in receiver.items:
            return receiver.items[key]
        return choose([*receiver.items.values(), *default]) if key is ... else choose([*receiver.rest, *default])
    if method == "update" and args and isinstance(args[0], Mapping):
        receiver.items.update(args[0].items)
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


def _text_method(receiver: Literal, method: str, args: list[Value]) -> Value:
    """The string methods that cannot fail in surprising ways."""
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
    if name in expressions_enders():
        return External(name)
    if name in CALLS_ITS_ARGUMENT:
        return _call_argument(interpreter, name, node, scope, args, kwargs)
    if name.rpartition(".")[2] in CONVERTS_IN_PLACE and (args or kwargs):
        return args[0] if args else next(iter(kwargs.values()))
    handler = HANDLERS.get(name)
    if handler is not None:
        found = handler(interpreter, node, scope, args, kwargs)
        if found is not None:
            return found
    if name in KEEPS_PARAMETERS or name.startswith("itertools."):
        owners = [o for argument in args if isinstance(argument, Parameters) for o in argument.owners]
        if owners:
            return Parameters(owners)
    return configuration.external(interpreter, name, node, scope, args, kwargs) or new_object(
        interpreter, name, node, scope, args, kwargs
    )


def expressions_enders() -> set[str]:
    """The calls that end the program."""
    from engine.facts.interpreter import ENDS_PROGRAM

    return ENDS_PROGRAM


def _call_argument(
    interpreter: Interpreter, name: str, node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """Follow the function that a spawner or runner calls."""
    position, keyword = CALLS_ITS_ARGUMENT[name]
    target = kwargs.get(keyword) or (args[position] if position is not None and position < len(args) else None)
    if target is None and name == "fire.Fire":
        target = _commands(scope)
    passed = kwargs.get("args") or (args[1] if "spawn" in name and len(args) > 1 else None)
    values = list(passed.items) if isinstance(passed, Sequence) else []
    if "multiprocessing.s" in name:
        values = [Unknown(), *values]
    for option in options(target):
        if isinstance(option, (Function, Bound, Class)):
            with interpreter.entered(Context(name, scope.file.place(node))):
                dispatch(interpreter, node, scope, None, option, values, {})
    return new_object(interpreter, name, node, scope, args, kwargs)


def _commands(scope: Scope) -> Value:
    """What ``fire.Fire()`` without an argument lets the user call: the functions that are named like a training."""
    functions = {name: value for name, value in scope.module.variables.items() if isinstance(value, Function)}
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
    defaults = dict(zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True))
    defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
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


def is_namespace(value: Object) -> bool:
    """True for an object that only holds configuration values."""
    return value.kind in NAMESPACES


def comes_from_data(value: Value | None) -> bool:
    """True for what was read from files, and for what was computed from it."""
    pending, seen = [value], set()
    while pending and len(seen) < MOST_ELEMENTS:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        if _is_read(part):
            return True
        pending.extend(_origins(part))
    return False


def _is_read(value: Value) -> bool:
    """True for what a reader of data gives back."""
    if isinstance(value, Unknown):
        return value.source == DATASET
    if not isinstance(value, Object):
        return False
    return value.kind.startswith((*DATA_READERS, "torch.load")) or (
        value.cls is not None and value.cls.derives_from("torch.utils.data.")
    )


def _origins(value: Value) -> list[Value | None]:
    """What a value was computed from."""
    if isinstance(value, Choice):
        return list(value.options)
    if isinstance(value, Sequence):
        return list(value.items)
    if isinstance(value, Mapping):
        return [*value.rest, *value.items.values()]
    if not isinstance(value, Object):
        return []
    whole = value.parent[0] if value.parent else None
    return [value.receiver, whole, *([] if value.is_module or value.cls is not None else value.args)]


def element_of(interpreter: Interpreter, iterable: Value) -> Value:
    """What a loop's variable stands for."""
    found: list[Value] = []
    for option in options(iterable):
        if isinstance(option, Sequence):
            found.append(choose(option.items) if option.items else Unknown())
        elif isinstance(option, Parameters):
            found.append(option)
        elif isinstance(option, Mapping):
            found.append(choose([Literal(key) for key in option.items]) if option.items else Unknown())
        elif isinstance(option, Object):
            found.append(_element_of_object(interpreter, option))
        else:
            found.append(Unknown(DATASET if comes_from_data(option) else ""))
    return choose(found)


def _element_of_object(interpreter: Interpreter, value: Object) -> Value:
    """An element of what a library or a comprehension gave back."""
    if value.kind == "builtins.range":
        return Unknown()
    if value.kind == "builtins.enumerate" and value.args:
        return Sequence([Unknown(), element_of(interpreter, value.args[0])], "tuple")
    if value.kind == "builtins.zip":
        return Sequence([element_of(interpreter, argument) for argument in value.args], "tuple")
    if value.kind.startswith(("tqdm", "rich.progress", "builtins.reversed", "builtins.sorted", "builtins.iter")):
        return element_of(interpreter, value.args[0]) if value.args else Unknown()
    if value.kind in ("builtins.list", "builtins.generator", "builtins.set", "builtins.tuple") and value.args:
        return value.args[0] if value.node is None or not isinstance(value.node, ast.Call) else Unknown()
    if value.cls is not None and not value.is_module:
        method = value.cls.find("__iter__")
        if isinstance(method, Function) and value.node is not None and value.scope is not None:
            interpreter.call_function(method, value.node, value.scope, [], {}, value)
    return Unknown(DATASET if comes_from_data(value) else "")


def entered_value(value: Value) -> Value:
    """What ``with ... as name`` binds."""
    return value


def item_of(value: Value, index: int, count: int) -> Value:
    """One of the values an unpacking assigns."""
    if isinstance(value, Sequence):
        return value.items[index] if index < len(value.items) else Unknown()
    if isinstance(value, Parameters):
        return value
    if isinstance(value, Object):
        key = f"[{index}]"
        if key not in value.attributes:
            part = Object(f"{value.kind}{key}", value.place, value.node, scope=value.scope, receiver=value)
            value.attributes[key] = part
        return value.attributes[key]
    return Unknown(value.source) if isinstance(value, Unknown) else Unknown()


def get_item(interpreter: Interpreter, owner: Value, key: Value, node: ast.Subscript, scope: Scope) -> Value:
    """What a subscript gives."""
    known = plain_key(key)
    if isinstance(owner, LocalModule):
        if isinstance(known, str):
            return expressions.module_attribute(interpreter, owner, known)
        return _any_member(owner)
    if isinstance(owner, Mapping):
        if known is not ... and known in owner.items:
            return owner.items[known]
        return choose([*owner.items.values(), *owner.rest]) if known is ... else choose([*owner.rest, Unknown()])
    if isinstance(owner, Sequence):
        if isinstance(known, int) and -len(owner.items) <= known < len(owner.items):
            return owner.items[known]
        return choose(list(owner.items)) if owner.items else Unknown()
    if isinstance(owner, External):
        if isinstance(known, str) and owner.name.endswith(".__dict__"):
            return External(f"{owner.name.removesuffix('.__dict__')}.{known}")
        return External(f"{owner.name}[]")
    if isinstance(owner, Object):
        method = owner.cls.find("__getitem__") if owner.cls is not None and not owner.is_module else None
        if isinstance(method, Function) and not owner.cls.derives_from("torch.utils.data."):
            return interpreter.call_function(method, node, scope, [key], {}, owner)
        text = known if isinstance(known, (int, str)) else ""
        name = f"[{text!r}]" if text != "" else "[]"
        if owner.kind.endswith((".shape", ".size")) and comes_from_data(owner):
            return Unknown(DATASET)
        if name not in owner.attributes:
            part = Object(f"{owner.kind}{name}", scope.file.place(node), node, scope=scope, receiver=owner)
            if owner.is_module or owner.parent:
                part.parent = (owner, name)
            owner.attributes[name] = part
        return owner.attributes[name]
    return Unknown(owner.source) if isinstance(owner, Unknown) else Unknown()


def _any_member(module: LocalModule) -> Value:
    """Any of what a module defines itself: its classes where it has some, its functions otherwise."""
    own = [v for v in module.scope.variables.values() if isinstance(v, (Class, Function)) and v.file is module.file]
    imported = [v for v in module.scope.variables.values() if isinstance(v, (Class, Function))]
    classes = [value for value in own if isinstance(value, Class)]
    return choose(list(classes or own or imported))


def set_item(interpreter: Interpreter, owner: Value, key: Value, value: Value) -> None:
    """Store a value under a key, beside what other branches stored there."""
    known = plain_key(key)
    for option in options(owner):
        if isinstance(option, Mapping):
            if known is ...:
                option.rest.extend((key, value))
            else:
                option.items[known] = interpreter.beside(option.items.get(known), value)
        elif isinstance(option, Sequence):
            if isinstance(known, int) and -len(option.items) <= known < len(option.items):
                option.items[known] = value
            else:
                option.items.append(value)
        elif isinstance(option, Object):
            name = f"[{known!r}]" if known is not ... else "[]"
            option.attributes[name] = interpreter.beside(option.attributes.get(name), value)


def join_path(left: Value, right: Value, place: Place, node: ast.AST, scope: Scope) -> Value:
    """A path made of parts, where they are known."""
    parts = [plain(left.args[0]) if isinstance(left, Object) and left.args else plain(left), plain(right)]
    result = Object("pathlib.Path", place, node, scope=scope, receiver=left)
    if all(isinstance(part, str) for part in parts):
        result.args = [Literal(os.path.join(*parts), least_certain((right,)), parts=(left, right))]
    return result


# Calls of builtins and of the standard library, by qualified name.


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
        return choose(named) if named else _any_member(args[0])
    if isinstance(args[0], External):
        return External(f"{args[0].name}.?")
    return None


def _setattr(interpreter, node, scope, args, kwargs) -> Value | None:
    if len(args) == 3 and isinstance(plain(args[1]), str):
        interpreter.set_attribute(args[0], plain(args[1]), args[2])
    return Literal(None)


def _eval(interpreter, node, scope, args, kwargs) -> Value | None:
    source = plain(args[0]) if args else ...
    if not isinstance(source, str):
        return None
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except SyntaxError:
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


def _environ_get(interpreter, node, scope, args, kwargs) -> Value:
    default = plain(args[1]) if len(args) > 1 else None
    return Literal(default, ARGUMENTS) if default is not ... else Unknown()


def _namespace(interpreter, node, scope, args, kwargs) -> Value:
    result = new_object(interpreter, "types.SimpleNamespace", node, scope, args, kwargs)
    sources = [kwargs, *[argument.items for argument in args if isinstance(argument, Mapping)]]
    for source in sources:
        result.attributes.update({str(key): value for key, value in source.items() if key != "**"})
    return result


def _copy(interpreter, node, scope, args, kwargs) -> Value | None:
    original = args[0] if args else None
    if not isinstance(original, Object):
        return original
    result = new_object(interpreter, original.kind, node, scope, args, kwargs, original)
    result.cls, result.attributes = original.cls, dict(original.attributes)
    return result


def _initialize(interpreter, node, scope, args, kwargs) -> Value:
    """``apex.amp.initialize(model, optimizer)`` and the like give their arguments back, wrapped."""
    return args[0] if len(args) == 1 else Sequence(list(args), "tuple")


def _import_module(interpreter, node, scope, args, kwargs) -> Value | None:
    name = plain(args[0]) if args else ...
    if isinstance(name, str):
        return interpreter.import_module(name.lstrip("."), scope.file.path.parent if name.startswith(".") else None)
    return None


def _exec(interpreter, node, scope, args, kwargs) -> None:
    """Code that is run may set any global: what the module has set so far becomes a default."""
    for name, value in scope.module.variables.items():
        if isinstance(value, Literal) and value.source == LITERAL and name != "__name__":
            scope.module.variables[name] = replace(value, source=ARGUMENTS)


def _isinstance(interpreter, node, scope, args, kwargs) -> Value:
    return Unknown()


HANDLERS = {
    "builtins.super": _super, "builtins.getattr": _getattr, "builtins.setattr": _setattr, "builtins.eval": _eval,
    "builtins.globals": _globals, "builtins.locals": _globals, "builtins.vars": _vars, "builtins.dict": _dict,
    "collections.OrderedDict": _dict, "builtins.list": _list, "builtins.tuple": _list, "builtins.int": _convert(int),
    "builtins.float": _convert(float), "builtins.str": _convert(str), "builtins.max": _fold(max),
    "builtins.min": _fold(min), "builtins.sum": _fold(sum), "builtins.len": _len, "os.path.join": _join,
    "os.environ.get": _environ_get, "os.getenv": _environ_get, "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace, "easydict.EasyDict": _namespace, "munch.Munch": _namespace,
    "builtins.isinstance": _isinstance, "builtins.exec": _exec, "apex.amp.initialize": _initialize,
    "importlib.import_module": _import_module,
    "copy.deepcopy": _copy, "copy.copy": _copy,
}  # fmt: skip
