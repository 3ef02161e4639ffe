"""FLR205: a learning rate schedule sized for one run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts

SIZED = (
    "CosineAnnealingLR", "OneCycleLR", "PolynomialLR", "get_linear_schedule_with_warmup", "PolyLR",
    "get_cosine_schedule_with_warmup", "get_polynomial_decay_schedule_with_warmup", "CosineLRScheduler",
)  # fmt: skip


class ScheduleForOneRun(ProgramRule):
    """
    ## What it does
    Finds learning rate schedules whose length is that of one run: cosine, one-cycle and polynomial schedules.

    ## Why is this bad
    A federated run trains for rounds times epochs. A cosine would come back up in the second round, and `OneCycleLR`
    raises an error after its last step.

    ## Example
    ```python
    scheduler = CosineAnnealingLR(optimizer, T_max=args.epochs)
    ```

    ## Remedy
    Size it for all rounds: `T_max=args.epochs * args.num_rounds`. `apply` does it.

    ## Fix safety
    `lint` has no fix, since a script by itself has no rounds; the step `rescale_schedulers` of `apply` rescales it.

    ## References
    - [torch.optim: how to adjust the learning rate](https://pytorch.org/docs/stable/optim.html)
    """

    CODE = "FLR205"
    MESSAGE = "This schedule is as long as one run; a federated run has several rounds of them."
    REMEDY = "Size it for all rounds; apply does it."
    VALID = [
        """
        import torch
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
            scheduler.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                scheduler.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every schedule with a length."""
        for scheduler in facts.schedulers:
            if scheduler.name.endswith(SIZED) and scheduler.construction:
                yield cls.found(scheduler.construction.scope.file, scheduler.construction.node)
