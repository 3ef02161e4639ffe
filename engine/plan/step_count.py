"""How the optimizer steps of a round are counted."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from engine.facts import Facts
from engine.facts.optimizers import is_scaler
from engine.facts.source_text import contains
from engine.facts.values import Object, objects, options
from engine.plan.frame import Frame, expression_for


@dataclass(frozen=True)
class StepCount:
    """How the optimizer steps of a round are counted.

    Attributes:
        optimizer: the optimizer as written where it is hooked; empty where every optimizer is counted.
        may_be_none: True where a round that trains may take no step: a gradient scaler skips those that overflow, and
            an update of arrays may hang on a condition.
    """

    optimizer: str
    may_be_none: bool = False


def count_steps(facts: Facts, frame: Frame) -> StepCount:
    """Hook the one optimizer where it can be named; otherwise count the steps of every optimizer.

    What ``accelerator.prepare`` gives for an optimizer has no hooks: it passes its steps on to the optimizer itself.
    """
    if len(facts.optimizers) == 1:
        optimizer = facts.optimizers[0]
        values = [o for o in options(optimizer.value) if isinstance(o, Object)]
        prepared = {
            id(one) for event in facts.trace.named(".prepare") for value in event.args for one in options(value)
        }
        is_torch = len(values) == 1 and values[0].kind.startswith("torch.optim.") and id(values[0]) not in prepared
        if is_torch and not optimizer.built_in_loop:
            name = expression_for(values[0], frame.scope, optimizer.variable)
            if name and (name.split(".")[0] in frame.bound_outside):
                return StepCount(name, _may_skip_all(facts))
    return StepCount("", _may_skip_all(facts))


def _may_skip_all(facts: Facts) -> bool:
    """True where steps are skipped in training as it should be, perhaps all of a short round."""
    if facts.arrays is None or facts.loop is None:
        events = [optimizer.step_event for optimizer in facts.optimizers]
        return any(is_scaler(one) for event in events if event is not None for one in objects(event.receiver))
    update, nodes = facts.arrays.updates[-1].node, ast.walk(facts.loop.loop.node)
    return any(isinstance(node, ast.If) and contains(node, update) for node in nodes)
