"""How values flow through one pass of a loop, by its syntax alone: what lives on from pass to pass, and what it makes.

The order within a pass counts only for what is read before it is set. Everything else is told too much rather than too
little: a statement hands everything it reads to everything it sets.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from engine.facts.source_text import NESTED, names_bound, names_in, names_read, own_nodes, parameters_in, text_of

LINEAR = (ast.Add, ast.Sub, ast.Mult, ast.Div)
CHANGES_FIRST = ("copyto", "put", "place", "putmask", "fill_diagonal", "at")
CHANGES_RECEIVER = ("fill", "sort", "put", "resize", "partition", "itemset", "setfield")
EXTREMES = ("min", "max", "minimum", "maximum")


@dataclass(frozen=True)
class Flow:
    """What one statement of a pass reads and sets.

    Attributes:
        node: the statement.
        stores: the names it sets, or whose elements it sets.
        reads: the names it reads, those of the functions it calls among them.
        linear: the names it sets and reads as no more than a term of a sum or a factor: ``w`` in ``w - rate * g``.
        updates: the names it sets to something made of what they were.
        governed: the names that the tests around it read.
        seen: the statement with variables in place of the attributes and entries that are looked at as such.
    """

    node: ast.stmt
    stores: frozenset[str]
    reads: frozenset[str]
    linear: frozenset[str]
    updates: frozenset[str]
    governed: frozenset[str]
    seen: ast.stmt


Names = Callable[[ast.AST], set[str]]
See = Callable[[ast.AST], ast.AST]


def flows(
    body: Iterable[ast.stmt], called: Names, seen: See = lambda node: node, changed: Names = lambda node: set()
) -> list[Flow]:
    """The statements of a pass, in the order of the source.

    Args:
        body: the loop's.
        called: the names from outside that the project's functions called in a node read.
        seen: gives code with variables in place of attributes and entries.
        changed: the names from outside that the project's functions called in a node set, or change elements of.
    """
    return list(_flows(body, called, seen, changed, frozenset()))


def _flows(
    body: Iterable[ast.stmt], called: Names, seen: See, changed: Names, governed: frozenset[str]
) -> Iterator[Flow]:
    """The statements of a block and of those in it; ``governed``: the names that the tests around it read."""
    for statement in body:
        if isinstance(statement, NESTED):
            continue
        own = header(statement)
        flow = _flow(statement, seen(statement), frozenset(called(own)), governed)
        stores = frozenset(changed(own))
        yield replace(flow, stores=flow.stores | stores, updates=flow.updates | (stores & flow.reads))
        test = getattr(statement, "test", None) if isinstance(statement, (ast.If, ast.While)) else None
        inner = governed | (names_read(seen(test)) | called(test) if test is not None else frozenset())
        for block in _blocks(statement):
            yield from _flows(block, called, seen, changed, inner)


def header(statement: ast.stmt) -> ast.Module:
    """The expressions of a statement; of a compound one without the blocks in it."""
    return ast.Module([n for n in ast.iter_child_nodes(statement) if isinstance(n, (ast.expr, ast.withitem))], [])


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield part.body


def _flow(written: ast.stmt, statement: ast.stmt, called: frozenset[str], governed: frozenset[str]) -> Flow:
    """What a statement reads and sets; of a compound one its header.

    Args:
        written: the statement.
        statement: the statement as it is seen.
        called: the names that the functions called in it read.
        governed: the names that the tests around it read.
    """
    if isinstance(statement, ast.AugAssign):
        stores = _base(statement.target)
        reads = called | names_read(statement.value) | _indices(statement.target)
        return Flow(written, stores, reads, _linear(statement.value, stores) - called, stores, governed, statement)
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        stores = frozenset().union(*map(_base, targets))
        reads = called | names_read(statement.value) | frozenset().union(*map(_indices, targets))
        parts = frozenset().union(*(_base(target) for target in targets if isinstance(target, ast.Subscript)))
        updates = parts | (stores & names_read(statement.value) if not _is_extreme(statement.value) else frozenset())
        return Flow(written, stores, reads, _linear(statement.value, stores) - called, updates, governed, statement)
    own = header(statement)
    stores, changed = names_bound(own), _changed_by_calls(own)
    reads = called | names_read(own)
    return Flow(written, frozenset(stores | changed), reads, frozenset(), frozenset(changed), governed, statement)


def _is_extreme(value: ast.expr) -> bool:
    """True for ``min(best, new)``: a record of what was, not something that is updated."""
    return isinstance(value, ast.Call) and text_of(value.func).rpartition(".")[2] in EXTREMES


def _base(target: ast.expr) -> frozenset[str]:
    """The names a target sets, or whose elements it sets."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return frozenset().union(*map(_base, target.elts))
    while isinstance(target, (ast.Subscript, ast.Starred)):
        target = target.value
    return frozenset({target.id}) if isinstance(target, ast.Name) else frozenset()


