"""Where one round begins and ends: the statement that is wrapped, and how things are called there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.facts import Facts
from engine.facts.program import LocalStateFact
from engine.facts.source_text import DEFINITIONS, FUNCTIONS, names_bound, parameters_in
from engine.facts.trace import Call
from engine.facts.values import Object, Scope, Value, options
from engine.plan.refusals import MODEL_OUT_OF_REACH, Refused
from engine.result import Place
from engine.source import SourceFile

PREFIXES = {"DataParallel": "module", "DistributedDataParallel": "module", "compile": "_orig_mod"}


@dataclass(frozen=True)
class Frame:
    """The statement that trains one round, and the function or module it stands in; where the training stands in no
    loop, the statements.

    Attributes:
        node: the statement; a module of the statements, where the training stands in no loop.
        statements: the one, or all of them.
        scope: the scope they stand in.
        body: the statements of the function or module around.
        is_loop: True where it is the epoch loop itself, or the statements that train, not a call that leads there.
    """

    node: ast.AST = field(compare=False, repr=False)
    statements: list[ast.stmt] = field(compare=False, repr=False)
    scope: Scope = field(compare=False, repr=False)
    body: list[ast.stmt] = field(compare=False, repr=False)
    is_loop: bool = True

    @property
    def file(self) -> SourceFile:
        """The file it stands in."""
        return self.scope.file

    @property
    def place(self) -> Place:
        """Of the statement, or the first of them."""
        return self.file.place(self.statements[0])

    @property
    def last(self) -> Place:
        """Of the statement, or the last of them."""
        return self.file.place(self.statements[-1])

    @property
    def end(self) -> Place:
        """Where that ends."""
        return self.file.end(self.statements[-1])

    @property
    def torch_name(self) -> str:
        """How the file names the torch module; empty where it does not import it."""
        for name, value in self.scope.module.variables.items():
            if getattr(value, "name", "") == "torch" and not name.startswith("*"):
                return name
        return ""

    @property
    def bound_outside(self) -> set[str]:
        """Names bound in the function or module before the statement, or visible from around it."""
        names = _bound(self.body, skip=self.statements)
        scope: Scope | None = self.scope
        while scope is not None:
            if scope is not self.scope:
                names |= set(scope.variables)
            scope = scope.parent
        function = function_node(self.scope)
        if function is not None:
            names |= parameters_in(function.args)
        return names


def frames(facts: Facts) -> Iterator[Frame]:
    """The statements that lead to the epoch loop, the loop itself first, outermost last."""
    loop = facts.loop
    assert loop is not None
    yield Frame(loop.loop.node, loop.statements, loop.scope, body_of(loop.scope))
    for call in reversed(loop.calls):
        if isinstance(call, Call) and call.statement is not None:
            yield Frame(call.statement, [call.statement], call.caller, body_of(call.caller), is_loop=False)


def choose_frame(facts: Facts) -> Frame:
    """The statement to wrap: the epoch loop, or the call that leads to it where only there the evaluation is at hand.

    A call is wrapped only where everything that must be built once is built before it.
    """
    candidates = list(frames(facts))
    evaluation = facts.evaluation
    if facts.arrays is not None or evaluation is None or evaluation.call is None or evaluation.where != "after":
        return candidates[0]
    built = [
        facts.model.value if facts.model else None,
        *[o.value for o in facts.optimizers],
        *[s.value for s in facts.schedulers],
    ]
    for frame, call in zip(candidates[1:], reversed(facts.loop.calls if facts.loop else []), strict=False):
        if evaluation.call.scope is frame.scope:
            inside = [b for b in built if isinstance(b, Object) and _built_within(facts, b, call)]
            kept = [state for state in facts.local_state if _kept_within(facts, state, call)]
            return candidates[0] if inside or kept or _changes_model(facts, frame, call) else frame
    return candidates[0]


def _changes_model(facts: Facts, frame: Frame, call: Call) -> bool:
    """True where a call gives back another model than it trained, or loads other weights into it after training:
    what is sent has to be what the optimizer has trained."""
    assert facts.model is not None
    if names_bound(frame.node) & {name.split(".")[0] for name in facts.model.value.names}:
        return True
    return any(
        event.name == ".load_state_dict" and event.within_node(call.node)
        for event in facts.trace.events
        if call.node is not None
    )


def _built_within(facts: Facts, built: Object, call: Call) -> bool:
    """True where an object is built inside a call."""
    events = facts.trace.events
    if not 0 <= built.event < len(events):
        return False
    return any(isinstance(entry, Call) and entry.node is call.node for entry in events[built.event].path)


def _kept_within(facts: Facts, state: LocalStateFact, call: Call) -> bool:
    """True for state beside the model that would begin anew with every call: a variable there, or of what is built
    there."""
    if isinstance(state.holder, Object):
        return _built_within(facts, state.holder, call)
    calls = facts.loop.calls if facts.loop is not None else []
    return state.holder in [inner.scope for inner in calls[calls.index(call) :]]


def function_node(scope: Scope) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The definition of the function a scope belongs to; None at module level."""
    if not scope.qualified_name or scope.is_class:
        return None
    node, within = None, scope.file.nodes
    for part in scope.qualified_name.split("."):
        found = [child for child in within if isinstance(child, DEFINITIONS) and child.name == part]
        if not found:
            return None
        node, within = found[-1], ast.walk(found[-1])
    return node if isinstance(node, FUNCTIONS) else None


