"""FLR114: parameters of the loss that are trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.program import ModelFact

LOSS = re.compile(r"loss|criterion|objective", re.IGNORECASE)


class TrainableLoss(ProgramRule):
    """
    ## What it does
    Refuses a program whose loss is a module with parameters of its own that an optimizer trains, such as the centers of
    a center loss or learned task weights.

    ## Why is this bad
    What the sites exchange is the state of the model. The parameters of the loss would stay local, differ from site to
    site, and each site would minimise another loss.

    ## Example
    ```python
    center_loss = CenterLoss(num_classes=10)
    optimizer_center = torch.optim.SGD(center_loss.parameters(), lr=0.5)
    ```

    ## Remedy
    Make the loss a part of the model (`self.center_loss = CenterLoss(...)` in its constructor), so that its parameters
    are in the model's `state_dict`.

    ## Fix safety
    There is no fix: model and loss must be put together by hand.
    """

    CODE = "FLR114"
    MESSAGE = "The loss has parameters that are trained, and the model's state_dict does not carry them."
    REMEDY = "Make the loss a part of the model, so that its parameters are in the model's state_dict."
    VALID = [
        """
        import torch
        from torch import nn
        model, criterion = nn.Linear(2, 2), nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x, y in loader:
                criterion(model(x), y).backward()
                optimizer.step()
        """,
        """
        import torch
        from torch import nn
        def penalty(out):
            return out.pow(2).mean()
        class PenalisedLoss(nn.Module):
            def __init__(self):
                super().__init__()
                self.base = nn.CrossEntropyLoss()
            def forward(self, out, y):
                return self.base(out, y) + penalty(out)
        model, criterion = nn.Linear(2, 2), PenalisedLoss()
        optimizer = torch.optim.SGD([*model.parameters(), *criterion.parameters()], lr=0.1)
        for epoch in range(3):
            for x, y in loader:
                criterion(model(x), y).backward()
                optimizer.step()
        """,
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            class CenterLoss(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.centers = nn.Parameter(torch.zeros(10, 2))
            model, criterion = nn.Linear(2, 2), CenterLoss()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            optimizer_centers = torch.optim.SGD(criterion.parameters(), lr=0.5)
            for epoch in range(3):
                for x, y in loader:
                    criterion(model(x), y).backward()
                    optimizer.step()
                    optimizer_centers.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every loss among what is trained beside the model."""
        for model in facts.models[1:]:
            if is_loss(model):
                yield cls.found(model.construction.scope.file, model.construction.node)


def is_loss(model: ModelFact) -> bool:
    """True for a trained module that its class or its variable calls a loss."""
    return bool(LOSS.search(model.name) or LOSS.search(model.variable))
