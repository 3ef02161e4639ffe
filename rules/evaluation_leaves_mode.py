"""FLR207: an evaluation that the training does not recover from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.values import objects, plain
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import in_training, parts_of

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

GRADIENTS = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch.autograd.grad_mode.set_grad_enabled")


class EvaluationLeavesMode(ProgramRule):
    """
    ## What it does
    Finds an evaluation within the epoch loop after which the model stays in evaluation mode, or autograd stays off, and
    nothing in the loop switches it back.

    ## Why is this bad
    From the second epoch on dropout and batch normalisation no longer train, or there are no gradients at all. In a
    federated run the received model is evaluated before training, so that even the first epoch is hit.

    ## Example
    ```python
    for epoch in range(10):
        train(model)     # never calls model.train()
        evaluate(model)  # calls model.eval()
    ```

    ## Remedy
    Call `model.train()` at the start of each epoch; use `with torch.no_grad():` instead of `set_grad_enabled(False)`.

    ## Fix safety
    There is no fix: the place where the training starts again is the author's. `apply` restores both around the
    evaluation that it adds.
    """

    CODE = "FLR207"
    MESSAGE = "The model stays in evaluation mode after this, and nothing in the epoch loop calls its train()."
    REMEDY = "Call model.train() at the start of each epoch."
    VALID = [
        """
        import torch
        from torch import nn
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            model.train()
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
            model.eval()
            with torch.set_grad_enabled(False):
                model(x)
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                model.eval()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            def evaluate(model):
                torch.set_grad_enabled(False)
                return model(x)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                evaluate(model)
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first switch of each kind that nothing in the epoch loop takes back."""
        inside = [event for event in facts.trace.events if in_training(facts, event)]
        trained = [part for model in facts.models for part in parts_of(model.value)]
        modes = [event for event in inside if any(one in trained for one in objects(event.receiver))]
        evaluating = [event for event in modes if event.name == ".eval"]
        if evaluating and not any(event.name == ".train" for event in modes):
            yield cls.found(evaluating[0].scope.file, evaluating[0].node)
        off = [event for event in inside if switches_gradients(event, on=False)]
        if off and not any(switches_gradients(event, on=True) for event in inside):
            message = "Autograd stays off after this, and nothing in the epoch loop switches it on again."
            yield cls.found(off[0].scope.file, off[0].node, message)


def switches_gradients(event: Event, on: bool) -> bool:
    """True for ``torch.set_grad_enabled(on)`` as a statement of its own; as a context it switches back by itself."""
    alone = isinstance(event.statement, ast.Expr) and event.statement.value is event.node
    return event.name in GRADIENTS and alone and bool(event.args) and plain(event.args[0]) is on