def body_of(scope: Scope) -> list[ast.stmt]:
    """The statements of the function or module a scope belongs to."""
    node = function_node(scope)
    return node.body if node is not None else scope.file.tree.body


def bodies(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """A list of statements and the lists inside them, functions and classes aside."""
    yield body
    for statement in body:
        if isinstance(statement, DEFINITIONS):
            continue
        for name in ("body", "orelse", "finalbody"):
            if getattr(statement, name, None):
                yield from bodies(getattr(statement, name))
        for handler in getattr(statement, "handlers", []):
            yield from bodies(handler.body)


def _bound(body: list[ast.stmt], skip: list[ast.stmt]) -> set[str]:
    """Names that statements bind, some statements, what follows them and nested functions' insides left out."""
    names: set[str] = set()
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if node in skip or getattr(node, "lineno", 0) > skip[0].lineno:
            continue
        if isinstance(node, DEFINITIONS):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        pending.extend(ast.iter_child_nodes(node))
    return names


def expression_for(target: Value, scope: Scope, preferred: str = "") -> str | None:
    """How an object is written in a scope: a name, or an attribute of one; None where it cannot be reached.

    Args:
        target: the object.
        scope: where it is to be named.
        preferred: the name to use where it fits.
    """
    return next(iter(sorted(names_of(target, scope), key=lambda name: (name != preferred, name.count(".")))), None)


def names_of(target: Value, scope: Scope) -> Iterator[str]:
    """Every way an object is written in a scope."""
    seen: set[str] = set()
    inner: Scope | None = scope
    while inner is not None:
        for name, value in inner.variables.items():
            if name in seen or name.startswith("*"):
                continue
            seen.add(name)
            if any(option is target for option in options(value)):
                yield name
        inner = inner.parent
    for name in seen:
        for option in options(scope.look_up(name)):
            if isinstance(option, Object) and not option.is_module:
                for attribute, held in option.attributes.items():
                    if attribute.isidentifier() and any(part is target for part in options(held)):
                        yield f"{name}.{attribute}"


@dataclass(frozen=True)
class ModelName:
    """How the model is written where it is trained.

    Attributes:
        wrapped: as training uses it.
        bare: the module whose state is exchanged, without DataParallel, DDP or compile around it.
    """

    wrapped: str
    bare: str


def name_model(facts: Facts, frame: Frame) -> ModelName:
    """How the model is written where it is trained.

    Raises:
        Refused: it cannot be reached from there.
    """
    if facts.arrays is not None:
        names = ", ".join(array.written for array in facts.arrays.arrays)
        return ModelName(names, names)
    assert facts.model is not None
    model, scope = facts.model.value, frame.scope
    wrappers = wrapper_objects(facts, model)
    for target in (*reversed(wrappers), model):
        name = expression_for(target, scope, facts.model.variable)
        if name:
            held = [o for o in _values_of(name, scope) if o is model or any(o is w for w in wrappers)]
            return ModelName(name, bare_text(name, held, model))
    raise Refused([MODEL_OUT_OF_REACH.at(frame.file, frame.place)])


def wrapper_objects(facts: Facts, model: Object) -> list[Object]:
    """The wrappers built around a model, innermost first."""
    found: list[Object] = []
    for candidate in facts.trace.objects:
        if candidate.short_kind in PREFIXES and candidate.args:
            inside = options(candidate.args[0])
            if any(option is model or any(option is known for known in found) for option in inside):
                found.append(candidate)
    return found


def _values_of(name: str, scope: Scope) -> list[Value]:
    """What a dotted name may stand for in a scope."""
    head, _, attribute = name.partition(".")
    values = options(scope.look_up(head))
    if attribute:
        values = [p for v in values if isinstance(v, Object) for p in options(v.attributes.get(attribute))]
    return values


def bare_text(name: str, held: list[Value], model: Object) -> str:
    """The expression for the module inside the wrappers a name may stand for."""
    chains = {tuple(_chain(value, model)) for value in held} or {()}
    if len(chains) == 1:
        return ".".join([name, *chains.pop()])
    attributes = list(dict.fromkeys(attribute for chain in sorted(chains, key=len) for attribute in chain))
    text = name
    for attribute in attributes:
        text = f'getattr({text}, "{attribute}", {text})'
    return text


def _chain(value: Value, model: Object) -> list[str]:
    """The attributes that lead from a wrapper to the model inside."""
    chain: list[str] = []
    while isinstance(value, Object) and value is not model and value.args:
        chain.append(PREFIXES.get(value.short_kind, "module"))
        inside = options(value.args[0])
        value = next(
            (o for o in inside if isinstance(o, Object) and o is not model and o.short_kind in PREFIXES), inside[0]
        )
    return chain
