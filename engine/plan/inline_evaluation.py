"""An evaluation that stands inline in the training becomes a function: the statements its metrics need, copied.

The original stays where it is, so training is what it was. What is copied is the slice of the block that the metrics
depend on, without what only reports or keeps them (prints, checkpoints, trackers).
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field

from engine.facts import EvaluationFact, Facts, MetricFact
from engine.facts.metrics import printed_metrics
from engine.facts.optimizers import goes_backward
from engine.facts.values import External, LocalModule
from engine.plan.frame import Frame, bodies
from engine.plan.names import Names
from engine.source import SourceFile

EVALUATING = {"val", "valid", "validation", "test", "eval", "dev"}
TRAINING_CALLS = {"backward", "step", "zero_grad"}
SHOWN = {"desc", "postfix", "set_description", "set_description_str", "set_postfix", "set_postfix_str"}
CLEARS = {"reset", "clear", "zero", "zero_"}
ADDS = {"append", "extend", "add", "update"}


@dataclass
class _Block:
    """The statements around an evaluating loop, outermost header first.

    Attributes:
        target: the evaluating loop; where nothing loops, the statement that calls the model.
        headers: ``with`` statements around the loop that belong to the evaluation.
        bodies: the statements the slice is taken from: those beside each header, outermost first.
        bound: what loops over phases bind their variable to, as source.
        rewritten: True where the statements are no longer those of the source, so that they are written anew.
        training: where the calls of functions that train stand, by line and column.
        modules: the names of modules, which calling their functions does not change.
    """

    target: ast.AST
    headers: list[ast.With] = field(default_factory=list)
    bodies: list[list[ast.stmt]] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)
    rewritten: bool = False
    training: frozenset[tuple[int, int]] = frozenset()
    modules: frozenset[str] = frozenset()


def inline_function(
    facts: Facts, evaluation: EvaluationFact, frame: Frame, names: Names
) -> tuple[str, tuple[MetricFact, ...]] | None:
    """The source of a function that evaluates as an inline block does, and the metrics it returns: those that the
    evaluation alone computes. None where there is none.

    Args:
        facts: of the program.
        evaluation: an evaluation that stands inline.
        frame: where a round is trained.
        names: free names.
    """
    target = evaluation.loop.node if evaluation.loop is not None else evaluation.forward
    scope = evaluation.loop.scope if evaluation.loop is not None else evaluation.statements[0].scope
    if target is None or scope is not frame.scope:
        return None
    start = _beside(frame, target)
    if start is None:
        return None
    training, modules = _training_calls(facts), _modules(frame)
    plain = _Block(target, training=training, modules=modules)
    found, quiet = _without_progress(target, start)
    rewritten = _Block(found, rewritten=True, training=training, modules=modules)
    return _function_of(plain, start, evaluation, frame, names) or _function_of(
        rewritten, quiet, evaluation, frame, names
    )


def _training_calls(facts: Facts) -> frozenset[tuple[int, int]]:
    """Where the calls stand that lead to a backward pass or a step of the optimizer."""
    stepping = [fact.step_event for fact in facts.optimizers]
    learning = [event for event in facts.trace.events if goes_backward(event) or event in stepping]
    nodes = [call.node for event in learning for call in event.calls if call.node is not None]
    return frozenset((node.lineno, node.col_offset) for node in nodes)


def _modules(frame: Frame) -> frozenset[str]:
    """The names that stand for modules where a round is trained."""
    known = {name for scope in frame.scope.chain() for name in scope.variables}
    return frozenset(name for name in known if isinstance(frame.scope.look_up(name), (LocalModule, External)))


def _function_of(
    block: _Block, start: list[ast.stmt], evaluation: EvaluationFact, frame: Frame, names: Names
) -> tuple[str, tuple[MetricFact, ...]] | None:
    """The function and its metrics, from the statements among which the evaluating loop stands."""
    if not _descend(start, block):
        return None
    metrics = tuple(m for m in evaluation.metrics if _own_slice(block, _names(m), frame) is not None)
    kept = _own_slice(block, {n for m in metrics for n in _names(m)}, frame)
    if not metrics or kept is None:
        return None
    entries = ", ".join(f'"{m.name}": float({m.text})' for m in metrics)
    taken = f"{names.evaluated} = {{{entries}}}"
    body = [f"{variable} = {value}" for variable, value in block.bound.items()]
    body += _written(frame.file, block, kept, taken)
    is_taken = any(line.lstrip() == taken for line in body)
    body += [f"return {names.evaluated}" if is_taken else f"return {{{entries}}}"]
    lines = [f"def {names.evaluate}():", *[f"    {line}" if line else "" for line in body]]
    return "\n".join(lines) + "\n", metrics


def _without_progress(target: ast.AST, start: list[ast.stmt]) -> tuple[ast.AST, list[ast.stmt]]:
    """The same statements without what a progress bar shows beside its count, such as the number of the epoch."""
    place = (target.lineno, target.col_offset)
    quiet = [s for statement in copy.deepcopy(start) if (s := _Quiet().visit(statement)) is not None]
    loops = [node for statement in quiet for node in ast.walk(statement) if isinstance(node, type(target))]
    return next((node for node in loops if (node.lineno, node.col_offset) == place), target), quiet


class _Quiet(ast.NodeTransformer):
    """Takes out what a progress bar shows."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        shown = isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr in SHOWN
        return None if shown else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        return None if isinstance(called, ast.Attribute) and called.attr in SHOWN else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _root(node.func) in ("tqdm", "trange") or isinstance(node.func, ast.Attribute) and node.func.attr == "tqdm":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in SHOWN]
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.copy_location(ast.Pass(), node)]
        return node


