"""Why a training in NumPy cannot be followed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from engine.facts.array_construction import Built
from engine.facts.array_flow import Flow, header, meets_data
from engine.facts.array_slots import rebinds
from engine.facts.program import ArrayProblem
from engine.facts.source_text import expression, own_nodes
from engine.facts.trace import Loop
from engine.facts.values import Mapping, Object, Scope, Sequence, Value, options


def problem_at(what: str, node: ast.AST, loop: Loop) -> ArrayProblem:
    """A problem, in words, at a node of a loop."""
    return ArrayProblem(what, expression(node, loop.scope))


def _setting(body: list[Flow], name: str) -> ast.stmt:
    """The first statement that sets a name."""
    return next(flow.node for flow in body if name in flow.stores)


def not_built(name: str, body: list[Flow], loop: Loop) -> ArrayProblem:
    """A name that is trained and of which it is not known what it starts from."""
    return problem_at(f"what {name} starts from before the epoch loop cannot be told", _setting(body, name), loop)


def unfollowed(body: list[Flow], loop: Loop, unknown: set[str]) -> ArrayProblem | None:
    """Why a loop that looks like training is not followed."""
    return attribute_update(body, loop) or next((not_built(name, body, loop) for name in sorted(unknown)), None)


def not_updated(
    body: list[Flow], loop: Loop, others: set[str], living: set[str], data: set[str]
) -> ArrayProblem | None:
    """An array that is used on data and lives on, but is not updated by what comes of that."""
    for name in sorted(others):
        if meets_data(body, name, living, data):
            what = f"{name} is used on the data and lives on from pass to pass, but is not updated from what it was"
            return problem_at(what, _setting(body, name), loop)
    return None


def replaced(body: list[Flow], loop: Loop, model: list[str]) -> ArrayProblem | None:
    """A weight that is given another value in the loop, not made of what it was: older weights, or those of a file."""
    for flow in body:
        for name in sorted(flow.stores & set(model) - flow.updates):
            return problem_at(f"{name} is replaced in the epoch loop by what is not an update of it", flow.node, loop)
    return None


def apart(loop: Loop, updates: list[Flow]) -> ArrayProblem | None:
    """Updates in different blocks: how many steps they make together is not known."""
    blocks = [loop.node.body, *(b for n in own_nodes(loop.node.body) for b in _inner_blocks(n))]
    nodes = [flow.node for flow in updates]
    if any(all(node in block for node in nodes) for block in blocks):
        return None
    return problem_at("the arrays are updated in different blocks, so steps cannot be counted", nodes[-1], loop)


def _inner_blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        if isinstance(getattr(node, name, None), list):
            yield getattr(node, name)


def aliased(body: list[Flow], loop: Loop, arrays: set[str]) -> ArrayProblem | None:
    """An array that is changed under another name: by ``for p, g in zip([w, b], grads): p -= g``."""
    changed = {name for flow in body for name in flow.updates if not _is_plain_assignment(flow.seen)} - arrays
    for flow in body:
        views = isinstance(flow.seen, ast.For) or isinstance(
            getattr(flow.seen, "value", None), (ast.Name, ast.Subscript, ast.Attribute)
        )
        if views and flow.stores & changed and flow.reads & arrays:
            return problem_at("arrays are changed under another name", flow.node, loop)
    return None


def started_alike(
    body: list[Flow], loop: Loop, constructions: dict[str, Built | None], names: set[str]
) -> ArrayProblem | None:
    """An array that is changed in place and has a second name from before the loop: ``v = w`` or ``w = self.w``."""
    for flow in body:
        for name in sorted(flow.updates & names):
            built = constructions.get(name)
            view = built is not None and isinstance(built.node, (ast.Name, ast.Attribute, ast.Subscript))
            if view and not rebinds(flow.seen, name):
                return problem_at(f"{name} is another name of {ast.unparse(built.node)}", flow.node, loop)
    return None


def _is_plain_assignment(statement: ast.stmt) -> bool:
    """True for an assignment to names alone."""
    return isinstance(statement, ast.Assign) and not any(
        isinstance(n, ast.Subscript) for target in statement.targets for n in ast.walk(target)
    )


def attribute_update(body: list[Flow], loop: Loop) -> ArrayProblem | None:
    """An update of an attribute, or of an entry of a dictionary, that is not looked at as a variable."""
    for flow in body:
        node = flow.seen
        target = node.target if isinstance(node, ast.AugAssign) and _descends(node) else None
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Sub):
            target = node.targets[0] if ast.unparse(node.value.left) == ast.unparse(node.targets[0]) else None
        if isinstance(target, ast.Attribute) or (isinstance(target, ast.Subscript) and _of_mapping(target, loop.scope)):
            written = flow.node.target if isinstance(flow.node, ast.AugAssign) else flow.node.targets[0]
            return problem_at(f"{ast.unparse(written)} is no variable of its own", flow.node, loop)
    return None


def _descends(node: ast.AugAssign) -> bool:
    """True for ``-= step`` and ``+= -step``."""
    return isinstance(node.op, ast.Sub) or (isinstance(node.op, ast.Add) and ast.unparse(node.value).startswith("-"))


def hidden(
    body: list[Flow], loop: Loop, changed: Callable[[ast.AST], set[str]], arrays: set[str]
) -> ArrayProblem | None:
    """An array that is changed by a function or method that the loop calls."""
    for flow in body:
        for name in sorted(changed(header(flow.node)) & arrays):
            return problem_at(f"{name} is changed out of the sight of the epoch loop", flow.node, loop)
    return None


def several_in_one(body: list[Flow], loop: Loop, model: list[str], start: dict[str, Value]) -> ArrayProblem | None:
    """A dictionary, list or object that is replaced as a whole, as if it were one array."""
    for name in model:
        held = [one for one in options(start.get(name)) if isinstance(one, (Mapping, Sequence)) or _is_instance(one)]
        if held:
            return problem_at(f"{name} holds several arrays and is replaced as a whole", _setting(body, name), loop)
    return None


def _is_instance(value: Value) -> bool:
    """True for an object of a class of the project."""
    return isinstance(value, Object) and value.cls is not None


def _of_mapping(target: ast.Subscript, scope: Scope) -> bool:
    """True for an entry of a dictionary or list, or of what may be one."""
    base = target.value
    if not isinstance(base, ast.Name):
        return True
    return any(not isinstance(o, Object) for o in options(scope.look_up(base.id)))
