"""FLR206: a checkpoint that takes the place of the received weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.values import Object, objects
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import parts_of

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event


class CheckpointReplacesWeights(ProgramRule):
    """
    ## What it does
    Finds a saved state that is loaded into the trained model: to resume, or to go back to the best epoch.

    ## Why is this bad
    In a round the model starts from the weights it received, and what was trained is sent. Loading a local checkpoint
    before or after throws one or the other away.

    ## Example
    ```python
    model.load_state_dict(torch.load("best.pt"))
    ```

    ## Remedy
    Nothing is needed where it happens once, before the first round: `apply` lets the job start from the same file, or
    asks for one (`--initial-ckpt`), and says what it decided. Elsewhere it keeps the received weights.

    ## Fix safety
    `lint` has no fix, since a script by itself receives nothing; the step `keep_received_weights` of `apply` does it.
    """

    CODE = "FLR206"
    MESSAGE = "This replaces the weights of the trained model by a local checkpoint."
    REMEDY = "Load checkpoints before the first round only; apply sees to it."
    VALID = [
        """
        import torch
        from torch import nn
        model, other = nn.Linear(2, 1), nn.Linear(2, 1)
        other.load_state_dict(torch.load("other.pt"))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
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
                torch.save(model.state_dict(), "best.pt")
            model.load_state_dict(torch.load("best.pt"))
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every state loaded from a file into the model that is trained."""
        trained = [part for model in facts.models for part in parts_of(model.value)]
        places = set()
        for event in facts.trace.named(".load_state_dict"):
            known = event.place in places
            if not known and from_file(event) and any(one in trained for one in objects(event.receiver)):
                places.add(event.place)
                yield cls.found(event.scope.file, event.node)


def from_file(event: Event) -> bool:
    """True where what is loaded comes out of ``torch.load``."""
    value = next(iter(objects(event.args[0])), None) if event.args else None
    while isinstance(value, Object) and not value.kind.startswith("torch.load"):
        value = value.receiver
    return isinstance(value, Object)
