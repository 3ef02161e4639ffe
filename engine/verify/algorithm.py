"""What FedProx and SCAFFOLD are to a client: what the server sends, and what becomes of the gradients.

The rules are written once more here, apart from the code that clients get, so that the one is held against the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from nvflare.app_common.aggregators.weighted_aggregation_helper import WeightedAggregationHelper
from nvflare.app_common.app_constant import AlgorithmConstants

from engine.verify.recorder import plain_name

FEDPROX, SCAFFOLD = "fedprox-pt", "scaffold-pt"
PLANTED = 0.01
"""Largest element of the global control that a client is given to show what it does with it."""


@dataclass
class Protocol:
    """What the server tells the sites beside the weights, by the algorithm of the job.

    Attributes:
        recipe: name of the recipe.
        mu: weight of FedProx's proximal term; with 0 it is FedAvg.
        controls: SCAFFOLD's global controls by name, as exchanged; with zeros it is FedAvg.
    """

    recipe: str
    mu: float = 0.0
    controls: dict[str, Any] = field(default_factory=dict)

    def meta(self) -> dict[str, Any]:
        """What goes with the weights of a round."""
        if self.recipe == FEDPROX:
            return {AlgorithmConstants.FEDPROX_MU: self.mu}
        if self.recipe == SCAFFOLD:
            return {
                AlgorithmConstants.SCAFFOLD_CTRL_GLOBAL: {name: value.copy() for name, value in self.controls.items()}
            }
        return {}

    def hear(self, answers: Sequence[tuple[str, float, Mapping[str, Any]]], number: int) -> None:
        """Add the mean change of the controls, as FLARE's controller does.

        Args:
            answers: name, weight and changed controls of every site.
            number: number of the round.

        Raises:
            ValueError: a site did not send what the algorithm asks for.
        """
        if self.recipe != SCAFFOLD:
            return
        helper = WeightedAggregationHelper()
        for site, weight, change in answers:
            if not change:
                raise ValueError(f"{site} sent no change of its SCAFFOLD controls")
            helper.add(change, weight if len(answers) > 1 else 1.0, site, number)
        for name, change in helper.get_result().items():
            self.controls[name] = self.controls[name] + change


def protocol(recipe: str, mu: float, initial: Mapping[str, torch.Tensor], planted: bool = False) -> Protocol:
    """The protocol of a job that starts from a model.

    Args:
        recipe: name of the recipe.
        mu: weight of FedProx's proximal term.
        initial: state of the model.
        planted: start from global controls that are not zero.
    """
    controls = {name: planted_control(value) if planted else torch.zeros_like(value) for name, value in initial.items()}
    return Protocol(recipe, mu, {name: value.numpy() for name, value in controls.items()} if recipe == SCAFFOLD else {})


def planted_control(value: torch.Tensor) -> torch.Tensor:
    """A control for a tensor whose elements all differ."""
    values = torch.linspace(-PLANTED, PLANTED, value.numel() + 1, dtype=torch.float64)[1:]
    return values.reshape(value.shape).to(value.dtype)


class ChangedGradients:
    """Does to the gradients of the original, before every optimizer step, what the algorithm asks of its client.

    Args:
        recipe: the algorithm.
        mu: weight of FedProx's proximal term.

    Attributes:
        means: mean of the gradients as the original had them, by name; for SCAFFOLD.
    """

    def __init__(self, recipe: str, mu: float) -> None:
        self._recipe, self._mu = recipe, mu
        self.restart()

    def restart(self) -> None:
        """Begin a new training."""
        self._received: dict[str, torch.Tensor] = {}
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}

    @property
    def means(self) -> dict[str, torch.Tensor]:
        """See the class."""
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    @torch.no_grad()
    def before_step(self, optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> None:
        """Change the gradients that an optimizer is about to use."""
        weights = {plain_name(name): value for name, value in model.named_parameters()}
        if not self._received:
            self._received = {name: value.detach().clone() for name, value in weights.items()}
        decays = {
            id(value): group.get("weight_decay", 0) for group in optimizer.param_groups for value in group["params"]
        }
        for name, weight in weights.items():
            if id(weight) not in decays or weight.grad is None:
                continue
            if self._recipe == FEDPROX:
                weight.grad.add_(weight - self._received[name], alpha=self._mu)
            else:
                gradient = (weight.grad + decays[id(weight)] * weight).double()
                self._sums[name] = self._sums.get(name, 0) + gradient
                self._counts[name] = self._counts.get(name, 0) + 1
                weight.grad += planted_control(weight.detach().cpu()).to(weight)
