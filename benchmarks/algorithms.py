"""FLARE's algorithms in a few lines of PyTorch, computed from what the sites of a run have sent.

A run has to keep its updates: ``simulate(..., keep_updates=True)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from engine.simulate import Simulation
from engine.simulate.artifacts import load_parameters

State = dict[str, torch.Tensor]


def kept(result: Simulation, number: int, name: str) -> State:
    """What a site has sent in a round, or ``to-<site>``: what it was given."""
    state = torch.load(result.workspace / "updates" / f"round-{number}" / f"{name}.pt")
    return {key: torch.as_tensor(value).double() for key, value in state.items()}


def weighted_mean(result: Simulation, number: int) -> State:
    """What the sites have sent in a round, weighted by their optimizer steps."""
    updates = [update for update in result.updates if update.round == number]
    total = sum(update.steps for update in updates)
    sent = [(update.steps / total, kept(result, number, update.site)) for update in updates]
    return {key: sum(weight * state[key] for weight, state in sent) for key in sent[0][1]}


def fedavg(result: Simulation) -> State:
    """The global model of FedAvg: the mean of the last round."""
    return weighted_mean(result, result.num_rounds - 1)


def cyclic(result: Simulation) -> State:
    """The global model of cyclic training: what the last site has sent."""
    last = result.updates[-1]
    return kept(result, last.round, last.site)


def fedopt(optimizer: str, **arguments: Any) -> Callable[[Simulation], State]:
    """The global model of FedOpt: the server's optimizer steps along the mean change, buffers take it as it is.

    Args:
        optimizer: name of a class of ``torch.optim``.
        arguments: its arguments.
    """

    def compute(result: Simulation) -> State:
        model = kept(result, 0, f"to-{result.sites[0]}")
        changes = [weighted_mean(result, number) for number in range(result.num_rounds)]
        parameters = {name: torch.nn.Parameter(model[name].clone()) for name in model if not is_buffer(name)}
        server = getattr(torch.optim, optimizer)(parameters.values(), **arguments)
        for change in changes:
            for name, parameter in parameters.items():
                parameter.grad = -change[name]
            server.step()
        buffers = {name: model[name] + sum(change[name] for change in changes) for name in model.keys() - parameters}
        return {**buffers, **{name: parameter.detach() for name, parameter in parameters.items()}}

    return compute


def is_buffer(name: str) -> bool:
    """Whether a name is that of a statistic of BatchNorm, the only buffers of the fixtures."""
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def largest_difference(result: Simulation, expected: State) -> float:
    """How far the global model is from the expected one in its furthest element; infinity where a tensor is missing."""
    found = load_parameters(result.global_model)
    if found.keys() != expected.keys():
        return float("inf")
    return max(float((torch.as_tensor(found[name]).double() - expected[name]).abs().max()) for name in expected)
