"""The cases of a rule, run: what it must find, what it must leave alone, and what its fix must give."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from engine.lint import Outcome, lint

if TYPE_CHECKING:
    from fixit import Invalid, LintRule, Valid

MENTION = "# torch\n"  # what mentions no torch is not looked at


def failures(rule: type[LintRule]) -> Iterator[str]:
    """What is wrong with a rule by its own ``VALID`` and ``INVALID`` cases, in words; nothing where all hold."""
    if not rule.INVALID:
        yield "it has no example of what it finds"
    for case in rule.VALID:
        outcome, _ = _run(rule, case)
        if outcome.errors or outcome.results:
            yield f"it finds something ({_said(outcome)}) in\n{_shown(case)}"
    for case in rule.INVALID:
        outcome, text = _run(rule, case)
        expected = getattr(case, "expected_replacement", None)
        if outcome.errors or not outcome.left:
            yield f"it finds nothing{_said(outcome, ': ')} in\n{_shown(case)}"
        elif expected is not None and text != plain(expected):
            made = "it does not change" if text == plain(_code(case)) else f"it makes\n{indent(text, '    ')}  of"
            yield f"{made}\n{_shown(case)}\n  and not\n{indent(plain(expected), '    ').rstrip()}"


def plain(code: str) -> str:
    """The code of a case as fixit runs it, with a newline at its end."""
    return dedent(re.sub(r"\A\n", "", code)).rstrip(" ").rstrip("\n") + "\n"


def _code(case: str | Valid | Invalid) -> str:
    return case if isinstance(case, str) else case.code


def _run(rule: type[LintRule], case: str | Valid | Invalid) -> tuple[Outcome, str]:
    """What a rule says of a case, and the text its fix makes of it."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "example.py"
        script.write_text(plain(_code(case)) + MENTION, encoding="utf-8")
        outcome = lint([script], lambda: [rule])
        lint([script], lambda: [rule], fix=True, unsafe=True)
        return outcome, script.read_text(encoding="utf-8").removesuffix(MENTION)


def _said(outcome: Outcome, before: str = "") -> str:
    """What went wrong or was found."""
    said = outcome.errors or [result.message for result in outcome.left]
    return f"{before}{said[0]}" if said else ""


def _shown(case: str | Valid | Invalid) -> str:
    return indent(plain(_code(case)), "    ").rstrip()
