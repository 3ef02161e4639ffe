"""The one result type that feeds text, JSON, SARIF, annotations, the editor and the summary."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple


class Safety(str, Enum):
    """How much a fix or a step may change the meaning of the program."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY_ONLY = "display-only"


class Status(str, Enum):
    """What became of a finding or a step."""

    FOUND = "found"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Cell(NamedTuple):
    """A position in a notebook.

    Attributes:
        number: of the cell, from 1, those of text among them.
        line: the line in the cell, from 1.
        file_line, file_column: where that is in the notebook's JSON, the column from 0; its start where not asked for.
    """

    number: int
    line: int
    file_line: int = 1
    file_column: int = 0


@dataclass(frozen=True, order=True)
class Place:
    """A position in a source file.

    Attributes:
        file: path relative to the project root, with forward slashes.
        line: 1-based line.
        column: 0-based column, counted in code points.
        cell: of a place in a notebook; the line and column are those of its script.
    """

    file: str
    line: int
    column: int = 0
    cell: Cell | None = field(default=None, compare=False)

    @property
    def in_file(self) -> tuple[int, int]:
        """Line and column in the file itself, which is JSON for a notebook."""
        return (self.cell.file_line, self.cell.file_column) if self.cell else (self.line, self.column)

    def __str__(self) -> str:
        if self.cell:
            return f"{self.file}:cell {self.cell.number}:{self.cell.line}"
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class TextEdit:
    """A change of a file: the text that takes the place of a range.

    Attributes:
        start, end: the range, its end not included.
        text: the new text.
    """

    start: Place
    end: Place
    text: str


@dataclass(frozen=True)
class Result:
    """One finding of a rule, or what one step did to one file.

    Attributes:
        name: name of the rule or step, such as ``PlainTensorState`` or ``insert_flare_init``.
        code: code of the rule, such as ``FLR101``; empty for a step.
        message: one sentence for a person.
        place: where it starts; ``None`` for the program as a whole.
        end: where it ends, if known.
        remedy: what the user can do about it.
        safety: how safe the change is.
        status: what became of it.
        source: the source line it stands on.
        diff: the change as a unified diff; empty where there is none.
        edit: the fix of a rule, where it has one.

    The message and the source line lose the secrets in them, so that nobody who shows a finding shows these.
    """

    name: str
    message: str
    code: str = ""
    place: Place | None = None
    end: Place | None = None
    remedy: str = ""
    safety: Safety = Safety.DISPLAY_ONLY
    status: Status = Status.FOUND
    source: str = ""
    diff: str = ""
    edit: TextEdit | None = None

    def __post_init__(self) -> None:
        from engine.redaction import redacted

        object.__setattr__(self, "message", redacted(self.message))
        object.__setattr__(self, "source", redacted(self.source))

    @property
    def shown_edit(self) -> TextEdit | None:
        """The fix, to be passed on; none where its text holds a secret, without which it would be another."""
        from engine.redaction import redacted

        return self.edit if self.edit and redacted(self.edit.text) == self.edit.text else None

    @property
    def blocks(self) -> bool:
        """True for a rule that refuses the conversion."""
        return self.kind == "1"

    @property
    def kind(self) -> str:
        """The first digit of the rule's code: 1 blocks a conversion, 2 has a fix, 3 warns; empty without a code."""
        return self.code.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")[:1]

    def with_status(self, status: Status, diff: str = "") -> Result:
        """The same result after something became of it."""
        return replace(self, status=status, diff=diff or self.diff)


class UserError(Exception):
    """Something the user can mend, in one sentence with its remedy. Ends the command with exit code 2.

    Attributes:
        place: where the trouble is, if it is in a file.
    """

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place
