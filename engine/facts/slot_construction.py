"""What an attribute or an entry of a dictionary that is an array starts from."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts.array_construction import Built, is_number
from engine.facts.array_flow import CHANGES_FIRST, CHANGES_RECEIVER
from engine.facts.array_slots import Slot, arguments, method
from engine.facts.source_text import FUNCTIONS, NESTED, names_in, own_nodes
from engine.facts.trace import Call, Entry, Loop, Trace
from engine.facts.values import Function, Mapping, Scope, Value

DEEPEST = 8


def slot_construction(slot: Slot, trace: Trace, loop: Loop, path: tuple[Entry, ...]) -> Built | None:
    """What an attribute or entry starts from; None where that cannot be told."""
    if isinstance(slot.owner, Mapping):
        return _of_entry(slot.root, slot.key, loop.scope, loop.node.lineno, path)
    return _of_attribute(slot, trace, loop, path)


def _of_attribute(slot: Slot, trace: Trace, loop: Loop, path: tuple[Entry, ...]) -> Built | None:
    """From the statement that sets it right in front of the loop, or else from that of the constructor.

    Any other statement of the program that sets an attribute of that name may come in between.
    """
    function = _function(loop.scope, path)
    body = function.body if function is not None else loop.scope.file.tree.body
    made = method(slot.owner, "__init__")
    constructor = made.node if made is not None else None
    inside = set(own_nodes([loop.node]))
    before: list[ast.stmt] = []
    first: list[ast.stmt] = []
    for module in trace.modules.values():
        if module.file is None:
            continue
        for owner, statement in _statements(module.file.tree):
            if statement in inside or not _sets_attribute(statement, slot.key):
                continue
            if owner is function and statement.lineno < loop.node.lineno:
                before.append(statement)
            elif owner is constructor and constructor is not None:
                first.append(statement)
            elif owner is not function:
                return None
    if before:
        last = max(before, key=lambda statement: statement.lineno)
        return _set_to(last, loop.scope, path) if last in body else None
    if len(first) != 1 or first[0] not in constructor.body:
        return None
    built = next((e for e in trace.events if e.statement is first[0] and _receiver(e.path) is slot.owner), None)
    if built is not None:
        return _set_to(first[0], built.scope, built.path)
    number = _set_to(first[0], made.scope, ())
    return number if number is not None and is_number(number.node) else None


def _receiver(path: tuple[Entry, ...]) -> Value | None:
    """The object whose method a path ends in."""
    calls = [entry for entry in path if isinstance(entry, Call)]
    return calls[-1].receiver if calls else None


def _function(scope: Scope, path: tuple[Entry, ...]) -> ast.AST | None:
    """The function on a path that a scope belongs to; None for a module."""
    return next((e.function.node for e in reversed(path) if isinstance(e, Call) and e.scope is scope), None)


def _statements(tree: ast.AST) -> Iterator[tuple[ast.AST | None, ast.stmt]]:
    """The simple statements of a file, each with the function it stands in."""
    functions = [n for n in ast.walk(tree) if isinstance(n, FUNCTIONS)]
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    for owner, body in [(None, tree.body), *((f, f.body) for f in functions), *((None, c.body) for c in classes)]:
        for node in own_nodes([s for s in body if not isinstance(s, NESTED)]):
            if isinstance(node, ast.stmt) and not isinstance(node, NESTED):
                yield owner, node


def _sets_attribute(statement: ast.stmt, name: str) -> bool:
    """True where a statement sets an attribute of a name, elements of it, or hands it to what changes it in place."""
    header = [n for n in ast.iter_child_nodes(statement) if not isinstance(n, ast.stmt)]
    for node in (n for part in header for n in ast.walk(part)):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            if _is_attribute(node, name):
                return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if called in CHANGES_RECEIVER and _is_attribute(node.func.value, name):
                return True
            changed = [k.value for k in node.keywords if k.arg == "out"]
            changed += node.args[:1] if called in (*CHANGES_FIRST, "shuffle") else []
            if any(_is_attribute(one, name) for one in changed):
                return True
            if isinstance(node.func, ast.Name) and node.func.id == "setattr":
                return True
    return False


def _is_attribute(node: ast.AST, name: str) -> bool:
    """True for an attribute of a name, and for elements of it."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr == name


def _set_to(statement: ast.stmt, scope: Scope, path: tuple[Entry, ...]) -> Built | None:
    """The value of an assignment to one target."""
    single = not isinstance(statement, ast.Assign) or len(statement.targets) == 1
    target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None or not single:
        return None
    return Built(statement.value, scope, path=path) if isinstance(target, (ast.Attribute, ast.Subscript)) else None


def _of_entry(
    root: str, key: str, scope: Scope, line: int, path: tuple[Entry, ...], depth: int = 0
) -> Built | None:  # fmt: skip
    """From the dictionary as it is written, or what is put into it, in the statements in front of the loop."""
    call = next((e for e in reversed(path) if isinstance(e, Call) and e.scope is scope), None)
    function = call.function.node if call is not None else None
    body = function.body if function is not None else scope.file.tree.body
    found: Built | None = None
    if call is not None and isinstance(call.node, ast.Call) and depth < DEEPEST:
        passed = arguments(call.function, call.node).get(root)
        if isinstance(passed, ast.Name) and call.statement is not None:
            outer = path[: path.index(call)]
            found = _of_entry(passed.id, key, call.caller, call.statement.lineno, outer, depth + 1)
    for statement in body:
        if statement.lineno >= line:
            break
        if isinstance(statement, NESTED) or root not in names_in(statement):
            continue
        found = _entry_after(statement, root, key, scope, path, found)
    return found


def _entry_after(
    statement: ast.stmt, root: str, key: str, scope: Scope, path: tuple[Entry, ...], found: Built | None
) -> Built | None:
    """What an entry is built by after a statement that names its dictionary."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if isinstance(target, ast.Name) and target.id == root:
        return _entry_of(statement.value, key, scope, path)
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == root:
        if not isinstance(target.slice, ast.Constant):
            return None
        return Built(statement.value, scope, path=path) if target.slice.value == key else found
    reads = {
        n.value for n in ast.walk(statement)
        if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant) and isinstance(n.ctx, ast.Load)
    }  # fmt: skip
    whole = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id == root and n not in reads]
    if whole or isinstance(statement, ast.AugAssign):
        return None  # it may be changed by what it is handed to
    elements = [n for n in ast.walk(statement) if isinstance(n, ast.Subscript) and not isinstance(n.ctx, ast.Load)]
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    handed = [a for c in calls for a in (*c.args, getattr(c.func, "value", None)) if getattr(a, "value", None) in reads]
    return None if elements or (handed and isinstance(statement, ast.Expr) and not _prints(statement)) else found


def _prints(statement: ast.Expr) -> bool:
    """True for a call of ``print``."""
    return isinstance(statement.value, ast.Call) and ast.unparse(statement.value.func) == "print"


def _entry_of(value: ast.expr, key: str, scope: Scope, path: tuple[Entry, ...]) -> Built | None:
    """The entry of a dictionary that is written out, or given back by a function of the project."""
    if isinstance(value, ast.Dict):
        entries = {k.value: v for k, v in zip(value.keys, value.values, strict=True) if isinstance(k, ast.Constant)}
        complete = len(entries) == len(value.keys)
        return Built(entries[key], scope, path=path) if complete and key in entries else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        made = scope.look_up(value.func.id)
        return Built(value, scope, f"[{key!r}]", path) if isinstance(made, Function) else None
    return None
