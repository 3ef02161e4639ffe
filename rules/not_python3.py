"""FLR101: a file that is not Python 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from engine.result import Result
from rules.base import ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.result import UserError
    from engine.source import SourceFile


class NotPython3(ProgramRule):
    """
    ## What it does
    Refuses a program that Python 3 cannot parse: Python 2, code for a Python before 3.7 such as `async=True`, or a
    notebook that brings in what is not in it, by `%run` or by the result of a command (`files = !ls`).

    ## Why is this bad
    The sites run the converted script with today's Python. What does not parse cannot be understood, rewritten or run.

    ## Example
    ```text
    print 'epoch', epoch
    target = target.cuda(async=True)
    ```

    ## Remedy
    Convert the file with `2to3` or by hand, write `non_blocking=True` for `async=True`, and run it once by itself.

    ## Fix safety
    There is no fix.

    ## References
    - [What's new in Python 3.7: `async` and `await` are reserved](https://docs.python.org/3/whatsnew/3.7.html)
    """

    CODE = "FLR101"
    MESSAGE = "This is not Python 3, so it can neither run nor be converted."
    REMEDY = "Mend what Python cannot parse (2to3 helps with Python 2), run the script once, and try again."
    VALID = ["print('epoch', 1)"]
    INVALID: ClassVar[list[str]] = []
    BROKEN: ClassVar[list[str]] = ["print 'epoch', 1", "import torch\nx = x.cuda(async=True)"]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The files that the program imports and Python cannot parse; where there are facts, the entry was parsed."""
        errors = {error.place: error for error in facts.trace.unreadable if error.place is not None}
        yield from (found for error in errors.values() if (found := cls.unreadable(error)) is not None)

    @classmethod
    def unreadable(cls, error: UserError) -> Result | None:
        """The refusal, for an error that has a place in the source."""
        return cls.refusal(error) if error.place else None

    @classmethod
    def refusal(cls, error: UserError, file: SourceFile | None = None) -> Result:
        """The finding for an error met while parsing.

        Args:
            error: what the parser said, with its place.
            file: the file it is about, to show the line.
        """
        line = file.line(error.place.line) if file and error.place else getattr(error, "source", "")
        message = error.message[:1].upper() + error.message[1:] + "."
        return Result(cls.__name__, message, cls.CODE, error.place, remedy=cls.REMEDY, source=line)
