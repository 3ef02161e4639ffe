"""Whole federated runs of a training script, computed by the script itself in plain PyTorch.

Every site is a process that runs the script as it was before the conversion, on its part of the data. Where an epoch
begins that is the first of a round, the process hands over what it has trained and waits for the weights to go on with.
The algorithms are written here as their papers have them; nothing of FLARE or of a converted client is used. The script
has to seed itself, to build its training loader before others, and to train at least one epoch more than the run.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, Subset

State = dict[str, torch.Tensor]
SITES, ROUNDS = 2, 2


@dataclass(frozen=True)
class Task:
    """What a site is asked to do in a round of one epoch.

    Attributes:
        weights: what it starts from.
        mu: weight of FedProx's term.
        correction: what SCAFFOLD adds to every gradient, by parameter.
    """

    weights: State
    mu: float = 0.0
    correction: State = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes:
        weights: parameters and buffers.
        steps: optimizer steps done.
        gradient: mean of the gradients with weight decay and without what an algorithm adds, by parameter.
    """

    weights: State
    steps: int
    gradient: State


def run_site(script: Path, number: int, parent: Connection) -> None:
    """Train one site: the body of its process."""
    task: list[Task] = []
    gradients: dict[str, list[torch.Tensor]] = {}
    loaders: list[DataLoader] = []
    received: State = {}  # as the model holds it: an optimizer such as Adam makes much of the smallest difference

    def model() -> torch.nn.Module:
        modules = (one for one in gc.get_objects() if issubclass(type(one), torch.nn.Module))
        return max(modules, key=lambda one: len(list(one.modules())))

    def next_round() -> None:
        if task:
            steps = max(map(len, gradients.values()))
            means = {name: torch.stack(values).mean(dim=0) for name, values in gradients.items()}
            parent.send(Trained({name: value.double() for name, value in model().state_dict().items()}, steps, means))
        task[:] = [parent.recv()]
        if task[0] is None:
            raise SystemExit
        model().load_state_dict(task[0].weights)
        received.update({name: value.detach().clone() for name, value in model().named_parameters()})
        gradients.clear()

    @torch.no_grad()
    def before_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
        for name, weight in model().named_parameters():
            gradients.setdefault(name, []).append(weight.grad.double() + decays[id(weight)] * weight)
            weight.grad += task[0].mu * (weight - received[name])
            weight.grad += task[0].correction.get(name, torch.zeros(())).float()

    class Loader(DataLoader):
        def __init__(self, dataset: Any, *args: Any, **kwargs: Any) -> None:
            if not loaders:
                loaders.append(self)
                order = np.random.RandomState(0).permutation(len(dataset))
                dataset = Subset(dataset, np.sort(order[number::SITES]).tolist())
            super().__init__(dataset, *args, **kwargs)

        def __iter__(self) -> Iterator[Any]:
            if self is loaders[0]:
                next_round()
            return super().__iter__()

    torch.utils.data.DataLoader = Loader
    register_optimizer_step_pre_hook(before_step)
    os.chdir(script.parent)
    sys.argv, sys.path[0:0], sys.stdout = [script.name], [str(script.parent)], sys.stderr
    runpy.run_path(script.name, run_name="__main__")


class Sites:
    """The processes of a run.

    Attributes:
        tasks: for each a connection that takes a task and gives what was trained.
    """

    def __init__(self, tasks: list[Connection]) -> None:
        self.tasks = tasks

    def train(self, number: int, task: Task) -> Trained:
        """One round of one site."""
        self.tasks[number].send(task)
        return self.tasks[number].recv()

    def average(self, weights: State, mu: float = 0.0) -> State:
        """One round of all sites: the mean of what they train, weighted by their steps."""
        trained = [self.train(number, Task(weights, mu)) for number in range(SITES)]
        return mean(trained)


@contextmanager
def started(source: Path) -> Iterator[Sites]:
    """The sites of a script, in a copy of its folder."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        tasks, processes = [], []
        for number in range(SITES):
            own = Path(folder) / str(number)
            shutil.copytree(source, own)
            connection, other = context.Pipe()
            process = context.Process(target=run_site, args=(own / "train.py", number, other))
            process.start()
            other.close()  # so that a process that dies is heard of
            tasks.append(connection)
            processes.append(process)
        try:
            yield Sites(tasks)
            for connection in tasks:
                connection.send(None)
        finally:
            for process in processes:
                process.join(60)
                process.kill()


def mean(trained: list[Trained]) -> State:
    """The mean of some weights, by steps."""
    total = sum(one.steps for one in trained)
    return {name: sum(one.steps / total * one.weights[name] for one in trained) for name in trained[0].weights}


def fedavg(sites: Sites, weights: State) -> State:
    """McMahan et al., 2017."""
    for _ in range(ROUNDS):
        weights = sites.average(weights)
    return weights


def fedprox(mu: float) -> Callable[[Sites, State], State]:
    """Li et al., 2020: ``mu / 2`` times the squared distance to the weights of the round's start joins the loss."""

    def run(sites: Sites, weights: State) -> State:
        for _ in range(ROUNDS):
            weights = sites.average(weights, mu)
        return weights

    return run


def scaffold(sites: Sites, weights: State) -> State:
    """Karimireddy et al., 2020: the control of a site becomes the mean gradient of its round.

    That is option II of algorithm 1 where SGD has no momentum, and what it stands for where it has.
    """
    control: State = {}
    own: list[State] = [{} for _ in range(SITES)]
    for _ in range(ROUNDS):
        corrections = [{name: control[name] - one[name] for name in control} for one in own]
        trained = [sites.train(number, Task(weights, 0.0, corrections[number])) for number in range(SITES)]
        own = [one.gradient for one in trained]
        control = {name: sum(one[name] for one in own) / SITES for name in own[0]}
        weights = mean(trained)
    return weights


def cyclic(sites: Sites, weights: State) -> State:
    """The weights go from site to site."""
    for _ in range(ROUNDS):
        for number in range(SITES):
            weights = sites.train(number, Task(weights)).weights
    return weights


def fedopt(optimizer: str, **arguments: Any) -> Callable[[Sites, State], State]:
    """Reddi et al., 2021: the server's optimizer steps along the mean change; buffers take it as it is.

    Args:
        optimizer: name of a class of ``torch.optim``.
        arguments: its arguments.
    """

    def run(sites: Sites, weights: State) -> State:
        server = None
        for _ in range(ROUNDS):
            trained = [sites.train(number, Task(weights)) for number in range(SITES)]
            found = mean(trained)
            if server is None:
                parameters = {name: torch.nn.Parameter(weights[name].clone()) for name in trained[0].gradient}
                server = getattr(torch.optim, optimizer)(parameters.values(), **arguments)
            for name, parameter in parameters.items():
                parameter.grad = weights[name] - found[name]
            server.step()
            weights = {**found, **{name: parameter.detach().clone() for name, parameter in parameters.items()}}
        return weights

    return run
