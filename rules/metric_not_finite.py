"""FLR304: a metric that may not be a finite number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts

UNBOUNDED = re.compile(r"\bexp\(|\bnan\b|\binf\b|['\"](nan|inf|-inf)['\"]")


class MetricNotFinite(ProgramRule):
    """
    ## What it does
    Warns of an evaluation whose metric overflows easily (`exp` of a loss, as in a perplexity) or may be `nan` or `inf`.

    ## Why is this bad
    FLARE leaves metrics that are not finite out when it chooses the best model, and one site's `inf` spoils an average.

    ## Example
    ```python
    return math.exp(total_loss / count)
    ```

    ## Remedy
    Report the loss itself, or clip it first: `math.exp(min(loss, 20))`.

    ## Fix safety
    There is no fix: it would change what the script reports.
    """

    CODE = "FLR304"
    MESSAGE = "This evaluation's metric can become infinite or nan, and FLARE then leaves it out."
    REMEDY = "Report the loss itself, or clip it before exp."
    VALID = [
        """
        import torch
        from torch import nn
        def evaluate(model):
            model.eval()
            total = 0
            with torch.no_grad():
                for x, y in loader:
                    total += loss_of(model(x), y).item()
            return total / len(loader)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x, y in loader:
                loss_of(model(x), y).backward()
                optimizer.step()
            loss = evaluate(model)
        """
    ]
    INVALID = [
        Invalid(
            """
            import math, torch
            from torch import nn
            def evaluate(model):
                model.eval()
                total = 0
                with torch.no_grad():
                    for x, y in loader:
                        total += loss_of(model(x), y).item()
                return math.exp(total / len(loader))
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x, y in loader:
                    loss_of(model(x), y).backward()
                    optimizer.step()
                perplexity = evaluate(model)
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The evaluation, where one of its metrics is unbounded."""
        evaluation = facts.evaluation
        unbounded = [metric for metric in evaluation.metrics if UNBOUNDED.search(metric.text)] if evaluation else []
        if unbounded and evaluation.loop:
            yield cls.found(evaluation.loop.scope.file, evaluation.loop.node)
