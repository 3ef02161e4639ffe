"""What an expression stands for."""

from __future__ import annotations

import ast
import builtins
import math
import operator
import string
from typing import TYPE_CHECKING, Any

from engine.facts import library
from engine.facts.trace import Branch, Loop
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

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter

OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
COMPARISONS = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right, ast.NotIn: lambda left, right: left not in right,
}  # fmt: skip
CONSTANTS_OF = {"string": string, "math": math}
BUILTINS = set(dir(builtins))
LONGEST_TEXT = 2_000
LARGEST_NUMBER = 1e12
MOST_REPEATED = 200


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
    return Literal(node.value, written=(node, scope))


def name(interpreter: Interpreter, node: ast.Name, scope: Scope) -> Value:
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
    if library.is_namespace(owner):
        return Unknown()
    if library.comes_from_data(owner) and attr in ("shape", "size", "ndim"):
        return Unknown(DATASET)
    part = Object(f"{owner.kind}.{attr}", scope.file.place(node), node, scope=scope)
    if owner.is_module or owner.cls is None:
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
    owner = evaluate(interpreter, node.value, scope)
    if isinstance(node.slice, ast.Slice):
        for part in (node.slice.lower, node.slice.upper, node.slice.step):
            evaluate(interpreter, part, scope)
        known = plain(owner)
        return owner if not isinstance(known, str) else Unknown()
    key = evaluate(interpreter, node.slice, scope)
    return each(owner, lambda option: library.get_item(interpreter, option, key, node, scope))


