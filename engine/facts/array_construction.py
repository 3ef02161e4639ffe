"""What an array starts from: the expression it is built by before the epoch loop."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from engine.facts.source_text import NESTED, names_in, own_nodes, positional_parameters
from engine.facts.trace import Call, Entry
from engine.facts.values import External, Function, Object, Scope, options

GENERATORS = ("default_rng", "RandomState", "Generator", "random.seed")
DEEPEST = 8


@dataclass(frozen=True)
class Built:
    """The expression that an array is built by.

    Attributes:
        node: the expression.
        scope: the scope it stands in.
        index: the array's position where that gives several; ``['w']`` where it gives a dictionary.
        path: the loops and calls that lead there, where they are not those of the training.
    """

    node: ast.expr
    scope: Scope
    index: int | str | None = None
    path: tuple[Entry, ...] = ()


def construction(name: str, scope: Scope, line: int, path: tuple[Entry, ...], depth: int = 0) -> Built | None:
    """What a name was last bound to above a line, followed through the arguments of the calls on the path; None where
    that depends on a branch, or is not a single expression."""
    call = next((e for e in reversed(path) if isinstance(e, Call) and e.scope is scope), None)
    function = call.function.node if call is not None else None
    body = function.body if function is not None else scope.file.tree.body
    last: ast.stmt | None = None
    for statement in (node for node in own_nodes(body) if isinstance(node, ast.stmt)):
        if (
            statement.lineno < line
            and name in _bound_by(statement)
            and (last is None or statement.lineno > last.lineno)
        ):
            last = statement
    if last is not None:
        return _assigned(name, last, scope) if last in always_run(body) else None
    if function is None or depth > DEEPEST:
        return None
    passed = passed_for(name, function, call.node)
    if passed is None:
        return None
    outer = path[: path.index(call)]
    if isinstance(passed, ast.Name) and call.statement is not None:
        return construction(passed.id, call.caller, call.statement.lineno, outer, depth + 1)
    return Built(passed, call.caller)


def always_run(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body that depend on no branch; those of ``if __name__ == "__main__":`` of a script do not."""
    guards = [node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"]
    return [*body, *(statement for guard in guards for statement in guard.body)]


def _bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement sets, or changes the elements of."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {name for target in targets for name in names_in(target)}
    if isinstance(statement, (ast.For, ast.With, ast.Import, ast.ImportFrom, *NESTED)):
        target = getattr(statement, "target", None)
        return names_in(target) if target is not None else set()
    return set()


def _assigned(name: str, statement: ast.stmt, scope: Scope) -> Built | None:
    """The value that a statement gives a name."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return None
    for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
        if isinstance(target, ast.Name) and target.id == name:
            return Built(statement.value, scope)
        if isinstance(target, ast.Tuple):
            names = [part.id if isinstance(part, ast.Name) else "" for part in target.elts]
            if name in names and isinstance(statement.value, ast.Tuple):
                return Built(statement.value.elts[names.index(name)], scope)
            if name in names:
                return Built(statement.value, scope, names.index(name))
    return None


def passed_for(name: str, function: ast.AST, call: ast.AST | None) -> ast.expr | None:
    """What a call passes for a parameter."""
    parameters = positional_parameters(function)
    if not isinstance(call, ast.Call) or name not in parameters:
        return None
    named = next((k.value for k in call.keywords if k.arg == name), None)
    position = parameters.index(name)
    return named or (call.args[position] if position < len(call.args) else None)


def is_built(built: Built | None) -> bool:
    """True for a number, or what NumPy or a function of the project makes."""
    if built is None:
        return False
    if is_number(built.node):
        return True
    calls = [n for n in ast.walk(built.node) if isinstance(n, ast.Call)]
    return isinstance(built.index, str) or any(_makes_arrays(call.func, built.scope) for call in calls)


def _makes_arrays(callee: ast.expr, scope: Scope) -> bool:
    """True for a function of NumPy or of the project, and for a method of a random generator."""
    root = callee
    while isinstance(root, ast.Attribute):
        root = root.value
    value = scope.look_up(root.id) if isinstance(root, ast.Name) else None
    if isinstance(value, Function):
        return root is callee
    if isinstance(value, External):
        return value.name.startswith("numpy")
    return any(isinstance(o, Object) and o.kind.endswith(GENERATORS) for o in options(value))


def is_number(node: ast.expr) -> bool:
    """True for a literal number."""
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def is_fraction(node: ast.expr) -> bool:
    """True for a literal number that is not whole by type: no counter."""
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and isinstance(node.value, float)
