"""Arrays that have no name of their own: attributes of an object, ``self.w``, and entries of a dictionary,
``params["w"]``. A pass of a loop is looked at with each of them as a variable of that name.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.facts.array_flow import Flow, flows, outer_names
from engine.facts.library import is_namespace
from engine.facts.source_text import own_nodes, parameters_in, positional_parameters
from engine.facts.values import Function, Mapping, Object, Value, options

CHANGE_WHOLE = ("update", "pop", "popitem", "clear", "setdefault", "__setattr__", "__setitem__")
BY_NAME = ("setattr", "delattr", "vars")


@dataclass(frozen=True)
class Slot:
    """One attribute, or entry of a dictionary, that may hold an array.

    Attributes:
        root: the variable it hangs on.
        key: the attribute, or the key.
        owner: the object or dictionary.
    """

    root: str
    key: str
    owner: Object | Mapping

    @property
    def name(self) -> str:
        """How it is written, in one spelling."""
        return f"{self.root}.{self.key}" if isinstance(self.owner, Object) else f"{self.root}[{self.key!r}]"

    @property
    def value(self) -> Value | None:
        """What it stands for at the end of the program."""
        held = self.owner.attributes if isinstance(self.owner, Object) else self.owner.items
        return held.get(self.key)


def holders(body: Iterable[ast.stmt], known: dict[str, Value]) -> dict[str, Object | Mapping]:
    """The objects and dictionaries whose parts some statements may set, by the names they have there all along."""
    nodes = list(own_nodes(body))
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    used = {
        n.value.id for n in nodes if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.value, ast.Name)
    }
    passed = {n.id for n in nodes if isinstance(n, ast.Name)}
    found: dict[str, Object | Mapping] = {}
    for name in sorted((used | passed) - bound):
        held = options(known.get(name))
        if len(held) == 1 and _holds_parts(held[0]) and not any(held[0] is other for other in found.values()):
            found[name] = held[0]
    return found


def _holds_parts(value: Value) -> bool:
    """True for an instance of a class of the project, and for a dictionary with names as keys."""
    if isinstance(value, Mapping):
        return bool(value.items) and all(isinstance(key, str) for key in value.items)
    return isinstance(value, Object) and value.cls is not None and not value.is_module and not is_namespace(value)


class Slots:
    """The attributes and entries that the code of a loop names.

    Args:
        held: objects and dictionaries by the names they have in the code.
        functions: the project's functions that a call in the code, or in what it calls, may reach.
        roots: the names that the slots are told by, where they differ from those in the code: a method's ``self``.
        done: functions that are being looked into.
    """

    def __init__(
        self, held: dict[str, Object | Mapping], functions: dict[ast.AST, list[Function]],
        roots: dict[str, str] | None = None, done: frozenset[tuple[int, str]] = frozenset(),
    ) -> None:  # fmt: skip
        self.held, self.functions, self.done = held, functions, done
        self.roots = roots or {name: name for name in held}

    def __bool__(self) -> bool:
        return bool(self.held)

    @property
    def every(self) -> list[Slot]:
        """All slots that are known to be there."""
        return [slot for name in self.held for slot in self._of(name)]

    def _of(self, name: str) -> list[Slot]:
        """The slots that hang on a name."""
        owner = self.held[name]
        keys = owner.attributes if isinstance(owner, Object) else owner.items
        return [Slot(self.roots[name], key, owner) for key in keys]

    def at(self, node: ast.AST | None) -> Slot | None:
        """The slot that an expression is."""
        base = getattr(node, "value", None)
        owner = self.held.get(base.id) if isinstance(base, ast.Name) else None
        if isinstance(owner, Object) and isinstance(node, ast.Attribute) and method(owner, node.attr) is None:
            return Slot(self.roots[base.id], node.attr, owner)
        if isinstance(owner, Mapping) and isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return Slot(self.roots[base.id], node.slice.value, owner)
        return None

    def seen(self, node: ast.AST) -> ast.AST:
        """Some code with every slot as a variable; an object or dictionary that is used whole stands for its parts."""
        if not self.held:
            return node
        copied = copy.deepcopy(node)
        origins = dict(zip(map(id, ast.walk(copied)), ast.walk(node), strict=True))
        return ast.fix_missing_locations(_View(self, origins).visit(copied))

    def handed(self, call: ast.Call) -> Iterator[tuple[Function, dict[str, str]]]:
        """The functions that a call may reach, each with the parameters that get an object or dictionary whole."""
        for function in self.functions.get(call, ()):
            given = arguments(function, call)
            own = parameters_in(function.node.args)
            names = {p: v.id for p, v in given.items() if isinstance(v, ast.Name) and v.id in self.held}
            names |= {name: name for name in self.held if name in outer_names(function.node) - own}
            if names:
                yield function, names

    def within(self, call: ast.Call) -> Iterator[tuple[Flow, Slots]]:
        """What the statements of the functions that a call reaches do with the slots, as they are told here."""
        for function, names in self.handed(call):
            done = self.done | {(id(function.node), name) for name in names}
            if done == self.done:
                continue
            inner = Slots(
                {parameter: self.held[name] for parameter, name in names.items()}, self.functions,
                {parameter: self.roots[name] for parameter, name in names.items()}, done,
            )  # fmt: skip
            body = function.node.body
            statements = body if isinstance(body, list) else [ast.copy_location(ast.Expr(body), body)]
            for flow in flows(statements, inner.read_in, inner.seen, inner.changed_in):
                yield flow, inner

    def read_in(self, node: ast.AST) -> set[str]:
        """The slots that the functions called in a node read."""
        inside = self._all_within(node)
        return {name for flow, inner in inside for name in flow.reads | flow.updates if inner.is_slot(name)}

    def changed_in(self, node: ast.AST) -> set[str]:
        """The slots that the functions called in a node set, or whose elements they may change."""
        found = {slot.name for name in self._set_unclearly(node) for slot in self._of(name)}
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            inside = list(self.within(call))
            found |= {name for flow, inner in inside for name in flow.stores if inner.is_slot(name)}
            found |= {name for one, name in aliases(flow for flow, _ in inside) if one and self.is_slot(name)}
            for function in self.functions.get(call, ()):
                changed = parameters_changed(function.node)
                given = arguments(function, call)
                found |= {p.name for name in changed if (p := self.at(given.get(name))) is not None}
        return found

    def _set_unclearly(self, node: ast.AST) -> Iterator[str]:
        """The objects and dictionaries that parts are set of without saying which: ``params[k] = v``, ``setattr``."""
        for each in ast.walk(node):
            found: ast.AST | None = None
            if isinstance(each, ast.Subscript) and not isinstance(each.ctx, ast.Load) and self.at(each) is None:
                found = each.value
            elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in CHANGE_WHOLE:
                found = each.func.value
            elif isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in BY_NAME:
                found = each.args[0] if each.args else None
            elif isinstance(each, ast.Attribute) and each.attr == "__dict__":
                found = each.value
            if isinstance(found, ast.Name) and found.id in self.held:
                yield found.id

    def is_slot(self, name: str) -> bool:
        """True for the name of a slot, and False for that of a variable."""
        return any(name.startswith((f"{root}.", f"{root}[")) for root in self.roots.values())

    def _all_within(self, node: ast.AST) -> Iterator[tuple[Flow, Slots]]:
        """The same for all calls in a node; see `within`."""
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            yield from self.within(call)


class _View(ast.NodeTransformer):
    """Puts a variable in place of every attribute and entry."""

    def __init__(self, slots: Slots, origins: dict[int, ast.AST]) -> None:
        self.slots, self.origins = slots, origins

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        slot = self.slots.at(node)
        return self.generic_visit(node) if slot is None else ast.copy_location(ast.Name(slot.name, node.ctx), node)

    visit_Subscript = visit_Attribute

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Whole, for a reader that is not known: all of its parts."""
        if node.id not in self.slots.held or not isinstance(node.ctx, ast.Load):
            return node
        parts = [ast.Name(slot.name, ast.Load()) for slot in self.slots._of(node.id)]
        return ast.copy_location(ast.Tuple(parts, ast.Load()), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What a function of the project does with its arguments is looked at there."""
        known = list(self.slots.handed(self.origins[id(node)]))
        names = {name for _, given in known for name in given.values()}
        if (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in names
        ):
            node.func = ast.copy_location(ast.Constant(None), node.func)
        for part in (*node.args, *node.keywords):
            value = part.value if isinstance(part, ast.keyword) and part.arg else part
            if isinstance(value, ast.Name) and value.id in names:
                value.id = "None"
        return self.generic_visit(node)


def method(owner: Object, name: str) -> Function | None:
    """The method or property of an object of the project that a name stands for."""
    found = owner.cls.find(name) if owner.cls is not None else None
    return found if isinstance(found, Function) else None


def arguments(function: Function, call: ast.Call) -> dict[str, ast.expr]:
    """What a call gives the parameters of a function; ``self`` is the receiver."""
    parameters = positional_parameters(function.node)
    values = list(call.args)
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorators)
    if function.owner is not None and not static and isinstance(call.func, ast.Attribute):
        values.insert(0, call.func.value)
    plain = values[: next((i for i, v in enumerate(values) if isinstance(v, ast.Starred)), len(values))]
    return dict(zip(parameters, plain, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}


def parameters_changed(function: ast.AST) -> set[str]:
    """The parameters whose elements a function may change, by itself or under another name."""
    body = function.body if isinstance(function.body, list) else []
    parameters = parameters_in(function.args)
    inside = flows(body, lambda node: set())
    direct = {name for flow in inside for name in flow.updates if not rebinds(flow.seen, name)}
    return (direct | {name for changed, name in aliases(inside) if changed}) & parameters


def aliases(body: Iterable[Flow]) -> Iterator[tuple[bool, str]]:
    """The names that are bound to a variable, and whether elements of it are changed under them."""
    inside = list(body)
    changed = {name for flow in inside for name in flow.updates if not rebinds(flow.seen, name)}
    for flow in inside:
        value = getattr(flow.seen, "value", None)
        while isinstance(value, (ast.Subscript, ast.Attribute)):
            value = value.value
        if isinstance(flow.seen, (ast.Assign, ast.AnnAssign)) and isinstance(value, ast.Name):
            yield bool(flow.stores & changed), value.id


def rebinds(statement: ast.AST, name: str) -> bool:
    """True where a statement gives a name another array rather than other elements."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    assigns = isinstance(statement, (ast.Assign, ast.AnnAssign))
    return assigns and any(isinstance(part, ast.Name) and part.id == name for part in parts)
