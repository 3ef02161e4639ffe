"""FLR115: parameters that are updated without an optimizer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import live_nodes

if TYPE_CHECKING:
    from engine.facts import Facts

UPDATES = ("add_", "sub_", "copy_", "addcdiv_", "add", "sub")


class NoOptimizer(ProgramRule):
    """
    ## What it does
    Refuses a program that updates its parameters by hand from their gradients and steps no optimizer.

    ## Why is this bad
    The optimizer tells what is trained and counts the steps that weigh a site in the average. Without one neither is
    known.

    ## Example
    ```python
    for p in model.parameters():
        p.data.add_(p.grad, alpha=-lr)
    ```

    ## Remedy
    Use the optimizer that does the same, here `torch.optim.SGD(model.parameters(), lr=lr)`, and call its `step()`.

    ## Fix safety
    There is no fix: which optimizer does the same depends on the update.
    """

    CODE = "FLR115"
    MESSAGE = "The parameters are updated by hand; no optimizer tells what is trained and how many steps were done."
    REMEDY = "Use the torch.optim class that does the same update and call its step()."
    VALID = [
        """
        import torch
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            loss_of(model(x)).backward()
            for p in model.parameters():
                p.grad.mul_(2)
            optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            for epoch in range(3):
                loss_of(model(x)).backward()
                for p in model.parameters():
                    p.data.add_(p.grad, alpha=-0.1)
            """
        ),
        Invalid("for epoch in range(3):\n    loss_of(w * x).backward()\n    w.data -= 0.1 * w.grad.data"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first update of a parameter by its gradient, in a program whose loops step no optimizer."""
        backward = any(event.loops for event in facts.trace.named(".backward"))
        if facts.loop is None and backward:
            updates = (cls.found(file, node) for file, node in live_nodes(facts) if is_update(node))
            yield from list(updates)[:1]


def is_update(node: ast.AST) -> bool:
    """True for ``p -= lr * p.grad``, ``p = p - lr * p.grad``, and ``p.add_(p.grad)``."""
    if isinstance(node, (ast.AugAssign, ast.Assign)):
        return isinstance(node.value, (ast.BinOp, ast.Attribute)) and reads_gradient(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in UPDATES:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        return any(reads_gradient(argument) for argument in arguments)
    return False


def reads_gradient(node: ast.AST) -> bool:
    """True where ``.grad`` of something is read."""
    return any(isinstance(child, ast.Attribute) and child.attr == "grad" for child in ast.walk(node))
