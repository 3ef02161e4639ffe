"""FLR305: signal handlers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts


class SignalHandler(ProgramRule):
    """
    ## What it does
    Warns of `signal.signal` in code that the entry runs.

    ## Why is this bad
    FLARE runs a site's script in a thread of its own, and Python sets signal handlers in the main thread only: the call
    raises a `ValueError` and the job fails.

    ## Example
    ```python
    signal.signal(signal.SIGINT, save_and_exit)
    ```

    ## Remedy
    Leave the handler out, or run the script in a process of its own (`launch_external_process=True` in the job).

    ## Fix safety
    There is no fix: the handler may matter when the script runs by itself.

    ## References
    - [Python: signals and threads](https://docs.python.org/3/library/signal.html#signals-and-threads)
    """

    CODE = "FLR305"
    MESSAGE = "Signal handlers can be set in the main thread only, and FLARE runs the script in another one."
    REMEDY = "Leave the handler out, or run the script in a process of its own (launch_external_process=True)."
    VALID = ["import signal\ndef unused():\n    signal.signal(signal.SIGINT, handler)"]
    INVALID = [Invalid("import signal\nsignal.signal(signal.SIGTERM, handler)")]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every handler that is set."""
        for event in facts.trace.named("signal.signal"):
            yield cls.found(event.scope.file, event.node)
