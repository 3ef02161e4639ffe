"""Ask about each step of a conversion, as ``git add -p`` asks about each hunk.

A step is the smallest change that can be left out: its hunks need each other, such as an import and its use, or a
counter, where it is set back and where it is sent. What needs a step that is left out is left out, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from engine.output import diff
from engine.pipeline import Step, convert
from engine.plan import Plan
from engine.result import UserError

ANSWERS = """\
y - make this change
n - leave it out
q - quit; nothing is written
a - make this change and all that follow
d - leave out this change and all that follow
? - print this help
The hunks of a step are taken together, because they need each other: an import and its use, say.
With a step left out the script is converted in part, as the summary then says: it is not its federated job."""


class Quit(UserError):
    """The person has quit; nothing is to be written."""

    def __init__(self) -> None:
        super().__init__("you have quit; nothing was written")


def choose(plan: Plan, steps: Sequence[Step], ask: Callable[[str], str], show: Callable[[str], None]) -> list[Step]:
    """The steps that a person wants, each shown with its change of what was chosen before it.

    Args:
        plan: the decisions.
        steps: those there are to choose from, in order; one that changes nothing is not asked about.
        ask: puts a question and gives the answer.
        show: shows a text: a heading, a change, a note.

    Raises:
        Quit: the answer was ``q``.
        UserError: a file cannot be rewritten.
    """
    accepted: list[Step] = []
    declined: set[str] = set()
    before = convert(plan, [])
    rest = ""
    for step in steps:
        missing = [need for need in step.needs if need in declined]
        if missing:
            show(f"{step.name} is left out, because it needs {missing[0]}.\n")
            declined.add(step.name)
            continue
        if not (list(step.edits(plan)) or step.files(plan) or step.rewrite):
            accepted.append(step)
            continue
        after = convert(plan, [*accepted, step])
        change = diff({name: (name, content) for name, content in before.files.items()}, after.files)
        answer = (rest or _answer(step, change, ask, show)) if change else "y"
        rest = answer if answer in "ad" else rest
        if answer in "ya":
            accepted.append(step)
            before = after
            continue
        needing = _told_of(step, accepted, show)
        declined |= {step.name, *(each.name for each in needing)}
        if needing:
            accepted = [each for each in accepted if each not in needing]
            before = convert(plan, accepted)
    return accepted


def _told_of(step: Step, accepted: Sequence[Step], show: Callable[[str], None]) -> list[Step]:
    """Say that a step is left out. Returns those accepted that need it, which are left out, too."""
    show(f"{step.name} is left out. It is there for a reason: {step.why}.\n")
    needing = [each for each in accepted if step.name in each.needs]
    for each in needing:
        show(f"{each.name} is left out, too, because it needs {step.name}.\n")
    return needing


def _answer(step: Step, change: str, ask: Callable[[str], str], show: Callable[[str], None]) -> str:
    """An answer about the change of a step that can be acted upon."""
    show(f"{step.name}: {step.summary}.\nWhy: {step.why}.\n{change}")
    hunks = len(re.findall(r"^@@ ", change, re.MULTILINE))
    what = "this change" if hunks == 1 else f"this change of {hunks} hunks"
    while True:
        answer = ask(f"Make {what} [y,n,q,a,d,?]?").strip().lower()[:1]
        if answer == "q":
            raise Quit
        if answer and answer in "ynad":
            return answer
        show(f"{ANSWERS}\n")
