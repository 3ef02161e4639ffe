"""FLR116: layers whose size is known only after the first batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import parts_of

if TYPE_CHECKING:
    from engine.facts import Facts


class LazyModules(ProgramRule):
    """
    ## What it does
    Refuses a model with lazy layers (`nn.LazyLinear`, `nn.LazyConv2d`, ...).

    ## Why is this bad
    Their weights get a shape when the first batch passes. The server sees no batch, so the first weights it sends out
    have no shape, and sites with different data could settle on different ones.

    ## Example
    ```python
    self.head = nn.LazyLinear(10)
    ```

    ## Remedy
    Write the input size: `nn.Linear(512, 10)`. Print the model after one batch to read it off.

    ## Fix safety
    There is no fix: the size is not in the source.

    ## References
    - [torch.nn.modules.lazy.LazyModuleMixin](https://pytorch.org/docs/stable/generated/torch.nn.modules.lazy.LazyModuleMixin.html)
    """

    CODE = "FLR116"
    MESSAGE = "This layer gets its size from the first batch, which the server never sees."
    REMEDY = "Write the layer with its input size (nn.Linear, nn.Conv2d, ...)."
    VALID = ["from torch import nn\nlayer = nn.LazyLinear(10)"]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every lazy layer of the trained model, once for each place it is written."""
        places = set()
        for part in (part for model in facts.models for part in parts_of(model.value)):
            if part.kind.startswith("torch.nn.Lazy") and part.scope and part.place not in places:
                places.add(part.place)
                yield cls.found(part.scope.file, part.node)
