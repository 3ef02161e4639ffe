"""What a statement does: the names it reads, binds, adds to or clears."""

from __future__ import annotations

import ast

from engine.facts.source_text import bound_within, names_bound, names_read

CLEARS = {"reset", "clear", "zero", "zero_"}
ADDS = {"append", "extend", "add", "update"}


def assigned_alone(statement: ast.stmt) -> set[str]:
    """The names a statement sets, where that is all it does."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return names if all(isinstance(part, ast.Name) for part in parts) else set()


def sets_first(loop: ast.stmt, name: str) -> bool:
    """True for a loop that sets a name in every pass before it reads it."""
    if not isinstance(loop, ast.For) or loop.orelse or name in names_read(loop.iter):
        return False
    if name in names_bound(loop.target):
        return True
    first = next((s for s in loop.body if name in names_read(s) | names_bound(s)), None)
    return first is not None and name in assigned_alone(first) and name not in names_read(first) | added_to(first)


def read_before_bound(statement: ast.stmt) -> set[str]:
    """The names a statement may read before it sets them."""
    found: set[str] = set()
    bound: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            found.update(names_read(node) - bound_within(node) - bound)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.Name):
            found.update({node.id} - bound)
        else:
            for part in _as_run(node):
                visit(part)

    visit(statement)
    return found


def _as_run(node: ast.AST) -> list[ast.AST]:
    """The parts of a node in the order in which they are run: a value before what it is assigned to."""
    if isinstance(node, ast.Assign):
        return [node.value, *node.targets]
    if isinstance(node, ast.AugAssign):
        read = [ast.Name(node.target.id, ast.Load())] if isinstance(node.target, ast.Name) else []
        return [node.value, *read, node.target]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter, node.target, *node.body, *node.orelse]
    return list(ast.iter_child_nodes(node))


def added_to(statement: ast.stmt) -> set[str]:
    """The names a statement adds to, which have to be set before."""
    targets = [n.target for n in ast.walk(statement) if isinstance(n, ast.AugAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def collected(node: ast.AST) -> set[str]:
    """The names of lists and meters that a node adds to."""
    called = [n.func for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return {function.value.id for function in called if function.attr in ADDS and isinstance(function.value, ast.Name)}


def changed(node: ast.AST) -> set[str]:
    """The names a node binds, and the roots of what it stores into, adds to or calls a method of."""
    found = names_bound(node)
    for part in ast.walk(node):
        if isinstance(part, (ast.Subscript, ast.Attribute)) and isinstance(part.ctx, ast.Store):
            found.add(root(part))
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in ADDS:
            found.add(root(part.func))
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            found.add(root(part.value.func))
    return found - {""}


def clears(statement: ast.stmt) -> bool:
    """True for ``meter.reset()`` and the like."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in CLEARS


def starts_anew(statement: ast.stmt, name: str) -> bool:
    """True for ``name.reset()`` and its like."""
    return clears(statement) and ast.unparse(statement.value.func.value) == name


def root(node: ast.expr) -> str:
    """The name a dotted expression or call starts with."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
