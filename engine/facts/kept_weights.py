"""Weights of the model that the training keeps beside it, by hand: running averages of them, and snapshots."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts.models import belongs
from engine.facts.program import Expression, Facts
from engine.facts.source_text import expression, names_bound, own_nodes, text_of
from engine.facts.trace import Call
from engine.facts.values import Object, Parameters, Scope, Value, objects, options, value_of

SAME_NUMBERS = {"data", "detach", "clone", "cpu", "cuda", "to", "float", "double"}
BLENDS = {"add_", "sub_", "lerp_", "copy_", "mul_"}
PARTS = ("items", "values", "copy")
WHOLE = (".state_dict", "torch.nn.utils.parameters_to_vector", "torch.nn.utils.convert_parameters.parameters_to_vector")
ADDS = ("append", "appendleft", "insert", "add")
HELD = SAME_NUMBERS | BLENDS
VECTORS = WHOLE[1:]
BLOCKS = ("body", "orelse", "finalbody")


def averages(facts: Facts) -> Iterator[Expression]:
    """The statements of the training that work the model's weights into an average of them beside the model:
    ``average[name] = 0.99 * average[name] + 0.01 * value``."""
    read = _Reader(facts)
    for body, scope in read.training_code():
        for statement, names in read.statements(body, scope, frozenset()):
            if any(read.blends(node, scope, names) for node in own_nodes([statement])):
                yield expression(statement, scope)


def snapshots(facts: Facts) -> Iterator[tuple[str, Expression]]:
    """The statements of the training that add the model's weights to a list or a dictionary of them: its name, too."""
    read = _Reader(facts)
    for body, scope in read.training_code():
        for statement, _ in read.statements(body, scope, frozenset()):
            for node in own_nodes([statement]):
                kept, given = _added(node)
                if given is not None and read.is_copy(given, scope):
                    yield text_of(kept), expression(statement, scope)


