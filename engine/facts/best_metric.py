"""The metric by which the program itself tells its best model, and which way it keeps the best."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

from engine.facts.metric_names import words_of
from engine.facts.program import MetricFact
from engine.facts.source_text import text_of

BEST = {"best", "lowest", "highest", "min", "max"}
LOWER, HIGHER = (ast.Lt, ast.LtE), (ast.Gt, ast.GtE)


def best_first(
    metrics: tuple[MetricFact, ...], spelled: dict[str, MetricFact], code: ast.AST
) -> tuple[MetricFact, ...]:
    """The metrics; the one by which the program itself tells its best model first, as ``if auc > best_auc`` does, and
    each in the direction in which the program keeps the best of it.

    Args:
        metrics: the most telling first, which is their order where the program does not say, or names several.
        spelled: the metrics by how the code writes them.
        code: what may compare them with the best so far.
    """
    kept = dict(_kept_best(code))
    directed = {metric: _directed(metric, kept.get(own), metrics) for own, metric in spelled.items()}
    metrics = tuple(directed.get(metric, metric) for metric in metrics)
    told = {
        directed[spelled[own]]
        for node in ast.walk(code)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (*LOWER, *HIGHER))
        for own, other in permutations(map(text_of, (node.left, node.comparators[0])))
        if own in spelled and BEST & set(words_of(other))
    }
    return metrics if len(told) != 1 else (*told, *(metric for metric in metrics if metric not in told))


def _kept_best(code: ast.AST) -> Iterator[tuple[str, str]]:
    """What code keeps the best of, as it writes it, with the direction."""
    for node in ast.walk(code):
        if isinstance(node, ast.If):
            yield from _kept_under(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.value.args) == 2:
            best, function = text_of(node.targets[0]), text_of(node.value.func)
            if function in ("min", "max") and "best" in words_of(best):
                yield from ((text_of(one), function) for one in node.value.args)


def _kept_under(node: ast.If) -> Iterator[tuple[str, str]]:
    """What is kept where it is better: ``if score < best: best = score``."""
    kept = [(text_of(one.value), text_of(one.targets[0])) for one in node.body if isinstance(one, ast.Assign)]
    for part in ast.walk(node.test):
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], (*LOWER, *HIGHER)):
            left, right = text_of(part.left), text_of(part.comparators[0])
            lower = isinstance(part.ops[0], LOWER)
            if (left, right) in kept and "best" in words_of(right):
                yield left, "min" if lower else "max"
            if (right, left) in kept and "best" in words_of(left):
                yield right, "max" if lower else "min"


def _directed(metric: MetricFact, direction: str | None, metrics: tuple[MetricFact, ...]) -> MetricFact:
    """A metric in the direction in which the program keeps the best; what its words make it otherwise, it is not."""
    if direction in (None, metric.direction):
        return metric
    name = "loss" if direction == "min" and "loss" not in [one.name for one in metrics] else "score"
    return replace(metric, name=metric.name if metric.name in ("elbo", "score") else name, direction=direction)
