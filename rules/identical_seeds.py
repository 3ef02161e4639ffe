"""FLR301: one seed for all sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.facts.values import plain, written_parts
from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts

SEEDS = (
    "torch.manual_seed", "torch.random.manual_seed", "numpy.random.seed", "random.seed", "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all", "pytorch_lightning.seed_everything", "lightning.seed_everything",
    "accelerate.utils.set_seed", "transformers.set_seed", "monai.utils.set_determinism",
)  # fmt: skip


class IdenticalSeeds(ProgramRule):
    """
    ## What it does
    Warns of a random seed that is the same at every site.

    ## Why is this bad
    All sites then draw the same shuffles, dropout masks and augmentations. That is wanted for the initial weights,
    which the server sends anyway, and for a split that must agree; elsewhere it takes independence away from what is
    averaged.

    ## Example
    ```python
    torch.manual_seed(42)
    ```

    ## Remedy
    Nothing, where runs are to be repeatable and the sites' data differ. Otherwise give each site another one
    in job.py, as the how-to on jobs shows, which needs the seed to be an argument of the script.

    ## Fix safety
    There is no fix: which draws must agree is the author's decision.
    """

    CODE = "FLR301"
    MESSAGE = "Every site runs with this same seed, so that all draw the same shuffles and masks."
    REMEDY = "Make the seed an argument, and give each site another one where draws should differ."
    GIVEN = "Give each site another {option} in job.py, where draws should differ."
    VALID = [
        """
        import os, torch
        from torch import nn
        torch.manual_seed(int.from_bytes(os.urandom(4), "big"))
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            model(x).sum().backward()
            optimizer.step()
        """,
        "import torch\ntorch.manual_seed(42)",
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            torch.manual_seed(42)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                model(x).sum().backward()
                optimizer.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first seed of a program that trains, where its value is known."""
        seeds = facts.trace.named(*SEEDS) if facts.loop else iter(())
        event = next((event for event in seeds if event.args and isinstance(plain(event.args[0]), int)), None)
        if event:
            found = cls.found(event.scope.file, event.node)
            option = next((part.option for part in written_parts(event.args[0]) if part.option), None)
            yield replace(found, remedy=cls.GIVEN.format(option=max(option.flags, key=len))) if option else found
