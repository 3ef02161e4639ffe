"""FLR103: a program that trains nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.once import training_once
from engine.facts.optimizers import stepped_optimizer
from engine.result import Result
from rules.already_federated import AlreadyFederated
from rules.base import Invalid, ProgramRule
from rules.meta_learning import MetaLearning
from rules.no_optimizer import NoOptimizer
from rules.not_pytorch import NotPytorch
from rules.other_framework_trains import OtherFrameworkTrains
from rules.reading import calls_of
from rules.reinforcement_learning import ReinforcementLearning
from rules.several_runs import SeveralRuns
from rules.unsupported_launch import UnsupportedLaunch

if TYPE_CHECKING:
    from engine.facts import Facts

REASONS = (
    AlreadyFederated,
    MetaLearning,
    NoOptimizer,
    NotPytorch,
    OtherFrameworkTrains,
    ReinforcementLearning,
    SeveralRuns,
    UnsupportedLaunch,
)


class NoTrainingLoop(ProgramRule):
    """
    ## What it does
    Refuses a program that, run as it stands, never steps an optimizer, and one whose steps stand in no loop and cannot
    be repeated every round, because something that is done once stands among them.

    ## Why is this bad
    A round of federated learning is some epochs of the script's own training. A module that only defines a model, or a
    script that only evaluates, has none.

    ## Example
    ```python
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    evaluate(model)  # and the program ends
    ```

    ## Remedy
    Give the script that trains (`--entry`). If the training sits behind an option or a name that nothing calls, call
    it. A training that stands in no loop becomes a round where its statements follow one another, from the first that
    the loss or `zero_grad()` needs to the last that steps: build and save outside of them, and clear the gradients in
    them. Or put it into a loop of one epoch: `for epoch in range(1):`.

    ## Fix safety
    There is no fix.
    """

    CODE = "FLR103"
    MESSAGE = "This program builds an optimizer and never steps it, so there is no training to federate."
    REMEDY = (
        "Give the script that trains with --entry, call the function that trains, or put what trains into a loop "
        "of one epoch: for epoch in range(1)."
    )
    VALID = [
        """
        import torch
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in loader:
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
        """,
        """
        import torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.zero_grad()
        model(torch.ones(4, 2)).sum().backward()
        optimizer.step()
        """,
        "from torch import nn\nclass Net(nn.Module):\n    pass",
    ]
    INVALID = [
        Invalid("import torch\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)"),
        Invalid(
            """
            import torch
            def train(model, loader):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for x, y in loader:
                    loss_of(model(x), y).backward()
            train(Net(), loader)
            """
        ),
        Invalid(
            """
            import torch
            model = torch.nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            model(torch.ones(4, 2)).sum().backward()
            optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            model = torch.nn.Linear(2, 1)
            loss = model(torch.ones(4, 2)).sum()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first optimizer of a program that steps none, or what keeps its steps from being repeated, where no other
        rule says why."""
        event = next(calls_of(facts, "torch.optim."), None)
        if facts.loop is not None or event is None or any(next(iter(rule.check(facts)), None) for rule in REASONS):
            return
        step = next(filter(stepped_optimizer, facts.trace.events), None)
        once = training_once(facts.trace)
        if step is None:
            yield cls.found(event.scope.file, event.node)
        elif once is not None and once.problem:
            message = f"This training stands in no loop and cannot be repeated every round: {once.problem}."
            yield cls.found(once.scope.file, once.at, message)
        else:
            message = "This optimizer step stands in no loop, so the program has no epochs to train in a round."
            yield cls.found(step.scope.file, step.node, message)

    @classmethod
    def refusal(cls, facts: Facts) -> Result:
        """The finding for a program that was asked to be converted and trains nothing."""
        message = "No loop of this program steps an optimizer, so there is no training to federate."
        return next(cls.check(facts), None) or cls.found(facts.project.entry, ast.Module([], []), message)
