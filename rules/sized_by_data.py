"""FLR303: a model whose size comes from local data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts


class SizedByData(ProgramRule):
    """
    ## What it does
    Warns of a model that is built with sizes read from the data at hand: the length of a vocabulary, the number of
    classes found, the width of a table.

    ## Why is this bad
    The server builds the model without any data, and sites with other data would build other models, which cannot be
    averaged. Equal sizes alone are not enough either: word 17 must be the same word everywhere.

    ## Example
    ```python
    model = RNNModel(len(corpus.dictionary), 200)
    ```

    ## Remedy
    Pin the value: `apply --model-arg vocab_size=33278`, and give all sites one vocabulary or list of classes.

    ## Fix safety
    There is no fix: the value is not in the source.
    """

    CODE = "FLR303"
    MESSAGE = "The model is built with a size read from local data, which the server does not have."
    REMEDY = "Pin it with --model-arg NAME=VALUE, and give all sites one vocabulary or list of classes."
    VALID = [
        """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self, words):
                super().__init__()
                self.embedding = nn.Embedding(words, 8)
        model = Net(1000)
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
            from torch import nn
            class Net(nn.Module):
                def __init__(self, words):
                    super().__init__()
                    self.embedding = nn.Embedding(words, 8)
            text = open("corpus.txt").read().split()
            model = Net(len(text))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                model(x).sum().backward()
                optimizer.step()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The construction of such a model."""
        model = facts.model
        if model and model.construction and model.arguments_source == "dataset":
            unknown = ", ".join(f"`{name}`" for name, value in model.arguments.items() if value is ...)
            message = f"The model is built with sizes read from local data ({unknown}), which the server does not have."
            yield cls.found(model.construction.scope.file, model.construction.node, message)
