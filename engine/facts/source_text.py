"""Questions to a piece of source by its syntax alone: its text, the names it reads and binds, what stands in it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from engine.facts.program import Expression
from engine.facts.values import Scope

LOOPS = (ast.For, ast.AsyncFor, ast.While)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
NESTED = (*DEFINITIONS, ast.Lambda)
STATEMENT_PARTS = (ast.stmt, ast.excepthandler, ast.match_case)


def expression(node: ast.AST, scope: Scope) -> Expression:
    """A node of a file with its range and text."""
    file = scope.file
    start, end = file.place(node), file.end(node)
    lines = file.lines[start.line - 1 : end.line]
    if not lines:
        return Expression(start, end, "", node, scope)
    lines[-1] = lines[-1][: end.column]
    lines[0] = lines[0][start.column :]
    return Expression(start, end, "\n".join(lines), node, scope)


def text_of(node: ast.AST | None) -> str:
    """The text of an expression in one canonical spelling; empty for none."""
    return ast.unparse(node) if node is not None else ""


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of some statements without those of functions and classes defined among them."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, NESTED):
            pending.extend(ast.iter_child_nodes(node))


def statements_in(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every statement of a file, those inside others among them; expressions are not looked into."""
    pending = [tree]
    while pending:
        parts = [part for part in ast.iter_child_nodes(pending.pop()) if isinstance(part, STATEMENT_PARTS)]
        yield from (part for part in parts if isinstance(part, ast.stmt))
        pending += parts


def contains(node: ast.AST, part: ast.AST) -> bool:
    """True where a node stands inside another, or is it."""
    return any(inner is part for inner in ast.walk(node))


def names_read(node: ast.AST) -> set[str]:
    """The names that a node reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def names_bound(node: ast.AST) -> set[str]:
    """The names that a node binds."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def names_in(node: ast.AST) -> set[str]:
    """The names that a node reads, binds or deletes."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def parameters_in(node: ast.AST) -> set[str]:
    """The names of the parameters of a function, or of its arguments; those of functions inside it among them."""
    return {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def positional_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[str]:
    """The names of the parameters that a function takes by position, in their order."""
    return [parameter.arg for parameter in (*function.args.posonlyargs, *function.args.args)]


def defaults_of(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> dict[str, ast.expr]:
    """The defaults of the parameters of a function that have one."""
    positional, arguments = positional_parameters(function), function.args
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return dict(zip(reversed(positional), reversed(arguments.defaults), strict=False)) | {
        parameter.arg: default for parameter, default in named if default is not None
    }


def bound_within(expression: ast.AST) -> set[str]:
    """The names that the comprehensions and lambdas of an expression bind."""
    return names_bound(expression) | parameters_in(expression)


def assigned(node: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    """The names and attributes that a statement assigns to; none for anything else."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else ():
        parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        yield from (part for part in parts if isinstance(part, (ast.Name, ast.Attribute)))


def imported_modules(tree: ast.AST) -> set[str]:
    """The dotted names of the modules that a file imports by their whole names, wherever it does."""
    found: set[str] = set()
    for node in statements_in(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def ties(statement: ast.stmt) -> bool:
    """True for ``model.decoder.weight = model.encoder.weight``: from then on one parameter has two names."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Attribute):
        return False
    names = [target.attr for target in statement.targets if isinstance(target, ast.Attribute)]
    return statement.value.attr in ("weight", "bias") and statement.value.attr in names


def breaks(statement: ast.If) -> bool:
    """True for an ``if`` whose body leaves a loop."""
    return any(isinstance(inner, ast.Break) for inner in ast.walk(statement))
