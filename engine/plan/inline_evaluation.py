"""An evaluation that stands inline in the training becomes a function: the statements its metrics need, copied.

The original stays where it is, so training is what it was. What is copied is the slice of the block that the metrics
depend on, without what only reports or keeps them (prints, checkpoints, trackers).
"""

from __future__ import annotations

import ast
import copy

from engine.facts import EvaluationFact, Facts, MetricFact
from engine.facts.optimizers import goes_backward
from engine.facts.source_text import contains, names_read
from engine.facts.values import External, LocalModule
from engine.plan.evaluation_slice import Block, own_slice
from engine.plan.frame import Frame, bodies
from engine.plan.names import Names
from engine.plan.phases import Fold, phase_of
from engine.plan.statement_effects import clears, root
from engine.source import SourceFile

SHOWN = {"desc", "postfix", "set_description", "set_description_str", "set_postfix", "set_postfix_str"}


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
    plain = Block(target, training=training, modules=modules)
    found, quiet = _without_progress(target, start)
    rewritten = Block(found, rewritten=True, training=training, modules=modules)
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
    block: Block, start: list[ast.stmt], evaluation: EvaluationFact, frame: Frame, names: Names
) -> tuple[str, tuple[MetricFact, ...]] | None:
    """The function and its metrics, from the statements among which the evaluating loop stands."""
    if not _descend(start, block):
        return None
    metrics = tuple(m for m in evaluation.metrics if own_slice(block, _names(m), frame) is not None)
    kept = own_slice(block, {n for m in metrics for n in _names(m)}, frame)
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
        if root(node.func) in ("tqdm", "trange") or isinstance(node.func, ast.Attribute) and node.func.attr == "tqdm":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in SHOWN]
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.copy_location(ast.Pass(), node)]
        return node


def _names(metric: MetricFact) -> set[str]:
    """The names a metric's expression reads."""
    return names_read(ast.parse(metric.text, mode="eval"))


def _beside(frame: Frame, target: ast.AST) -> list[ast.stmt] | None:
    """The statements to look among: the body of the epoch loop, or what follows it."""
    if isinstance(frame.node, (ast.For, ast.While, ast.Module)) and contains(frame.node, target):
        return frame.node.body
    for body in bodies(frame.body):
        if frame.statements[-1] in body:
            after = body[body.index(frame.statements[-1]) + 1 :]
            return after if any(contains(statement, target) for statement in after) else None
    return None


def _descend(body: list[ast.stmt], block: Block) -> bool:
    """Collect what lies around the evaluating loop: conditions and the loop over training batches are passed, ``with``
    blocks kept, phases chosen."""
    block.bodies.append(body)
    holder = next((statement for statement in body if contains(statement, block.target)), None)
    if holder is block.target:
        return True
    if isinstance(holder, ast.With):
        block.headers.append(holder)
        return _descend(holder.body, block)
    if isinstance(holder, (ast.If, ast.Try)):
        inner = holder.body if any(contains(s, block.target) for s in holder.body) else holder.orelse
        return _inline(body, holder, inner, block)
    phase = phase_of(holder) if isinstance(holder, ast.For) else None
    if phase is None and isinstance(holder, (ast.For, ast.While)):
        return _inline(body, holder, holder.body, block)
    if phase is None:
        return False
    variable, value = phase
    block.bound[variable] = repr(value)
    inner = [s for statement in copy.deepcopy(holder.body) for s in Fold(variable, value).statements(statement)]
    place = (block.target.lineno, block.target.col_offset)
    found = [n for s in inner for n in ast.walk(s) if isinstance(n, ast.For) and (n.lineno, n.col_offset) == place]
    if not found:
        return False
    block.target, block.rewritten = found[0], True
    block.bodies.pop()
    return _descend(inner, block)


def _inline(body: list[ast.stmt], holder: ast.stmt, inner: list[ast.stmt], block: Block) -> bool:
    """Take a condition's body for the condition itself: the function evaluates whenever it is called."""
    position = body.index(holder)
    block.bodies.pop()
    return _descend([*body[:position], *inner, *body[position + 1 :]], block)


def _written(file: SourceFile, block: Block, kept: list[ast.stmt], taken: str) -> list[str]:
    """The slice as lines at the left margin, headers with their bodies indented.

    Args:
        file: where it stands.
        block: what it is a slice of.
        kept: its statements.
        taken: takes down the metrics; written before what clears them, if anything does.
    """
    lines: list[str] = []
    order = block.in_order(kept)
    clearing = next((s for s in order[order.index(block.target) + 1 :] if clears(s)), None)

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