def _added(node: ast.AST) -> tuple[ast.expr | None, ast.expr | None]:
    """The list or dictionary that something is added to, under a name that is worked out, and what is added."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ADDS and node.args:
        return node.func.value, node.args[-1]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
        return (None, None) if isinstance(target.slice, ast.Constant) else (target.value, node.value)
    return None, None


class _Reader:
    """Says of the expressions of a program whether they are weights of the trained model.

    Attributes:
        facts: of the program.
        models: the trained models.
        results: what the calls of the training give, by their nodes.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.models = [value for model in facts.models for value in (model.value, *model.alternatives)]
        self.node = facts.loop.loop.node if facts.loop is not None else None
        inside = (event for event in facts.trace.events if self.node is not None and event.within_node(self.node))
        self.events = list(inside) if self.models else []
        self.results = {event.node: event.result for event in self.events}

    def training_code(self) -> Iterator[tuple[list[ast.stmt], Scope]]:
        """The statements of the epoch loop, and those of the functions that it calls."""
        if self.facts.loop is None or not self.models:
            return
        yield self.facts.loop.loop.node.body, self.facts.loop.scope
        called = {entry.scope: entry for event in self.events for entry in event.path if isinstance(entry, Call)}
        around = {entry.scope for entry in self.facts.loop.calls}
        for scope, call in called.items():
            if scope not in around and isinstance(call.function.node.body, list):
                yield call.function.node.body, scope

    def statements(
        self, body: list[ast.stmt], scope: Scope, names: frozenset[str]
    ) -> Iterator[tuple[ast.stmt, frozenset[str]]]:
        """The statements that hold no others, each with the names that stand for weights of the model there."""
        for statement in body:
            inner = names
            if isinstance(statement, ast.For):
                inner = names - names_bound(statement.target) | self.bound(statement.target, statement.iter, scope)
            blocks = [block for name in BLOCKS for block in [getattr(statement, name, [])] if block]
            for block in blocks:
                yield from self.statements(block, scope, inner)
            if not blocks:
                yield statement, names

    def bound(self, target: ast.expr, iterable: ast.expr, scope: Scope) -> frozenset[str]:
        """The names that a loop over the model's weights, perhaps together with others, gives them."""
        if (
            isinstance(iterable, ast.Call)
            and isinstance(target, ast.Tuple)
            and text_of(iterable.func) in ("zip", "enumerate")
        ):
            given = iterable.args if text_of(iterable.func) == "zip" else [ast.Constant(0), *iterable.args]
            pairs = zip(target.elts, given, strict=False)
            return frozenset().union(*(self.bound(part, each, scope) for part, each in pairs))
        if not self.are_weights(iterable, scope):
            return frozenset()
        last = target.elts[-1] if isinstance(target, ast.Tuple) else target
        return frozenset({last.id}) if isinstance(last, ast.Name) else frozenset()

    def values(self, node: ast.expr, scope: Scope) -> list[Value]:
        """What an expression may stand for."""
        return options(self.results.get(node)) if isinstance(node, ast.Call) else value_of(node, scope)

    def are_weights(self, node: ast.expr, scope: Scope) -> bool:
        """True for all weights of the model, one after the other or by their names."""
        return any(self.is_of_model(value) for value in self.values(node, scope))

    def is_of_model(self, value: Value) -> bool:
        """True for the parameters of the model, its state, and what stands for them all."""
        if isinstance(value, Parameters):
            return any(belongs(one, model) for owner in value.owners for one in objects(owner) for model in self.models)
        if not isinstance(value, Object) or value.is_module:
            return False
        if value.kind in WHOLE:
            return any(self.is_of_model(one) for given in value.args for one in options(given))
        owners = objects(value.receiver)
        if value.kind.endswith(WHOLE[0]):
            return any(belongs(one, model) for one in owners for model in self.models) or any(
                map(self.is_of_model, owners)
            )
        return value.short_kind in PARTS and any(map(self.is_of_model, owners))

    def is_weight(self, node: ast.expr, scope: Scope, names: frozenset[str]) -> bool:
        """True for one of the weights, or for all of them in a vector, on whatever device."""
        node = _same_numbers(node)
        if isinstance(node, ast.Subscript):
            return self.are_weights(node.value, scope)
        if isinstance(node, ast.Attribute) and node.attr in ("weight", "bias"):
            tensors = [one for one in self.values(node, scope) if isinstance(one, Object)]
            return any(belongs(one, model) for one in tensors for model in self.models)
        vectors = [one for one in self.values(node, scope) if isinstance(one, Object) and one.kind in VECTORS]
        return isinstance(node, ast.Name) and node.id in names or any(map(self.is_of_model, vectors))

    def blends(self, node: ast.AST, scope: Scope, names: frozenset[str]) -> bool:
        """True for what changes something beside the model to a sum of what it was and of weights of the model."""
        if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Add, ast.Sub)):
            target, given, sums = node.target, node.value, True
        elif isinstance(node, ast.Assign):
            target, given, sums = node.targets[0], node.value, False
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in BLENDS
            and node.args
        ):
            target, given, sums = node.func.value, node.args[0], node.func.attr != "copy_"
        else:
            return False
        if isinstance(given, (ast.DictComp, ast.ListComp)):
            generator = given.generators[0]
            names = names | self.bound(generator.target, generator.iter, scope)
            given = given.value if isinstance(given, ast.DictComp) else given.elt
        parts = list(_summed(given))
        kept = _holder(target)
        goes_on = sums or len(parts) > 1 and text_of(kept) in {text_of(part) for part in ast.walk(given)}
        beside = not self.is_weight(target, scope, names) and not self.is_weight(kept, scope, names)
        return goes_on and beside and any(self.is_weight(part, scope, names) for part in parts)

    def is_copy(self, node: ast.expr, scope: Scope) -> bool:
        """True for a copy of the model, or of its state."""
        if isinstance(node, (ast.DictComp, ast.ListComp)):
            return self.are_weights(node.generators[0].iter, scope)
        node = _same_numbers(node)
        copied = [one for one in self.values(node, scope) if isinstance(one, Object)]
        sources = [source for one in copied for source in objects(one.receiver)]
        copies = any(one.is_module for one in copied) and any(source in self.models for source in sources)
        return copies or any(map(self.is_of_model, copied))


def _same_numbers(node: ast.expr) -> ast.expr:
    """What an expression has the numbers of: ``p`` for ``p.data.clone()``."""
    while True:
        called = node.func if isinstance(node, ast.Call) else node
        if not isinstance(called, ast.Attribute) or called.attr not in SAME_NUMBERS:
            return node
        node = called.value


def _summed(node: ast.expr) -> Iterator[ast.expr]:
    """The parts that an expression adds up, without the numbers they are multiplied with."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
        for part in (node.left, node.right):
            yield from _summed(part)
    elif not isinstance(node, ast.Constant):
        yield node


def _holder(target: ast.expr) -> ast.expr:
    """What keeps that which is changed: ``average`` for ``average[name].mul_(0.99)``."""
    while isinstance(target, (ast.Subscript, ast.Call)) or isinstance(target, ast.Attribute) and target.attr in HELD:
        target = target.func if isinstance(target, ast.Call) else target.value
    return target
