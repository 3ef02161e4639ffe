"""The language server: findings, fixes and the conversion in an editor, of the text it shows, saved or not.

https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/

`analysis` and `conversion` know nothing of the protocol, `edits` and `session` turn what they find into its terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.result import Result, UserError

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.findings import Rule
    from engine.pipeline import Step


@dataclass(frozen=True)
class Tools:
    """What the engine does not import itself.

    Attributes:
        rules: what lints.
        blockers: what refuses a program.
        steps: what converts one.
        page: the documentation of a rule, by its name; empty for a name that is none.
    """

    rules: Sequence[Rule]
    blockers: Callable[[Facts], Iterable[Result]]
    steps: Sequence[Step]
    page: Callable[[str], str]


def serve(tools: Tools) -> None:
    """Serve one editor over standard input and output, until it says exit or goes away.

    Raises:
        UserError: pygls is not installed.
    """
    try:
        from engine.lsp.session import run
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        raise UserError("the language server needs pygls; install it with pip install 'flare-codemods[lsp]'") from None
    run(tools)
