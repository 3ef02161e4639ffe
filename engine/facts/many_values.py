"""Which expressions and names stand for many numbers, as a list or an array does, and so are no metric."""

from __future__ import annotations

import ast

from engine.facts.source_text import assigned, own_nodes, text_of

REDUCES = {"mean", "nanmean", "average", "sum", "median"}
COLLECTS = {
    "append", "extend", "stack", "vstack", "hstack", "concatenate", "concat", "cat", "array", "asarray", "list",
    "sorted", "tolist", "numpy", "zeros", "ones", "diag", "diagonal", "bincount",
}  # fmt: skip


def many_valued(body: list[ast.stmt]) -> set[str]:
    """The names that stand for more than a number after some statements: collected, or averaged into something else."""
    found: set[str] = set()
    nodes = sorted(own_nodes(body), key=lambda node: getattr(node, "lineno", 0))
    for node in nodes:
        if isinstance(node, ast.Assign):
            for name, value in _bound(node):
                many = is_many_of(value, found) or _builds(value)
                found = found | {name} if many else found - {name}
        elif isinstance(node, ast.Call) and _last_part(node) in ("append", "extend"):
            found |= {text_of(part.value) for part in [node.func] if isinstance(part, ast.Attribute)}
    for node in nodes:
        kept = {text_of(part) for part in assigned(node)}
        values = ast.walk(node) if isinstance(node, (ast.Assign, ast.Expr)) else ()
        for call in (part for part in values if isinstance(part, ast.Call) and _last_part(part) in REDUCES):
            owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
            found |= {part.id for part in [*call.args[:1], *owner] if isinstance(part, ast.Name)} - kept
    return found


def collected_before(code: ast.AST, line: int) -> list[ast.stmt]:
    """The assignments that make a name stand for many elements, as it still does where a line of the code begins."""
    last: dict[str, ast.Assign] = {}
    for node in sorted(own_nodes(code.body), key=lambda node: getattr(node, "lineno", 0)):
        if isinstance(node, ast.Assign) and node.lineno < line:
            last[text_of(node.targets[0])] = node
    return [node for node in last.values() if _collects(node.value) or _builds(node.value)]


def _bound(node: ast.Assign) -> list[tuple[str, ast.expr]]:
    """The names an assignment binds, each with what it is bound to: one, or as many as stand on the right."""
    target, value = node.targets[0], node.value
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = list(zip(target.elts, value.elts, strict=True))
    return [(one.id, given) for one, given in pairs if isinstance(one, ast.Name)]


def is_many_of(node: ast.AST, many: set[str]) -> bool:
    """True for what stands for many numbers, and for what is computed of that element by element."""
    if isinstance(node, (ast.BinOp, ast.UnaryOp)):
        parts = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        return any(is_many_of(part, many) for part in parts)
    return _collects(node) or text_of(node) in many


def _collects(node: ast.AST) -> bool:
    """True for what gives a list or an array of many elements."""
    listed = (ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Set, ast.SetComp, ast.Tuple)
    is_one = isinstance(node, ast.Call) and list(map(text_of, node.args)) == ["1"]  # torch.zeros(1)
    return isinstance(node, listed) or isinstance(node, ast.Call) and _last_part(node) in COLLECTS and not is_one


def is_many(node: ast.AST) -> bool:
    """True for an object of a class, and for as many numbers as there are samples: ``softmax(out)[:, 1].numpy()``."""
    if isinstance(node, ast.Subscript):
        sliced = any(isinstance(part, ast.Slice) for part in ast.walk(node.slice))
        return sliced or is_many(node.value)
    called = text_of(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return called in ("softmax", "sigmoid", "numpy", "tolist", "log_softmax") or _builds(node)


def _builds(node: ast.AST) -> bool:
    """True for ``nn.BCELoss()``: by its name a class is called, so that what comes out is an object; ``RMSE(a, b)`` may
    be a function."""
    name = _last_part(node) if isinstance(node, ast.Call) and not isinstance(node.func, ast.Call) else ""
    return name[:1].isupper() and not (name.isupper() and node.args)


def _last_part(call: ast.Call) -> str:
    """The last part of the name of what is called."""
    return text_of(call.func).rpartition(".")[2]