def _indices(target: ast.expr) -> frozenset[str]:
    """The names that say which elements a target sets."""
    return frozenset().union(*(names_read(n.slice) for n in ast.walk(target) if isinstance(n, ast.Subscript)))


def _linear(value: ast.expr, names: Iterable[str]) -> frozenset[str]:
    """Those of some names that an expression reads only as terms and factors of sums and products, or not at all."""
    every = [node.id for node in ast.walk(value) if isinstance(node, ast.Name)]
    return frozenset(name for name in names if every.count(name) == _terms(value, name))


def _terms(value: ast.expr, name: str) -> int:
    """How often a name, or elements of it, are a term or factor."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, LINEAR):
        return _terms(value.left, name) + _terms(value.right, name)
    return int(isinstance(value, (ast.Name, ast.Subscript)) and name in _base(value))


def _changed_by_calls(node: ast.AST) -> set[str]:
    """The arrays that NumPy's own calls in an expression change in place; what is only shuffled stays what it was."""
    found: set[str] = set()
    for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
        out = next((keyword.value for keyword in call.keywords if keyword.arg == "out"), None)
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        found |= _base(out) if out is not None else set()
        found |= _base(call.args[0]) if name in CHANGES_FIRST and call.args else set()
        found |= _base(call.func.value) if name in CHANGES_RECEIVER else set()
    return found


def carried(pass_: list[Flow]) -> set[str]:
    """The names that a pass sets and reads before it has set them: they live on from pass to pass."""
    seen: set[str] = set()
    found: set[str] = set()
    for flow in pass_:
        found |= ((flow.reads | flow.updates | flow.governed) - seen) & _ever_set(pass_)
        seen |= flow.stores
    return found


def _ever_set(pass_: list[Flow]) -> set[str]:
    """The names that a pass sets somewhere."""
    return {name for flow in pass_ for name in flow.stores}


def comes_back(pass_: list[Flow], name: str, living: set[str], data: set[str]) -> bool:
    """True where what a name is at the start of a pass meets data, and what comes of that updates the name itself.

    So does a weight: it makes a prediction, the prediction an error, the error a gradient, perhaps through momentum.
    Momentum does not: it is only added to.

    Args:
        pass_: the statements.
        name: the name.
        living: the names that live on from pass to pass: what they were is read before they are set, not after.
        data: the names of what is trained on.
    """
    position = {flow.node: index for index, flow in enumerate(pass_)}
    first = min((position[flow.node] for flow in pass_ if name in flow.stores), default=0)
    pending, done = [(name, False, 0, first)], set()
    while pending:
        state = pending.pop()
        if state in done:
            continue
        done.add(state)
        current, met, start, end = state
        for flow, touched in _readers(pass_[start : end + 1], current, met, data):
            if touched and name in flow.updates:
                return True
            for stored in flow.stores - {name}:
                later = position[flow.node] + 1 if stored in living else 0
                pending.append((stored, touched, later, len(pass_)))
    return False


def meets_data(pass_: list[Flow], name: str, living: set[str], data: set[str]) -> bool:
    """True where what a name is meets data, by itself or in what a pass makes of it."""
    pending, done = [name], set()
    while pending:
        current = pending.pop()
        if current in done:
            continue
        done.add(current)
        for flow, touched in _readers(pass_, current, False, data):
            if touched:
                return True
            pending += flow.stores - living
    return False


def _readers(pass_: Iterable[Flow], name: str, met: bool, data: set[str]) -> Iterator[tuple[Flow, bool]]:
    """The statements that a name's value reaches directly, and whether it has met data by then."""
    for flow in pass_:
        if name in flow.reads and name not in flow.linear:
            yield flow, met or bool(flow.reads & data)
        elif name in flow.governed:
            yield flow, met or bool(flow.governed & data)


def outer_names(function: ast.AST) -> set[str]:
    """The names that a function reads and does not set itself."""
    own = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return names_in(function) - own - parameters_in(function)


def changed_outside(function: ast.AST) -> set[str]:
    """What a function changes outside of itself: elements of its parameters, and the names of the module it sets."""
    body = function.body if isinstance(function.body, list) else []
    parameters = parameters_in(function.args)
    found: set[str] = set()
    for node in own_nodes(body):
        if isinstance(node, ast.AugAssign):
            found |= _base(node.target) & parameters
        elif isinstance(node, ast.Assign):
            parts = [t for target in node.targets for t in ast.walk(target) if isinstance(t, ast.Subscript)]
            found |= frozenset().union(*(_base(part) for part in parts)) & parameters
        elif isinstance(node, ast.Call):
            found |= _changed_by_calls(node) & parameters
        elif isinstance(node, ast.Global):
            found |= set(node.names)
    return found