def sequence(interpreter: Interpreter, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Value:
    items: list[Value] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = evaluate(interpreter, element.value, scope)
            items.extend(inner.items if isinstance(inner, Sequence) else [inner])
        else:
            items.append(evaluate(interpreter, element, scope))
    return Sequence(items, type(node).__name__.lower())


def mapping(interpreter: Interpreter, node: ast.Dict, scope: Scope) -> Value:
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


def binary(interpreter: Interpreter, node: ast.BinOp, scope: Scope) -> Value:
    left, right = evaluate(interpreter, node.left, scope), evaluate(interpreter, node.right, scope)
    if isinstance(left, Parameters) or isinstance(right, Parameters):
        return Parameters([owner for side in (left, right) if isinstance(side, Parameters) for owner in side.owners])
    if isinstance(node.op, ast.Add) and isinstance(left, Sequence) and isinstance(right, Sequence):
        return Sequence([*left.items, *right.items], left.kind, left.grows or right.grows)
    if isinstance(node.op, ast.Mult) and isinstance(left, Sequence) and _is_count(plain(right)):
        return Sequence(left.items * plain(right), left.kind, left.grows)
    if isinstance(node.op, ast.Div) and isinstance(left, Object) and left.kind == "pathlib.Path":
        return library.join_path(left, right, scope.file.place(node), node, scope)
    one, two = plain(left), plain(right)
    action = OPERATORS.get(type(node.op))
    if action and one is not ... and two is not ... and _small(one, two):
        try:
            return Literal(action(one, two), least_certain((left, right)), parts=(left, right))
        except Exception:  # the user's arithmetic may fail in any way: then nothing is known
            return Unknown()
    return Unknown(DATASET if library.comes_from_data(left) or library.comes_from_data(right) else "")


def _is_plain(value: Any) -> bool:
    """True for a number or text."""
    return isinstance(value, (int, float, str))


def _is_count(value: Any) -> bool:
    """True for a number of elements that a list may be repeated to."""
    return isinstance(value, int) and 0 <= value <= MOST_REPEATED


def _small(*values: Any) -> bool:
    """True where folding cannot blow up: numbers of a usual size, and text that stays short when it is repeated."""
    sizes = [len(value) if isinstance(value, str) else abs(value) for value in values if _is_plain(value)]
    limit = LONGEST_TEXT if any(isinstance(value, str) for value in values) else LARGEST_NUMBER
    return len(sizes) == len(values) and all(size < limit for size in sizes)


def boolean(interpreter: Interpreter, node: ast.BoolOp, scope: Scope) -> Value:
    found: list[Value] = []
    default: Value | None = None
    stopping = isinstance(node.op, ast.Or)
    for operand in node.values:
        value = evaluate(interpreter, operand, scope)
        if default is None and default_truth(value) is not (not stopping):
            default = value if default_truth(value) is stopping else Unknown()
        known = truth(value)
        if known is not (not stopping) or operand is node.values[-1]:
            found.append(value)
        if known is stopping:
            break
    decided = value if default is None else default
    return choose([decided, *found], default_first=True) if not isinstance(decided, Unknown) else choose(found)


def unary(interpreter: Interpreter, node: ast.UnaryOp, scope: Scope) -> Value:
    value = evaluate(interpreter, node.operand, scope)
    known = plain(value)
    if isinstance(node.op, ast.Not):
        test = truth(value)
        return Unknown() if test is None else Literal(not test)
    if isinstance(node.op, ast.USub) and isinstance(known, (int, float)):
        return Literal(-known, source_of(value))
    return Unknown(value.source) if isinstance(value, Unknown) else Unknown()


def compare(interpreter: Interpreter, node: ast.Compare, scope: Scope) -> Value:
    left = evaluate(interpreter, node.left, scope)
    right = [evaluate(interpreter, side, scope) for side in node.comparators]
    if len(right) != 1:
        return Unknown()
    if isinstance(node.ops[0], (ast.Is, ast.IsNot)) and isinstance(right[0], Literal) and right[0].value is None:
        nones = [isinstance(option, Literal) and option.value is None for option in options(left)]
        known = all(nones) or (not any(nones) and not any(isinstance(o, Unknown) for o in options(left)))
        overridable = any(isinstance(o, Literal) and o.source != LITERAL for o in options(left))
        return Literal(nones[0] == isinstance(node.ops[0], ast.Is)) if known and not overridable else Unknown()
    one, two = plain(left), plain(right[0])
    action = COMPARISONS.get(type(node.ops[0]))
    if action and one is not ... and two is not ...:
        try:
            return Literal(bool(action(one, two)), least_certain((left, right[0])))
        except Exception:  # comparing the user's values may fail in any way: then nothing is known
            return Unknown()
    return Unknown()


def conditional(interpreter: Interpreter, node: ast.IfExp, scope: Scope) -> Value:
    value = evaluate(interpreter, node.test, scope)
    test, default = truth(value), default_truth(value)
    found = []
    for side, taken in ((node.body, True), (node.orelse, False)):
        if test is None or test is taken:
            with interpreter.entered(Branch(node, scope.file.place(node), scope, taken, by_default(default, taken))):
                found.append(evaluate(interpreter, side, scope))
    return choose(found[::-1] if default is False else found, default_first=default is not None)


def comprehension(interpreter: Interpreter, node: Any, scope: Scope) -> Value:
    inner = Scope(scope.file, scope.qualified_name, scope)
    loops = []
    for generator in node.generators:
        iterable = evaluate(interpreter, generator.iter, inner)
        loop = Loop(node, scope.file.place(node), scope, iterable)
        loops.append(loop)
        interpreter.bind(generator.target, library.element_of(interpreter, iterable), inner)
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


def text(interpreter: Interpreter, node: ast.JoinedStr, scope: Scope) -> Value:
    inner = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
    values = [evaluate(interpreter, part, scope) for part in inner]
    parts = [plain(value) for value in values]
    if ... in parts:
        return library.new_object(interpreter, "builtins.str.format", node, scope, values)
    return Literal("".join(map(str, parts)), least_certain(values), parts=tuple(values))


def function(interpreter: Interpreter, node: ast.Lambda, scope: Scope) -> Value:
    return Function(node, scope, f"{scope.qualified_name}.<lambda>".lstrip("."))


def named(interpreter: Interpreter, node: ast.NamedExpr, scope: Scope) -> Value:
    value = evaluate(interpreter, node.value, scope)
    interpreter.bind(node.target, value, scope)
    return value


def inner_value(interpreter: Interpreter, node: Any, scope: Scope) -> Value:
    return evaluate(interpreter, node.value, scope)


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
    results = [library.dispatch(interpreter, node, scope, who, callee, args, kwargs) for who, callee in callees]
    return choose(results, default_first=isinstance(decided, Choice) and decided.default_first)


def attribute_for_call(interpreter: Interpreter, owner: Value, node: ast.Attribute, scope: Scope) -> Value | None:
    """The method that a call names; None where the receiver's kind says what it does."""
    if isinstance(owner, (External, LocalModule, Class, Super)):
        return attribute_of(interpreter, owner, node.attr, node, scope)
    if isinstance(owner, Object):
        known = node.attr in owner.attributes or (owner.cls is not None and owner.cls.find(node.attr) is not None)
        return attribute_of(interpreter, owner, node.attr, node, scope) if known else None
    return None


def arguments(interpreter: Interpreter, node: ast.Call, scope: Scope) -> tuple[list[Value], dict[str, Value]]:
    """The values passed by a call, stars unpacked where their contents are known."""
    args: list[Value] = []
    kwargs: dict[str, Value] = {}
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            inner = evaluate(interpreter, argument.value, scope)
            args.extend(inner.items if isinstance(inner, Sequence) else [inner])
        else:
            args.append(evaluate(interpreter, argument, scope))
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


def default_truth(value: Value) -> bool | None:
    """Whether a test holds unless the user sets an option of the script; None where that is not known."""
    known = plain(value)
    return bool(known) if known is not ... else truth(value)


def by_default(default: bool | None, taken: bool) -> bool | None:
    """Whether a side of a branch is the one taken by default; None where that is not known."""
    return None if default is None else default is taken


def truth(value: Value) -> bool | None:
    """Whether a test holds, where that does not depend on an argument, a configuration or data."""
    results = set()
    for option in options(value):
        if isinstance(option, Literal) and option.source == LITERAL:
            results.add(bool(option.value))
        elif isinstance(option, (Function, Class)):
            results.add(True)
        else:
            return None
    return results.pop() if len(results) == 1 else None


HANDLERS = {
    ast.Constant: constant, ast.Name: name, ast.Attribute: attribute, ast.Subscript: subscript, ast.List: sequence,
    ast.Tuple: sequence, ast.Set: sequence, ast.Dict: mapping, ast.BinOp: binary, ast.BoolOp: boolean,
    ast.UnaryOp: unary, ast.Compare: compare, ast.IfExp: conditional, ast.ListComp: comprehension,
    ast.SetComp: comprehension, ast.GeneratorExp: comprehension, ast.DictComp: comprehension, ast.JoinedStr: text,
    ast.Lambda: function, ast.NamedExpr: named, ast.Await: inner_value, ast.Starred: inner_value, ast.Call: call,
    ast.Yield: inner_value, ast.YieldFrom: inner_value,
}  # fmt: skip

__all__ = ["ARGUMENTS", "evaluate", "truth"]
