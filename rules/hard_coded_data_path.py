"""FLR203: data at a fixed place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixit import Invalid, LintRule

from engine.result import Result
from rules.base import ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts


class HardCodedDataPath(ProgramRule, LintRule):
    """
    ## What it does
    Finds training data that is read from a path written in the source.

    ## Why is this bad
    Data stays where it is, and it is somewhere else at every site. In a FLARE job the script runs in another folder
    besides, so that a relative path finds nothing.

    ## Example
    ```python
    train_set = datasets.MNIST("../data", train=True)
    ```

    ## Remedy
    Make the path an argument of the script (`--data-dir`). `apply` does it, with the present path as the default.

    ## Fix safety
    `lint` has no fix, since an argument takes edits in several places; the step `expose_arguments` of `apply` makes
    them.
    """

    CODE = "FLR203"
    MESSAGE = "The training data is read from a path written in the source; it lies elsewhere at every site."
    REMEDY = "Make the path an argument of the script; apply does it."
    VALID = [
        """
        import argparse, torch
        from torch import nn
        from torchvision import datasets
        parser = argparse.ArgumentParser()
        parser.add_argument("--data", default="../data")
        args = parser.parse_args()
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loader = torch.utils.data.DataLoader(datasets.MNIST(args.data))
        for epoch in range(3):
            for x, y in loader:
                model(x).sum().backward()
                optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            from torchvision import datasets
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            loader = torch.utils.data.DataLoader(datasets.MNIST("../data"))
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every known path that no option of the script sets."""
        for path in facts.data.paths if facts.data else ():
            if path.option is None and path.value:
                yield cls.found(path.expression.scope.file, path.expression.node)
