"""What an expression stands for."""

from __future__ import annotations

import ast
import builtins
import math
import string
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from engine.facts import binding, calls, containers
from engine.facts.elements import known_elements
from engine.facts.library import comes_from_data, is_namespace
from engine.facts.operators import binary, boolean, compare, conditional, truth, unary
from engine.facts.optimizers import is_optimizer
from engine.facts.trace import Branch, Loop
from engine.facts.values import (
    DATASET,
    Bound,
    Choice,
    Class,
    External,
    Function,
    Literal,
    LocalModule,
    Mapping,
    Member,
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

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter

CONSTANTS_OF = {"string": string, "math": math}
MOST_CALLED = 4
BUILTINS = set(dir(builtins))


def evaluate(interpreter: Interpreter, node: ast.expr | None, scope: Scope) -> Value:
    """What an expression stands for; unknown where nothing can be said."""
    if node is None:
        return Unknown()
    handler = HANDLERS.get(type(node))
    if handler is None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                evaluate(interpreter, child, scope)
        return Unknown()
    return handler(interpreter, node, scope)


def constant(interpreter: Interpreter, node: ast.Constant, scope: Scope) -> Value:
    """A literal."""
    return Literal(node.value, written=(node, scope))


def name(interpreter: Interpreter, node: ast.Name, scope: Scope) -> Value:
    """A variable, a builtin, or a name of a star import."""
    value = scope.look_up(node.id)
    if value is not None:
        return value
    if node.id in BUILTINS:
        return External(f"builtins.{node.id}")
    for key, module in scope.module.variables.items():
        if key.startswith("*") and isinstance(module, External):
            return External(f"{module.name}.{node.id}")
    return Unknown()


def attribute(interpreter: Interpreter, node: ast.Attribute, scope: Scope) -> Value:
    """``owner.name``."""
    owner = evaluate(interpreter, node.value, scope)
    return each(owner, lambda option: attribute_of(interpreter, option, node.attr, node, scope))


def attribute_of(interpreter: Interpreter, owner: Value, attr: str, node: ast.AST, scope: Scope) -> Value:
    """An attribute of a value."""
    if isinstance(owner, External):
        if owner.name in CONSTANTS_OF and isinstance(getattr(CONSTANTS_OF[owner.name], attr, None), (str, float)):
            return Literal(getattr(CONSTANTS_OF[owner.name], attr))
        return External(f"{owner.name}.{attr}")
    if isinstance(owner, LocalModule):
        if attr == "__dict__":
            return owner
        return module_attribute(interpreter, owner, attr)
    if isinstance(owner, Class):
        found = owner.find(attr)
        if isinstance(found, Function):
            return Bound(found, owner) if _decorated(found, "classmethod") else found
        return found if found is not None else External(f"{owner.qualified_name}.{attr}")
    if isinstance(owner, Super):
        return _super_attribute(owner, attr)
    if isinstance(owner, Object):
        return _object_attribute(interpreter, owner, attr, node, scope)
    if isinstance(owner, Mapping) and attr in owner.items:
        return owner.items[attr]
    if isinstance(owner, Literal) and isinstance(owner.value, Member) and attr in ("name", "value"):
        return owner.value.value if attr == "value" else Literal(owner.value.name.rpartition(".")[2], owner.source)
    if isinstance(owner, Unknown):
        return Unknown(owner.source)
    return Unknown()


def _super_attribute(owner: Super, attr: str) -> Value:
    """An attribute as ``super()`` finds it."""
    for base in list(owner.cls.ancestry())[1:]:
        if isinstance(base, Class) and attr in base.body.variables:
            found = base.body.variables[attr]
            return Bound(found, owner.receiver) if isinstance(found, Function) else found
    external = next((base.name for base in owner.cls.ancestry() if isinstance(base, External)), "builtins.object")
    return External(f"{external}.{attr}")


def _object_attribute(interpreter: Interpreter, owner: Object, attr: str, node: ast.AST, scope: Scope) -> Value:
    """An attribute of an object; an unknown one of a library's object is an object of its own, always the same."""
    if attr in owner.attributes:
        return owner.attributes[attr]
    if owner.cls is not None:
        found = owner.cls.find(attr)
        if isinstance(found, Function):
            if _decorated(found, "property") or _decorated(found, "cached_property"):
                return interpreter.call_function(found, node, scope, [], {}, owner)
            if _decorated(found, "staticmethod"):
                return found
            return Bound(found, owner.cls if _decorated(found, "classmethod") else owner)
        if found is not None:
            return found
        if attr == "__dict__":
            return Mapping(owner.attributes)
        if attr == "__class__":
            return owner.cls
    if is_namespace(owner):
        return Unknown()
    if comes_from_data(owner) and attr in ("shape", "size", "ndim"):
        return Unknown(DATASET)
    part = Object(f"{owner.kind}.{attr}", scope.file.place(node), node, scope=scope)
    if owner.is_module or owner.cls is None or attr == "param_groups":
        part.parent = (owner, attr)
    owner.attributes[attr] = part
    return part


def module_attribute(interpreter: Interpreter, module: Value, attr: str) -> Value:
    """A name of a module, a submodule among them."""
    if isinstance(module, External):
        return External(f"{module.name}.{attr}" if module.name else attr)
    if not isinstance(module, LocalModule):
        return Unknown()
    if attr in module.scope.variables and module.file is not None:
        return module.scope.variables[attr]
    folder = module.folder
    if folder is not None and (module.file is None or module.file.path.name == "__init__.py"):
        if interpreter.project.find_module(attr, folder) or interpreter.project.find_package(attr, folder):
            return interpreter.import_module(attr, folder)
    for key, star in module.scope.variables.items():
        if key.startswith("*") and isinstance(star, External):
            return External(f"{star.name}.{attr}")
    return Unknown()


def _decorated(function: Function, kind: str) -> bool:
    """True for a function decorated as property, staticmethod or classmethod."""
    return any(
        (isinstance(d, ast.Name) and d.id == kind) or (isinstance(d, ast.Attribute) and d.attr == kind)
        for d in function.decorators
    )


def subscript(interpreter: Interpreter, node: ast.Subscript, scope: Scope) -> Value:
    """``owner[key]``; a slice of what is not known element by element gives the owner itself."""
    owner = evaluate(interpreter, node.value, scope)
    if isinstance(node.slice, ast.Slice):
        parts = (node.slice.lower, node.slice.upper, node.slice.step)
        ends = [None if part is None else plain(evaluate(interpreter, part, scope)) for part in parts]
        return each(owner, lambda option: _part(option, ends))
    key = evaluate(interpreter, node.slice, scope)
    return each(owner, lambda option: containers.get_item(interpreter, option, key, node, scope))


def _part(owner: Value, ends: list[Any]) -> Value:
    """A slice of known numbers or text, where its ends are known; of anything else, the whole stands for its part."""
    known = plain(owner)
    if not isinstance(known, (list, tuple)):
        return Unknown() if isinstance(known, str) else owner
    if any(end is not None and type(end) is not int for end in ends) or ends[2] == 0:
        return Unknown()
    if isinstance(owner, Sequence):
        return Sequence(owner.items[slice(*ends)], owner.kind)
    return Literal(known[slice(*ends)], source_of(owner))


def sequence(interpreter: Interpreter, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Value:
    """A list, tuple or set."""
    return Sequence(_unpacked(interpreter, node.elts, scope), type(node).__name__.lower())


def _unpacked(interpreter: Interpreter, nodes: list[ast.expr], scope: Scope) -> list[Value]:
    """The values of some expressions, stars unpacked where their contents are known."""
    values: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            inner = evaluate(interpreter, node.value, scope)
            values.extend(inner.items if isinstance(inner, Sequence) else [inner])
        else:
            values.append(evaluate(interpreter, node, scope))
    return values


def mapping(interpreter: Interpreter, node: ast.Dict, scope: Scope) -> Value:
    """A dictionary."""
    result = Mapping({})
    for key, item in zip(node.keys, node.values, strict=True):
        value = evaluate(interpreter, item, scope)
        if key is None:
            if isinstance(value, Mapping):
                result.items.update(value.items)
                result.rest.extend(value.rest)
            else:
                result.rest.append(value)
            continue
        known = plain_key(evaluate(interpreter, key, scope))
        if known is ...:
            result.rest.extend((evaluate(interpreter, key, scope), value))
        else:
            result.items[known] = value
    return result


def comprehension(interpreter: Interpreter, node: Any, scope: Scope) -> Value:
    """What a comprehension makes: an object whose argument is an element."""
    inner = Scope(scope.file, scope.qualified_name, scope)
    if isinstance(node, (ast.ListComp, ast.DictComp)) and len(node.generators) == 1:
        known = _element_by_element(interpreter, node, node.generators[0], scope, inner)
        if known is not None:
            return known
    loops = []
    for generator in node.generators:
        iterable = evaluate(interpreter, generator.iter, inner)
        loop = Loop(node, scope.file.place(node), scope, iterable)
        loops.append(loop)
        binding.bind(interpreter, generator.target, containers.element_of(interpreter, iterable), inner)
        for test in generator.ifs:
            evaluate(interpreter, test, inner)
    with interpreter.entered(*loops):
        if isinstance(node, ast.DictComp):
            key, item = evaluate(interpreter, node.key, inner), evaluate(interpreter, node.value, inner)
            return Mapping({}, [key, item])
        element = evaluate(interpreter, node.elt, inner)
    if isinstance(element, Parameters):
        return element
    kind = {ast.ListComp: "builtins.list", ast.SetComp: "builtins.set"}.get(type(node), "builtins.generator")
    result = Object(kind, scope.file.place(node), node, scope=scope)
    result.args = [element]
    return result


def _calls(node: ast.ListComp | ast.DictComp) -> bool:
    """True where a comprehension calls something for each element: for many, such calls are followed once."""
    made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    return any(isinstance(child, ast.Call) for part in [*made, *node.generators[0].ifs] for child in ast.walk(part))


def _element_by_element(
    interpreter: Interpreter,
    node: ast.ListComp | ast.DictComp,
    generator: ast.comprehension,
    scope: Scope,
    inner: Scope,
) -> Value | None:
    """The list or dictionary that a comprehension over known elements gives; None where they are not all known."""
    iterable = evaluate(interpreter, generator.iter, inner)
    elements = known_elements(iterable)
    if elements is None or (_calls(node) and len(elements) > MOST_CALLED):
        return None
    loops = [Loop(node, scope.file.place(node), scope, iterable)] if len(elements) > 1 else []
    with interpreter.entered(*loops):
        return _made_of(interpreter, node, generator, inner, elements)


def _made_of(
    interpreter: Interpreter, node: ast.ListComp | ast.DictComp, generator: ast.comprehension, inner: Scope,
    elements: list[Value],
) -> Value | None:  # fmt: skip
    """The list or dictionary that a comprehension makes of its elements; None where a test or a key is not known."""
    made = Mapping({}) if isinstance(node, ast.DictComp) else Sequence([])
    for element in elements:
        binding.bind(interpreter, generator.target, element, inner)
        chosen = [truth(evaluate(interpreter, test, inner)) for test in generator.ifs]
        if None in chosen:
            return None
        if False in chosen:
            continue
        if isinstance(made, Sequence):
            made.items.append(evaluate(interpreter, node.elt, inner))
            continue
        key = plain_key(evaluate(interpreter, node.key, inner))
        if key is ...:
            return None
        made.items[key] = evaluate(interpreter, node.value, inner)
    return made


def text(interpreter: Interpreter, node: ast.JoinedStr, scope: Scope) -> Value:
    """An f-string."""
    inner = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
    values = [evaluate(interpreter, part, scope) for part in inner]
    for part, value in zip(node.values, values, strict=True):
        if isinstance(part, ast.Constant) and isinstance(value, Literal):
            value.written = (node, scope)  # such a part has no place of its own
    parts = [plain(value) for value in values]
    if ... in parts:
        return interpreter.trace.add_object("builtins.str.format", node, scope, values)
    return Literal("".join(map(str, parts)), least_certain(values), parts=tuple(values))


def function(interpreter: Interpreter, node: ast.Lambda, scope: Scope) -> Value:
    """A lambda."""
    return Function(node, scope, f"{scope.qualified_name}.<lambda>".lstrip("."))


def named(interpreter: Interpreter, node: ast.NamedExpr, scope: Scope) -> Value:
    """``(name := value)``."""
    value = evaluate(interpreter, node.value, scope)
    binding.bind(interpreter, node.target, value, scope)
    return value


def inner_value(interpreter: Interpreter, node: Any, scope: Scope) -> Value:
    """What stands inside ``await`` or a star."""
    return evaluate(interpreter, node.value, scope)


def yielded(interpreter: Interpreter, node: ast.Yield | ast.YieldFrom, scope: Scope) -> Value:
    """A generator hands out a value, or with ``yield from`` the elements of one; it gets nothing back."""
    value = evaluate(interpreter, node.value, scope) if node.value is not None else Literal(None)
    element = value if isinstance(node, ast.Yield) else containers.element_of(interpreter, value)
    interpreter.yields[-1].append(element)
    return Unknown()


def call(interpreter: Interpreter, node: ast.Call, scope: Scope) -> Value:
    """Follow a call: of a local function or class, of a method, or of a library."""
    receiver: Value | None = None
    if isinstance(node.func, ast.Attribute):
        receiver = decided = evaluate(interpreter, node.func.value, scope)
        callees = [
            (option, callee)
            for option in options(receiver)
            for callee in options(attribute_for_call(interpreter, option, node.func, scope)) or [None]
        ]
    else:
        decided = evaluate(interpreter, node.func, scope)
        callees = [(None, option) for option in options(decided)]
    args, kwargs = arguments(interpreter, node, scope)
    default_first = isinstance(decided, Choice) and decided.default_first
    results = []
    for who, callee in callees:
        other = default_first and bool(results) and isinstance(callee, (Function, Class))
        with interpreter.entered(Branch(node, scope.file.place(node), scope, False, False)) if other else nullcontext():
            results.append(calls.dispatch(interpreter, node, scope, who, callee, args, kwargs))
    return choose(results, default_first)


def attribute_for_call(interpreter: Interpreter, owner: Value, node: ast.Attribute, scope: Scope) -> Value | None:
    """The method that a call names; None where the receiver's kind says what it does."""
    if isinstance(owner, (External, LocalModule, Class, Super)):
        return attribute_of(interpreter, owner, node.attr, node, scope)
    if isinstance(owner, Object):
        if node.attr == "step" and is_optimizer(owner) and owner.cls is None:
            return None  # a wrapper that was put around it, as schedulers do to count steps, still takes the step
        known = node.attr in owner.attributes or (owner.cls is not None and owner.cls.find(node.attr) is not None)
        return attribute_of(interpreter, owner, node.attr, node, scope) if known else None
    return None


def arguments(interpreter: Interpreter, node: ast.Call, scope: Scope) -> tuple[list[Value], dict[str, Value]]:
    """The values passed by a call, stars unpacked where their contents are known."""
    args = _unpacked(interpreter, node.args, scope)
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        value = evaluate(interpreter, keyword.value, scope)
        if keyword.arg:
            kwargs[keyword.arg] = value
        elif isinstance(value, Mapping):
            kwargs.update({str(key): item for key, item in value.items.items()})
            if value.rest:
                kwargs["**"] = value
        else:
            kwargs["**"] = value
    return args, kwargs


def name_of(value: Value | None) -> str:
    """The qualified name of a value; ``?`` where it has none."""
    if isinstance(value, External):
        return value.name
    if isinstance(value, Object):
        return value.kind
    if isinstance(value, (Function, Class)):
        return value.qualified_name
    if isinstance(value, Bound):
        return value.function.qualified_name
    return "?"


HANDLERS = {
    ast.Constant: constant, ast.Name: name, ast.Attribute: attribute, ast.Subscript: subscript, ast.List: sequence,
    ast.Tuple: sequence, ast.Set: sequence, ast.Dict: mapping, ast.BinOp: binary, ast.BoolOp: boolean,
    ast.UnaryOp: unary, ast.Compare: compare, ast.IfExp: conditional, ast.ListComp: comprehension,
    ast.SetComp: comprehension, ast.GeneratorExp: comprehension, ast.DictComp: comprehension, ast.JoinedStr: text,
    ast.Lambda: function, ast.NamedExpr: named, ast.Await: inner_value, ast.Starred: inner_value, ast.Call: call,
    ast.Yield: yielded, ast.YieldFrom: yielded,
}  # fmt: skip
