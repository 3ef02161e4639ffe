"""FLR109: several trainings in one run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixit import Invalid, LintRule

from engine.facts.trace import Loop
from engine.facts.values import objects
from engine.result import Result
from rules.base import ProgramRule
from rules.reading import calls_of, outer_loops

if TYPE_CHECKING:
    from engine.facts import Facts

FOLDS = re.compile(r"(Fold|ShuffleSplit|LeaveOneOut|LeavePOut|TimeSeriesSplit)\.split$")
SWEEPS = ("optuna.create_study", "ray.tune.", "hyperopt.fmin", "wandb.agent", "skopt.", "ax.optimize", "nni.")


class SeveralRuns(ProgramRule, LintRule):
    """
    ## What it does
    Refuses a program that trains again and again in one run: over the folds of a cross-validation, over seeds, over
    settings of a sweep, or over a list of models.

    ## Why is this bad
    A federated job trains one model. Which of the trainings would be a round's, and whose weights would be exchanged,
    is not said anywhere.

    ## Example
    ```python
    for train_index, test_index in KFold(5).split(data):
        model = Net()
        for epoch in range(10): ...
    ```

    ## Remedy
    Make the fold, the seed or the setting an argument of the script, let one run train one model, and submit one job
    for each.

    ## Fix safety
    There is no fix: which training is meant is the author's decision.
    """

    CODE = "FLR109"
    MESSAGE = "This loop trains a new model on each pass; a federated job trains one."
    REMEDY = (
        "Make what varies (fold, seed, setting, model) an argument of the script, so that one run trains one model."
    )
    VALID = [
        """
        import torch
        from torch import nn
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for stage in range(2):
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
            def train(model, epochs):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for epoch in range(epochs):
                    for x, y in loader:
                        model(x).sum().backward()
                        optimizer.step()
            for seed in range(5):
                torch.manual_seed(seed)
                train(nn.Linear(2, 1), epochs=3)
            """
        ),
        Invalid("import optuna\nstudy = optuna.create_study()\nstudy.optimize(objective, n_trials=20)"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The outermost loop on each pass of which a model is built and trained, or the sweep that runs trainings."""
        for loop in outer_loops(facts):
            if over_folds(loop) or builds_model(facts, loop):
                yield cls.found(loop.scope.file, loop.node)
                return
        sweep = next(calls_of(facts, *SWEEPS), None)
        if sweep and facts.loop is None:
            message = "A sweep runs several trainings; a federated job trains one model."
            yield cls.found(sweep.scope.file, sweep.node, message)


def over_folds(loop: Loop) -> bool:
    """True for a loop over the folds of a cross-validation."""
    return any(FOLDS.search(iterable.kind) for iterable in objects(loop.iterable))


def builds_model(facts: Facts, loop: Loop) -> bool:
    """True where the model that is trained is built on each pass of a loop."""
    built = {id(model.value.node) for model in facts.models}
    return any(id(event.node) in built and event.within_node(loop.node) for event in facts.trace.events)
