"""FLR109: several trainings in one run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.facts.elements import known_elements
from engine.facts.trace import Branch, Call, Entry, Loop
from engine.facts.training import is_statement
from engine.facts.values import ARGUMENTS, objects, source_of
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import calls_of, outer_loops

if TYPE_CHECKING:
    from engine.facts import Facts

FOLDS = re.compile(r"(Fold|ShuffleSplit|LeaveOneOut|LeavePOut|TimeSeriesSplit)\.split$")
SWEEPS = ("optuna.create_study", "ray.tune.", "hyperopt.fmin", "wandb.agent", "skopt.", "ax.optimize", "nni.")


class SeveralRuns(ProgramRule):
    """
    ## What it does
    Refuses a program that trains again and again in one run: over the folds of a cross-validation, over seeds, over
    settings of a sweep, over a list of models, or by calling its training function once more.

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
        for settings in [{"lr": 0.1}]:
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), **settings)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
        """,
        """
        import torch
        def train(epochs):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(epochs):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
        if args.short:
            train(epochs=1)
        else:
            try:
                train(epochs=10)
            except torch.cuda.OutOfMemoryError:
                train(epochs=10)
        """,
        """
        import torch
        from torch import nn
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for stage in range(1):
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
        """,
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
        Invalid(
            """
            import torch
            def fit(optimizer, epochs):
                for epoch in range(epochs):
                    for x, y in loader:
                        model(x).sum().backward()
                        optimizer.step()
            fit(torch.optim.SGD(model.head.parameters(), lr=0.1), epochs=3)
            fit(torch.optim.SGD(model.parameters(), lr=0.01), epochs=30)
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Linear(2, 1)
            for run in range(10):
                model.reset_parameters()
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for epoch in range(3):
                    for x, y in loader:
                        model(x).sum().backward()
                        optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            def train(lr):
                model = nn.Linear(2, 1)
                optimizer = torch.optim.SGD(model.parameters(), lr=lr)
                for epoch in range(3):
                    for x, y in loader:
                        model(x).sum().backward()
                        optimizer.step()
            losses = {lr: train(lr) for lr in (0.1, 0.01)}
            """
        ),
        Invalid("import optuna\nstudy = optuna.create_study()\nstudy.optimize(objective, n_trials=20)"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The outermost loop on each pass of which a model is built and trained, or what else runs trainings."""
        for loop in outer_loops(facts):
            if not is_single(loop) and (over_folds(loop) or builds_model(facts, loop)):
                yield cls.found(loop.scope.file, loop.node)
                return
            if is_statement(loop) and passes(loop) != 1:
                message = "This loop runs the training loop again and again; a federated job trains in one."
                yield cls.found(loop.scope.file, loop.node, message)
                return
        sweep = next(calls_of(facts, *SWEEPS), None)
        if sweep and facts.loop is None:
            message = "A sweep runs several trainings; a federated job trains one model."
            yield cls.found(sweep.scope.file, sweep.node, message)
        again = second_run(facts)
        if again:
            message = "This call runs the training loop once more; a federated job trains in one."
            yield cls.found(again.caller.file, again.node, message)


def over_folds(loop: Loop) -> bool:
    """True for a loop over the folds of a cross-validation."""
    return any(FOLDS.search(iterable.kind) for iterable in objects(loop.iterable))


def passes(loop: Loop) -> int | None:
    """How often a loop over known elements is passed through; None where that is not known, and for a ``while``."""
    known = known_elements(loop.iterable)
    return None if known is None else len(known)


def is_single(loop: Loop) -> bool:
    """True for a loop that is passed through once, whatever options the user sets."""
    known = known_elements(loop.iterable) or []
    return len(known) == 1 and source_of(known[0]) != ARGUMENTS


def second_run(facts: Facts) -> Call | None:
    """The call that reaches the training loop again, on another way that does not exclude the first."""
    if facts.loop is None:
        return None
    known = {id(call.node) for call in facts.loop.calls}
    for loop, path in facts.trace.loops:
        calls = [entry for entry in path if isinstance(entry, Call) and entry.node is not None]
        new = next((call for call in calls if id(call.node) not in known), None)
        if new and trains(facts, loop) and not excludes(facts.loop.path, path):
            return new
    return None


def trains(facts: Facts, loop: Loop) -> bool:
    """True for a pass of the epoch loop in which an optimizer steps."""
    steps = {optimizer.step for optimizer in facts.optimizers}
    same = loop.node is facts.loop.loop.node
    return same and any(event.place in steps and event.within(loop) for event in facts.trace.events)


def excludes(first: Sequence[Entry], second: Sequence[Entry]) -> bool:
    """True for two ways on either side of a branch, and where the second is an answer to an error."""
    sides = {id(entry.node): entry.taken for entry in first if isinstance(entry, Branch)}
    branches = [entry for entry in second if isinstance(entry, Branch)]
    return any(
        isinstance(branch.node, ast.ExceptHandler) or sides.get(id(branch.node), branch.taken) != branch.taken
        for branch in branches
    )


def builds_model(facts: Facts, loop: Loop) -> bool:
    """True where the model that is trained is built on each pass of a loop."""
    built = {id(model.value.node) for model in facts.models}
    return any(id(event.node) in built and event.within_node(loop.node) for event in facts.trace.events)