def _names(metric: MetricFact) -> set[str]:
    """The names a metric's expression reads."""
    return _loads(ast.parse(metric.text, mode="eval"))


def _own_slice(block: _Block, wanted: set[str], frame: Frame) -> list[ast.stmt] | None:
    """The statements that names depend on, where these are the evaluation's own; None where training is among them."""
    kept = _without_dead(block, _slice(block, wanted), wanted)
    if block.target not in kept or _trains(kept, block) or _training_reaches(block, kept, wanted):
        return None
    if _adds_up(kept, wanted, block) or not _self_contained(kept, wanted, frame, block):
        return None
    return kept


def _adds_up(kept: list[ast.stmt], wanted: set[str], block: _Block) -> bool:
    """True where a list or a meter that metrics are read from is made before the slice and never cleared in it: it
    would hold what was added in earlier rounds."""
    read = wanted | {name for statement in kept if statement is not block.target for name in _loads(statement)}
    calls = [n for s in kept for n in ast.walk(s) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    added = {_root(call.func) for call in calls if call.func.attr in ADDS}
    cleared = {_root(call.func) for call in calls if call.func.attr in CLEARS}
    return bool(added & read - cleared - {name for statement in kept for name in _plain_stores(statement)})


def _beside(frame: Frame, target: ast.AST) -> list[ast.stmt] | None:
    """The statements to look among: the body of the epoch loop, or what follows it."""
    if isinstance(frame.node, (ast.For, ast.While, ast.Module)) and _holds(frame.node, target):
        return frame.node.body
    for body in bodies(frame.body):
        if frame.statements[-1] in body:
            after = body[body.index(frame.statements[-1]) + 1 :]
            return after if any(_holds(statement, target) for statement in after) else None
    return None


def _holds(statement: ast.AST, target: ast.AST) -> bool:
    """True where a node stands inside a statement, or is it."""
    return any(node is target for node in ast.walk(statement))


def _descend(body: list[ast.stmt], block: _Block) -> bool:
    """Collect what lies around the evaluating loop: conditions and the loop over training batches are passed, ``with``
    blocks kept, phases chosen."""
    block.bodies.append(body)
    holder = next((statement for statement in body if _holds(statement, block.target)), None)
    if holder is block.target:
        return True
    if isinstance(holder, ast.With):
        block.headers.append(holder)
        return _descend(holder.body, block)
    if isinstance(holder, (ast.If, ast.Try)):
        inner = holder.body if any(_holds(s, block.target) for s in holder.body) else holder.orelse
        return _inline(body, holder, inner, block)
    phase = phase_of(holder) if isinstance(holder, ast.For) else None
    if phase is None and isinstance(holder, (ast.For, ast.While)):
        return _inline(body, holder, holder.body, block)
    if phase is None:
        return False
    variable, value = phase
    block.bound[variable] = repr(value)
    inner = [s for statement in copy.deepcopy(holder.body) for s in _Fold(variable, value).statements(statement)]
    place = (block.target.lineno, block.target.col_offset)
    found = [n for s in inner for n in ast.walk(s) if isinstance(n, ast.For) and (n.lineno, n.col_offset) == place]
    if not found:
        return False
    block.target, block.rewritten = found[0], True
    block.bodies.pop()
    return _descend(inner, block)


def phase_of(loop: ast.For) -> tuple[str, str] | None:
    """The variable of a loop over phases such as ``for phase in ["train", "val"]``, and the phase that evaluates."""
    if not isinstance(loop.target, ast.Name) or not isinstance(loop.iter, (ast.List, ast.Tuple)):
        return None
    phases = [element.value for element in loop.iter.elts if isinstance(element, ast.Constant)]
    evaluating = [phase for phase in phases if isinstance(phase, str) and phase.lower() in EVALUATING]
    return (loop.target.id, evaluating[0]) if len(phases) > 1 and evaluating else None


class _Fold(ast.NodeTransformer):
    """Decides the tests of a variable whose value is known."""

    def __init__(self, variable: str, value: str) -> None:
        self.variable, self.value = variable, value

    def statements(self, statement: ast.stmt) -> list[ast.stmt]:
        """A statement with its tests decided: none, itself, or those of the branch that is taken."""
        result = self.visit(statement)
        return result if isinstance(result, list) else [result] if result is not None else []

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        call = node.value
        clears = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "zero_grad"
        return None if clears else self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        constant = node.comparators[0]
        if isinstance(node.left, ast.Name) and node.left.id == self.variable and isinstance(constant, ast.Constant):
            if isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
                same = constant.value == self.value
                return ast.copy_location(ast.Constant(same == isinstance(node.ops[0], ast.Eq)), node)
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            if any(isinstance(value, ast.Constant) and value.value is False for value in test.values):
                return node.orelse
            left = [value for value in test.values if not (isinstance(value, ast.Constant) and value.value is True)]
            node.test = left[0] if len(left) == 1 else ast.BoolOp(ast.And(), left) if left else ast.Constant(True)
        if isinstance(node.test, ast.Constant) and isinstance(node.test.value, bool):
            return node.body if node.test.value else node.orelse
        return node


def phase_evaluation(facts: Facts, frame: Frame) -> EvaluationFact | None:
    """The evaluation of a loop over phases, whose batches are trained on or only measured by the phase."""
    batches = facts.data.loop if facts.data else None
    if batches is None or batches.scope is not frame.scope or not isinstance(frame.node, (ast.For, ast.While)):
        return None
    for body in bodies(frame.node.body):
        for statement in body:
            if isinstance(statement, ast.For) and phase_of(statement) and _holds(statement, batches.node):
                position = next((i for i, s in enumerate(statement.body) if s is batches.node), None)
                if position is not None:
                    metrics = printed_metrics(statement.body[position:])
                    return EvaluationFact(None, None, None, "loop", "none", metrics, batches)
    return None


def _inline(body: list[ast.stmt], holder: ast.stmt, inner: list[ast.stmt], block: _Block) -> bool:
    """Take a condition's body for the condition itself: the function evaluates whenever it is called."""
    position = body.index(holder)
    block.bodies.pop()
    return _descend([*body[:position], *inner, *body[position + 1 :]], block)


def _slice(block: _Block, wanted: set[str]) -> list[ast.stmt]:
    """The statements that names depend on."""
    needed: set[str] = set(wanted)
    for header in block.headers:
        needed |= {n for item in header.items for n in _loads(item.context_expr)}
    candidates = [s for body in block.bodies for s in body if s not in block.headers and not _trains([s], block)]
    kept: list[ast.stmt] = []
    while found := [s for s in candidates if s not in kept and _matters(s, needed - block.modules)]:
        kept += found
        for statement in found:
            needed |= _loads(statement) | _augmented(statement)
    return [s for s in candidates if s in kept]


def _without_dead(block: _Block, kept: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The statements without assignments that a later one undoes before anything reads them.

    Training and evaluation often accumulate under the same names; what the training did with them is not needed.
    """
    order = _in_order(block, kept)
    dead: list[ast.stmt] = []
    for position in reversed(range(len(order))):
        later = [statement for statement in order[position + 1 :] if statement not in dead]
        names = _assigned(order[position])
        if names and not any(_is_read(name, later, wanted) for name in names):
            dead.append(order[position])
    return [statement for statement in kept if statement not in dead]


def _training_reaches(block: _Block, kept: list[ast.stmt], wanted: set[str]) -> bool:
    """True where what training counted or collected is read by the statements that are kept without it."""
    training = [s for body in block.bodies for s in body if s not in block.headers and _trains([s], block)]
    order = _in_order(block, [*kept, *training])
    for position, statement in enumerate(order):
        if statement in training:
            later = [s for s in order[position + 1 :] if s not in training]
            left = _plain_stores(statement) | _collected(statement)
            if any(_reaches(name, later, wanted) for name in left):
                return True
    return False


def _reaches(name: str, later: list[ast.stmt], wanted: set[str]) -> bool:
    """True where the value a name has is read by later statements, or is wanted after them."""
    for statement in later:
        if name in _reads_before_store(statement) and not _starts_anew(statement, name):
            return True
        if name in _assigned(statement) or _starts_anew(statement, name):
            return False
    return name in wanted


def _collected(node: ast.AST) -> set[str]:
    """The names of lists and meters that a node adds to."""
    called = [n.func for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return {function.value.id for function in called if function.attr in ADDS and isinstance(function.value, ast.Name)}


def _starts_anew(statement: ast.stmt, name: str) -> bool:
    """True for ``name.reset()`` and its like."""
    return _clears(statement) and ast.unparse(statement.value.func.value) == name


def _in_order(block: _Block, kept: list[ast.stmt], depth: int = 0) -> list[ast.stmt]:
    """The kept statements and the headers around the loop, as they are run."""
    found: list[ast.stmt] = []
    for statement in block.bodies[depth]:
        if depth < len(block.headers) and statement is block.headers[depth]:
            opened = ast.With(items=block.headers[depth].items, body=[])
            found += [opened, *_in_order(block, kept, depth + 1)]
        elif statement in kept:
            found.append(statement)
    return found


def _assigned(statement: ast.stmt) -> set[str]:
    """The names a statement sets, where that is all it does."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return {part.id for part in parts if isinstance(part, ast.Name)} if _all_names(parts) else set()


def _all_names(parts: list[ast.expr]) -> bool:
    """True where nothing but plain names is assigned to."""
    return all(isinstance(part, ast.Name) for part in parts)


def _is_read(name: str, later: list[ast.stmt], wanted: set[str]) -> bool:
    """True where a name is read before it is set anew."""
    for statement in later:
        if _sets_first(statement, name):
            continue
        if name in _reads_before_store(statement) or name in _loads(statement):
            return True
        if isinstance(statement, ast.Assign) and name in _assigned(statement):
            return False
    return name in wanted


def _sets_first(loop: ast.stmt, name: str) -> bool:
    """True for a loop that sets a name in every pass before it reads it."""
    if not isinstance(loop, ast.For) or loop.orelse or name in _loads(loop.iter):
        return False
    if name in _plain_stores(loop.target):
        return True
    first = next((s for s in loop.body if name in _loads(s) | _plain_stores(s)), None)
    return first is not None and name in _assigned(first) and name not in _loads(first) | _augmented(first)


def _augmented(statement: ast.stmt) -> set[str]:
    """The names a statement adds to, which have to be set before."""
    targets = [n.target for n in ast.walk(statement) if isinstance(n, ast.AugAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _matters(statement: ast.stmt, needed: set[str]) -> bool:
    """True for a statement that sets or changes something needed."""
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
        return False
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return (
            _root(statement.value.func) in needed
            and not _sets_training_mode(statement.value)
            and not _is_module_call(statement.value)
        )
    if isinstance(statement, ast.If):
        return any(_matters(s, needed) for s in [*statement.body, *statement.orelse])
    return bool(_stores(statement) & needed)


def _is_module_call(call: ast.Call) -> bool:
    """True for a plain function call or one of a module's functions, which only reports."""
    return (
        not isinstance(call.func, ast.Attribute)
        and not isinstance(call.func, ast.Name)
        or _root(call.func)
        in (
            "print",
            "torch",
            "np",
            "os",
            "logging",
            "wandb",
            "time",
            "plt",
            "sys",
        )
    )


def _sets_training_mode(call: ast.Call) -> bool:
    """True for ``model.train()`` and ``model.train(True)``."""
    named = isinstance(call.func, ast.Attribute) and call.func.attr == "train"
    return named and all(isinstance(mode, ast.Constant) and mode.value is True for mode in call.args)


def _root(node: ast.expr) -> str:
    """The name a dotted expression or call starts with."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _loads(node: ast.AST) -> set[str]:
    """The names a node reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _stores(node: ast.AST) -> set[str]:
    """The names a node binds, and the roots of what it stores into."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    stored = [
        n for n in ast.walk(node) if isinstance(n, (ast.Subscript, ast.Attribute)) and isinstance(n.ctx, ast.Store)
    ]
    appended = [
        n.func
        for n in ast.walk(node)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in ADDS
    ]
    called = [n.func for n in ast.walk(node) if isinstance(n, ast.Expr) for n in [n.value] if isinstance(n, ast.Call)]
    return names | {_root(n) for n in (*stored, *appended, *called)} - {""}


def _trains(statements: list[ast.stmt], block: _Block) -> bool:
    """True where a statement trains, itself or in what it calls."""
    calls = [n for statement in statements for n in ast.walk(statement) if isinstance(n, ast.Call)]
    return any(
        (isinstance(call.func, ast.Attribute) and call.func.attr in TRAINING_CALLS)
        or (call.lineno, call.col_offset) in block.training
        for call in calls
    )


def _self_contained(kept: list[ast.stmt], wanted: set[str], frame: Frame, block: _Block) -> bool:
    """True where everything the slice reads exists before the loop, or is set in the slice before it is read."""
    outside = frame.bound_outside
    inside: set[str] = set(block.bound)
    for header in block.headers:
        inside |= {n for item in header.items if item.optional_vars for n in _plain_stores(item.optional_vars)}
    for statement in kept:
        stored = _plain_stores(statement)
        first_reads = _reads_before_store(statement)
        for name in first_reads - inside:
            if name in stored or (name not in outside and not _builtin(name)):
                return False
        inside |= stored
    return all(name in inside or name in outside or _builtin(name) for name in wanted)


def _plain_stores(node: ast.AST) -> set[str]:
    """The names a node binds."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _reads_before_store(statement: ast.stmt) -> set[str]:
    """The names a statement may read before it sets them."""
    found: set[str] = set()
    stored: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            bound = _plain_stores(node) | {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
            found.update(_loads(node) - bound - stored)
        elif isinstance(node, ast.Assign):
            visit(node.value)
            for target in node.targets:
                visit(target)
        elif isinstance(node, ast.AugAssign):
            visit(node.value)
            if isinstance(node.target, ast.Name) and node.target.id not in stored:
                found.add(node.target.id)
            visit(node.target)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            visit(node.iter)
            visit(node.target)
            for child in [*node.body, *node.orelse]:
                visit(child)
        elif isinstance(node, ast.withitem):
            visit(node.context_expr)
            if node.optional_vars:
                visit(node.optional_vars)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                stored.add(node.id)
            elif node.id not in stored:
                found.add(node.id)
        else:
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(statement)
    return found


def _builtin(name: str) -> bool:
    """True for a name of Python's own."""
    import builtins

    return hasattr(builtins, name)


def _written(file: SourceFile, block: _Block, kept: list[ast.stmt], taken: str) -> list[str]:
    """The slice as lines at the left margin, headers with their bodies indented.

    Args:
        file: where it stands.
        block: what it is a slice of.
        kept: its statements.
        taken: takes down the metrics; written before what clears them, if anything does.
    """
    lines: list[str] = []
    order = _in_order(block, kept)
    clearing = next((s for s in order[order.index(block.target) + 1 :] if _clears(s)), None)

    def write(depth: int, indent: str) -> None:
        for statement in block.bodies[depth]:
            if depth < len(block.headers) and statement is block.headers[depth]:
                header = ast.unparse(statement).splitlines()[:1] if block.rewritten else _header(file, statement)
                lines.extend(indent + line for line in header)
                write(depth + 1, indent + "    ")
            elif statement in kept:
                lines.extend([indent + taken] if statement is clearing else [])
                text = ast.unparse(statement).splitlines() if block.rewritten else _text(file, statement)
                lines.extend(indent + line if line else "" for line in text)

    write(0, "")
    return lines


def _clears(statement: ast.stmt) -> bool:
    """True for ``meter.reset()`` and the like."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in CLEARS


def _header(file: SourceFile, statement: ast.With) -> list[str]:
    """The lines of a ``with`` statement before its body."""
    first = statement.body[0]
    last = max(item.context_expr.end_lineno or 0 for item in statement.items)
    if first.lineno == statement.lineno:
        return [ast.unparse(statement).splitlines()[0]]
    return _dedent(file.lines[statement.lineno - 1 : last], statement.col_offset)


def _text(file: SourceFile, statement: ast.stmt) -> list[str]:
    """A statement's lines at the left margin; a statement that shares its line is written anew."""
    lines = file.lines[statement.lineno - 1 : statement.end_lineno]
    alone = (
        not lines[0][: statement.col_offset].strip() and not lines[-1][statement.end_col_offset :].split("#")[0].strip()
    )
    if not alone or _spans_text(statement):
        return ast.unparse(statement).splitlines()
    return _dedent(lines, statement.col_offset)


def _spans_text(statement: ast.stmt) -> bool:
    """True where a string runs over several lines, whose inside must not be moved."""
    return any(
        isinstance(n, (ast.Constant, ast.JoinedStr))
        and n.end_lineno != n.lineno
        and not isinstance(getattr(n, "value", ""), bytes)
        for n in ast.walk(statement)
    )


def _dedent(lines: list[str], margin: int) -> list[str]:
    """Lines without a margin."""
    return [line[margin:] if not line[:margin].strip() else line.lstrip() for line in lines]
