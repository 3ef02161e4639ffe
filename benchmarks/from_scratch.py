"""Whole federated runs of ``benchmarks/curve`` in plain PyTorch, each algorithm as its paper has it.

Nothing of FLARE, of a converted client or of a run is used here but the initial weights. All is in double precision.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

State = dict[str, torch.Tensor]
Change = Callable[[str, torch.Tensor], torch.Tensor | float]

SITES, ROUNDS, STEPS, LR, MU = 2, 3, 5, 0.1, 0.5


def initial() -> State:
    """Weights to start from."""
    random = np.random.RandomState(7)
    shapes = {"hidden.weight": (8, 1), "hidden.bias": (8,), "output.weight": (1, 8), "output.bias": (1,)}
    return {name: torch.as_tensor(random.uniform(-0.5, 0.5, shape)).float() for name, shape in shapes.items()}


def parts() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The data of every site: a seeded permutation, dealt out in turn."""
    x = torch.linspace(-2, 2, 64).double().unsqueeze(1)
    order = np.random.RandomState(0).permutation(len(x))
    owned = [np.sort(order[site::SITES]) for site in range(SITES)]
    return [(x[rows], torch.sin(2 * x[rows]) + x[rows]) for rows in owned]


def gradient(weights: State, part: tuple[torch.Tensor, torch.Tensor]) -> State:
    """Of the mean squared error of a site."""
    x, y = part
    leaves = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
    hidden = torch.tanh(x @ leaves["hidden.weight"].T + leaves["hidden.bias"])
    loss = (hidden @ leaves["output.weight"].T + leaves["output.bias"] - y).square().mean()
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def descend(weights: State, part: tuple[torch.Tensor, torch.Tensor], change: Change = lambda name, weight: 0) -> State:
    """The steps of one site in one round, with something added to every gradient."""
    for _ in range(STEPS):
        slope = gradient(weights, part)
        weights = {name: weight - LR * (slope[name] + change(name, weight)) for name, weight in weights.items()}
    return weights


def mean(states: list[State]) -> State:
    """The mean of the sites, which have all taken as many steps."""
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


def fedavg() -> State:
    """McMahan et al., 2017."""
    weights = double(initial())
    for _ in range(ROUNDS):
        weights = mean([descend(weights, part) for part in parts()])
    return weights


def fedprox() -> State:
    """Li et al., 2020: a site minimises its loss and ``MU / 2`` times the squared distance to the global weights."""
    weights = double(initial())
    for _ in range(ROUNDS):
        received = weights
        weights = mean([descend(received, part, lambda n, w, r=received: MU * (w - r[n])) for part in parts()])
    return weights


def scaffold() -> State:
    """Karimireddy et al., 2020, algorithm 1 with option II and all sites in every round."""
    x = double(initial())
    c = {name: torch.zeros_like(value) for name, value in x.items()}
    c_i = [dict(c) for _ in range(SITES)]
    for _ in range(ROUNDS):
        y = [descend(x, part, lambda n, w, own=own, c=c: c[n] - own[n]) for part, own in zip(parts(), c_i, strict=True)]
        plus = [{n: c_i[k][n] - c[n] + (x[n] - y[k][n]) / (STEPS * LR) for n in x} for k in range(SITES)]
        c = {n: c[n] + sum(plus[k][n] - c_i[k][n] for k in range(SITES)) / SITES for n in x}
        x, c_i = mean(y), plus
    return x


def cyclic() -> State:
    """The weights go from site to site."""
    weights = double(initial())
    for _ in range(ROUNDS):
        for part in parts():
            weights = descend(weights, part)
    return weights


def double(state: State) -> State:
    """In double precision."""
    return {name: value.double() for name, value in state.items()}
