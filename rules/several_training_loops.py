"""FLR120: several loops that train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts


class SeveralTrainingLoops(ProgramRule):
    """
    ## What it does
    Asks which loop is meant in a program with two or more epoch loops, such as a warm-up with frozen layers before the
    training proper, or two models trained one after the other.

    ## Why is this bad
    One loop becomes the round. Choosing for the author could federate the lesser half of the training.

    ## Example
    ```python
    for epoch in range(5): train(model, head_optimizer)
    for epoch in range(50): train(model, optimizer)
    ```

    ## Remedy
    Choose with `--loop FILE:LINE`, or make one loop of them.

    ## Fix safety
    There is no fix: which loop is meant is the author's decision.
    """

    CODE = "FLR120"
    MESSAGE = "Several loops of this program train; one of them is to become the round."
    REMEDY = "Choose one with --loop FILE:LINE."
    VALID = [
        """
        import torch
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
            for x in test_loader:
                model(x)
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for epoch in range(30):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The second loop that trains; the message names them all."""
        if len(facts.loops) > 1:
            places = ", ".join(str(loop.place) for loop in facts.loops)
            message = f"Several loops of this program train ({places}); one of them is to become the round."
            loop = facts.loops[1].loop
            yield cls.found(loop.scope.file, loop.node, message)
