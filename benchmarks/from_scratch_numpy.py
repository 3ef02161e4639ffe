"""A whole federated run of ``fixtures/numpy_breast_cancer`` in plain NumPy.

Nothing of FLARE, of a converted client or of a run is used here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SOURCE = Path(__file__).parent.parent / "fixtures" / "numpy_breast_cancer" / "source"
SITES, ROUNDS, RATE, DECAY, BATCH = 2, 2, 0.05, 1e-3, 16
ZEROS = np.zeros(31)


class Site:
    """The data of one site, a seeded permutation of all dealt out in turn, and the order it draws its batches in."""

    def __init__(self, number: int) -> None:
        table = np.loadtxt(SOURCE / "data" / "breast_cancer.csv", delimiter=",", skiprows=1)
        train = table[np.random.default_rng(42).permutation(len(table))][114:]
        own = np.sort(np.random.RandomState(0).permutation(len(train))[number::SITES])
        x, self.y = train[own, :-1], train[own, -1]
        self.x = (x - x.mean(axis=0)) / x.std(axis=0)
        self.order = np.random.default_rng(0)

    def train(self, model: np.ndarray) -> tuple[np.ndarray, int]:
        """One epoch of gradient descent; the weights with the bias last, and how many steps were done."""
        order, steps = self.order.permutation(len(self.x)), 0
        for start in range(0, len(order), BATCH):
            x, y = self.x[order[start : start + BATCH]], self.y[order[start : start + BATCH]]
            error = 1 / (1 + np.exp(-(x @ model[:-1] + model[-1]))) - y
            slope = np.append(x.T @ error / len(y) + DECAY * model[:-1], error.mean())
            model, steps = model - RATE * slope, steps + 1
        return model, steps


def fedavg(model: np.ndarray = ZEROS) -> np.ndarray:
    """The global model: the mean of what the sites train, weighted by their steps (McMahan et al., 2017).

    Args:
        model: the weights to start from, with the bias last.
    """
    sites = [Site(number) for number in range(SITES)]
    for _ in range(ROUNDS):
        trained = [site.train(model) for site in sites]
        model = sum(steps * weights for weights, steps in trained) / sum(steps for _, steps in trained)
    return model
