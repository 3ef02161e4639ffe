"""FLR118: a training that ends by leaving the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.trace import Branch
from engine.facts.values import plain
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import in_training

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

EXITS = ("sys.exit", "builtins.exit", "builtins.quit", "os._exit")


class ExitInTraining(ProgramRule):
    """
    ## What it does
    Refuses a program that ends its training in good order by leaving the process: `sys.exit()`, `exit(0)`, `quit()` or
    `os._exit(0)` within the epoch loop.

    ## Why is this bad
    A site must send its weights after training. When the process is gone, nothing is sent and the whole job fails, with
    no error to read.

    ## Example
    ```python
    if wait > patience:
        sys.exit()
    ```

    ## Remedy
    Leave the loop with `break`, or the function with `return`.

    ## Fix safety
    There is no fix: `break` leaves only the innermost loop.
    """

    CODE = "FLR118"
    MESSAGE = "The training ends by leaving the process, so that the site would never send its weights."
    REMEDY = "Leave the epoch loop with break or return instead."
    VALID = [
        """
        import sys, torch
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                loss = model(x).sum()
                if not torch.isfinite(loss):
                    sys.exit(1)
                loss.backward()
                optimizer.step()
        sys.exit()
        """
    ]
    INVALID = [
        Invalid(
            """
            import sys, torch
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                if wait > 3:
                    print("stopping early")
                    sys.exit()
            """
        )
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every exit with success within the epoch loop, but in an exception handler."""
        for event in facts.trace.named(*EXITS):
            if in_training(facts, event) and succeeds(event) and not handles_error(event):
                yield cls.found(event.scope.file, event.node)


def succeeds(event: Event) -> bool:
    """True for an exit whose code says that all went well."""
    return not event.args or plain(event.args[0]) in (None, 0)


def handles_error(event: Event) -> bool:
    """True within an ``except`` block."""
    return any(isinstance(entry, Branch) and isinstance(entry.node, ast.ExceptHandler) for entry in event.path)
