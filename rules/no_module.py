"""FLR121: parameters that belong to no module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.facts.optimizers import loose_parameters
from engine.facts.values import Object, Sequence, Value, options
from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts


class NoModule(ProgramRule):
    """
    ## What it does
    Refuses a program whose optimizer trains tensors that belong to no `nn.Module`, alone or beside those of a model.

    ## Why is this bad
    What the server and the sites exchange is the `state_dict` of a module. Loose tensors have none.

    ## Example
    ```python
    w = torch.randn(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    ```

    ## Remedy
    Make the tensors parameters of a module: `self.w = nn.Parameter(torch.randn(3))`, and give the optimizer
    `model.parameters()`.

    ## Fix safety
    There is no fix.
    """

    CODE = "FLR121"
    MESSAGE = "This optimizer trains tensors that belong to no nn.Module."
    REMEDY = "Put what is trained into an nn.Module and give its parameters() to the optimizer."
    VALID = [
        """
        import torch
        from torch import nn
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            model(x).sum().backward()
            optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            w = torch.randn(3, requires_grad=True)
            optimizer = torch.optim.SGD([w], lr=0.1)
            for epoch in range(3):
                (w * x).sum().backward()
                optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Linear(2, 1)
            scale = nn.Parameter(torch.zeros(1))
            optimizer = torch.optim.SGD([{"params": model.parameters()}, {"params": [scale], "lr": 0.01}], lr=0.1)
            for epoch in range(3):
                (model(x) * scale).sum().backward()
                optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 2)
                    self.scale = torch.ones(2, requires_grad=True)
                def forward(self, x):
                    return self.scale * self.layer(x)
            model = Net()
            optimizer = torch.optim.SGD([*model.parameters(), model.scale], lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The step of an optimizer that was given loose tensors alone, and those it was given beside a model's."""
        for tensor in beside_models(facts):
            name = f"`{tensor.names[0]}`" if tensor.names else "this tensor"
            message = f"An optimizer trains {name}, which belongs to no nn.Module, so no state_dict carries it."
            yield cls.found(tensor.scope.file, tensor.node, message)
        if facts.optimizer and not facts.models and trains_tensors(facts.optimizer.value):
            step = facts.optimizer.step_event
            yield cls.found(step.scope.file, step.node)

    @classmethod
    def refusal(cls, facts: Facts) -> Result:
        """The finding for a program whose model is not found, whatever the reason."""
        step = facts.optimizer.step_event
        message = "The nn.Module whose parameters this optimizer trains is not found."
        lost = replace(cls.found(step.scope.file, step.node, message), remedy="Name it with --model.")
        return next(cls.check(facts), lost)


def beside_models(facts: Facts) -> list[Object]:
    """The loose tensors that are trained beside a model, those of a single pass (an attack, say) left out."""
    given = [tensor for optimizer in facts.optimizers for tensor in loose_parameters(optimizer.value)]
    loop = facts.loop.loop.node if facts.loop else None
    kept = [one for one in given if one.scope and not facts.trace.events[one.event].within_node(loop)]
    return [one for index, one in enumerate(kept) if one not in kept[:index]] if facts.models else []


def trains_tensors(optimizer: Value | None) -> bool:
    """True for an optimizer built from a list of what calls gave back, none of it a module's parameters."""
    given = optimizer.argument(0, "params") if isinstance(optimizer, Object) else None
    tensors = given.items if isinstance(given, Sequence) else []
    found = [option for tensor in tensors for option in options(tensor)]
    return bool(found) and all(isinstance(each, Object) and isinstance(each.node, ast.Call) for each in found)
