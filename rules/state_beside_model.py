"""FLR123: state beside the model by which it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.plain_tensor_state import not_carried

if TYPE_CHECKING:
    from engine.facts import Facts


class StateBesideModel(ProgramRule):
    """
    ## What it does
    Refuses a program that evaluates the model with the help of what its training learns beside it: a running mean of
    the inputs, prototypes of the classes, a bank of features.

    ## Why is this bad
    Such state is not in the model's `state_dict`. Each site keeps its own, so the same weights would measure
    differently from site to site, and the model that the job leaves behind would lack what it needs.

    State that only the training goes by, such as the queue of a contrastive loss, stays at each site; `apply` converts
    it, and says so among its decisions.

    ## Example
    ```python
    for x, y in loader:
        normaliser.update(x)
        loss = criterion(model(normaliser(x)), y)
    ...
    accuracy = evaluate(model, normaliser, test_loader)
    ```

    ## Remedy
    Make it a part of the model: a buffer (`self.register_buffer("mean", torch.zeros(64))`) that `forward` updates in
    training mode and uses in both. Then it is sent with the weights.

    ## Fix safety
    There is no fix: what belongs into the model must be put there by hand.
    """

    CODE = "FLR123"
    MESSAGE = "The evaluation goes by state that training changes and the model's state_dict does not carry."
    REMEDY = "Make it a buffer of the model (self.register_buffer), which forward updates in training and uses."
    VALID = [
        """
        import torch
        from torch import nn
        model, criterion = nn.Linear(2, 3), nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        queue, losses = torch.zeros(8, 3), []
        class Meter:
            def __init__(self):
                self.total = 0.0
            def update(self, value):
                self.total += value
        meter = Meter()
        def evaluate():
            meter.total = 0.0
            with torch.no_grad():
                for x, y in test_loader:
                    meter.update((model(x).argmax(1) == y).float().mean().item())
            return meter.total / len(test_loader)
        for epoch in range(3):
            for x, y in loader:
                out = model(x)
                loss = criterion(out, y) + (out @ queue.t()).mean()
                loss.backward()
                optimizer.step()
                queue = torch.cat([queue, out.detach()])[-8:]
                losses.append(loss.item())
                meter.update(loss.item())
            accuracy = evaluate()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            class Normaliser:
                def __init__(self):
                    self.mean = torch.zeros(2)
                def update(self, x):
                    self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
                def __call__(self, x):
                    return x - self.mean
            model, criterion, normaliser = nn.Linear(2, 3), nn.CrossEntropyLoss(), Normaliser()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            def evaluate():
                correct = 0
                for x, y in test_loader:
                    correct += (model(normaliser(x)).argmax(1) == y).sum().item()
                return correct / 100
            for epoch in range(3):
                for x, y in loader:
                    normaliser.update(x)
                    criterion(model(normaliser(x)), y).backward()
                    optimizer.step()
                accuracy = evaluate()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Linear(2, 8)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            prototypes = torch.zeros(3, 8)
            @torch.no_grad()
            def evaluate(model, loader, prototypes):
                correct = 0
                for x, y in loader:
                    correct += (torch.cdist(model(x), prototypes).argmin(1) == y).sum().item()
                return correct / 100
            for epoch in range(3):
                for x, y in loader:
                    out = model(x)
                    (out - prototypes[y]).pow(2).sum().backward()
                    optimizer.step()
                    for label in y.unique():
                        prototypes[label] = 0.9 * prototypes[label] + 0.1 * out[y == label].detach().mean(0)
                accuracy = evaluate(model, test_loader, prototypes)
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Where the state that evaluations go by is changed; tensors of the model are for FLR111 to tell."""
        told = {(id(part), name) for part, name, *_ in not_carried(facts)} if facts.local_state else set()
        for state in facts.local_state:
            if state.measures and (id(state.holder), state.name.rpartition(".")[2]) not in told:
                message = f"The evaluation goes by {state.name}, which training changes here and no state_dict carries."
                yield cls.found(state.change.scope.file, state.change.node, message)
