"""Loops over phases, ``for phase in ["train", "val"]``, whose batches are trained on or only measured by the phase."""

from __future__ import annotations

import ast

from engine.facts import EvaluationFact, Facts
from engine.facts.printed_metrics import printed_metrics
from engine.plan.frame import Frame, bodies

EVALUATING = {"val", "valid", "validation", "test", "eval", "dev"}


def phase_evaluation(facts: Facts, frame: Frame) -> EvaluationFact | None:
    """The evaluation of a loop over phases, whose batches are trained on or only measured by the phase."""
    batches = facts.data.loop if facts.data else None
    if batches is None or batches.scope is not frame.scope or not isinstance(frame.node, (ast.For, ast.While)):
        return None
    for statement in (statement for body in bodies(frame.node.body) for statement in body):
        if isinstance(statement, ast.For) and phase_of(statement) and batches.node in statement.body:
            metrics = printed_metrics(statement.body[statement.body.index(batches.node) :])
            return EvaluationFact(None, None, None, "loop", "none", metrics, batches)
    return None


def phase_of(loop: ast.For) -> tuple[str, str] | None:
    """The variable of a loop over phases such as ``for phase in ["train", "val"]``, and the phase that evaluates."""
    if not isinstance(loop.target, ast.Name) or not isinstance(loop.iter, (ast.List, ast.Tuple)):
        return None
    phases = [element.value for element in loop.iter.elts if isinstance(element, ast.Constant)]
    evaluating = [phase for phase in phases if isinstance(phase, str) and phase.lower() in EVALUATING]
    return (loop.target.id, evaluating[0]) if len(phases) > 1 and evaluating else None


class Fold(ast.NodeTransformer):
    """Decides the tests of a variable whose value is known."""

    def __init__(self, variable: str, value: str) -> None:
        self.variable, self.value = variable, value

    def statements(self, statement: ast.stmt) -> list[ast.stmt]:
        """A statement with its tests decided: none, itself, or those of the branch that is taken."""
        result = self.visit(statement)
        return result if isinstance(result, list) else [result] if result is not None else []

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.copy_location(ast.Pass(), node)]
        return node

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
