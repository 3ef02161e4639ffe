"""Ask about each step of a conversion, as ``git add -p`` asks about each hunk."""

from __future__ import annotations

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
? - print this help"""


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
        if change and not rest:
            show(f"{step.name}: {step.summary}.\nWhy: {step.why}.\n{change}")
        answer = (rest or _answer(ask, show)) if change else "y"
        if answer in "ad":
            rest = answer
        if answer in "ya":
            accepted.append(step)
            before = after
            continue
        show(f"{step.name} is left out. It is there for a reason: {step.why}.\n")
        declined.add(step.name)
        needing = [each for each in accepted if step.name in each.needs]
        for each in needing:
            show(f"{each.name} is left out, too, because it needs {step.name}.\n")
            declined.add(each.name)
        if needing:
            accepted = [each for each in accepted if each not in needing]
            before = convert(plan, accepted)
    return accepted


def _answer(ask: Callable[[str], str], show: Callable[[str], None]) -> str:
    """An answer that can be acted upon."""
    while True:
        answer = ask("Make this change [y,n,q,a,d,?]?").strip().lower()[:1]
        if answer == "q":
            raise Quit
        if answer and answer in "ynad":
            return answer
        show(f"{ANSWERS}\n")
