"""Run the steps over a project and check what came out."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.document import Document
from engine.edit import Edit
from engine.plan import Plan
from engine.plan.layout import CLIENT
from engine.result import Place, Result, Safety, Status, UserError
from engine.spelling import meant

if TYPE_CHECKING:
    import libcst as cst


@dataclass(frozen=True)
class Step:
    """One composable codemod.

    Attributes:
        name: its name: that of its file, its test and its heading in the docs.
        summary: what it does, in one sentence.
        why: why a federated job needs it.
        edits: what it changes, from the plan alone.
        files: files it adds, by name, from the plan alone.
        safety: how much it may change what the program does.
        needs: names of the steps that make the place where its edits go.
        before: of a step that a team adds: the step it comes before; empty for one at the end.
        rewrite: what it makes of each file after the edits of all steps.
    """

    name: str
    summary: str
    why: str
    edits: Callable[[Plan], Iterable[Edit]]
    files: Callable[[Plan], dict[str, str]] = field(default=lambda plan: {})
    safety: Safety = Safety.SAFE
    needs: tuple[str, ...] = ()
    before: str = ""
    rewrite: Callable[[cst.Module], cst.Module] | None = None


@dataclass(frozen=True)
class Conversion:
    """What the steps made of a project.

    Attributes:
        files: what is written, by path in the converted folder.
        results: what each step did.
        plan: the decisions behind it.
        left_out: steps that would have changed something and were not wanted; with any, it is no proper conversion.
    """

    files: dict[str, bytes]
    results: tuple[Result, ...]
    plan: Plan
    left_out: tuple[Step, ...] = ()


def select(steps: Sequence[Step], only: Collection[str] = (), skip: Collection[str] = ()) -> list[Step]:
    """The steps to run, with those that the chosen ones need.

    Args:
        steps: all of them, in order.
        only: names of the steps to run; all where there are none.
        skip: names of the steps to leave out.

    Raises:
        UserError: there is no step of a name.
    """
    known = {step.name: step for step in steps}
    for name in (*only, *skip):
        if name not in known:
            raise UserError(f"there is no step {name}; {meant(name, known)}")
    wanted = {*only, *[need for name in only for need in known[name].needs]} or known.keys()
    return [step for step in steps if step.name in wanted and step.name not in skip]


def convert(plan: Plan, steps: Sequence[Step]) -> Conversion:
    """Run steps over a project.

    Args:
        plan: the decisions.
        steps: in the order in which their edits of the same statement are made.

    Raises:
        UserError: a file cannot be rewritten, or what came out does not hold the promises every file has to.
    """
    edits: list[Edit] = []
    files: dict[str, bytes] = {}
    results = []
    newline = "\r\n" if b"\r\n" in plan.facts.project.entry.raw else "\n"
    for step in steps:
        own = list(step.edits(plan))
        added = step.files(plan)
        edits += own
        files.update({name: text.replace("\n", newline).encode() for name, text in added.items()})
        results.append(_result(step, own, added))
    _refuse_clash(plan, files)
    for source in plan.facts.project.modules:
        wanted = [edit for edit in edits if edit.place.file == source.name]
        after = Document(source).apply(wanted).bytes if wanted else source.raw
        if wanted:
            check(source.name, source.raw, after, files.values())
        for place in plan.layout.get(source.name, ()):
            files[place] = after
    for index, step in enumerate(steps):
        rewritten = _rewritten(step, files)
        files |= rewritten
        if rewritten:
            results[index] = results[index].with_status(Status.CHANGED)
    order = sorted(files, key=lambda name: (name != CLIENT, name))
    return Conversion({name: files[name] for name in order}, tuple(results), plan)


def left_out(conversion: Conversion, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Those of all steps that were not run and would have changed something.

    Args:
        conversion: what came of the steps that were run.
        steps: all there are.
    """
    run = {result.name for result in conversion.results}
    return tuple(
        step
        for step in steps
        if step.name not in run
        and (list(step.edits(conversion.plan)) or step.files(conversion.plan) or _rewritten(step, conversion.files))
    )


def _rewritten(step: Step, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files that the rewriting of a step changes, with what it makes of them."""
    if step.rewrite is None:
        return {}
    import libcst

    changed = {}
    for name, before in files.items():
        if not name.endswith(".py"):
            continue
        module = libcst.parse_module(before)
        if module.bytes != before:
            raise UserError(f"{step.name} cannot rewrite this file: libcst would change its whitespace", Place(name, 1))
        try:
            after = step.rewrite(module).bytes
        except ValueError as error:
            raise UserError(f"{step.name} fails: {error}", Place(name, 1)) from None
        if after != before:
            check(name, before, after)
            changed[name] = after
    return changed


def check_needs(plan: Plan, steps: Sequence[Step]) -> None:
    """Refuse steps of which one builds on what another makes that is left out.

    Args:
        plan: the decisions.
        steps: the steps to run.

    Raises:
        UserError: with the step to leave out too.
    """
    names = {step.name for step in steps}
    for step in steps:
        missing = next((need for need in step.needs if need not in names), None)
        if missing and (list(step.edits(plan)) or step.files(plan)):
            raise UserError(f"{step.name} needs what {missing} makes; skip {step.name} too")


def _refuse_clash(plan: Plan, added: Iterable[str]) -> None:
    """A module of the project may not lie where the job needs a file of its own."""
    own = {CLIENT, "job.py", "conversion.json", *added}
    for name, places in plan.layout.items():
        clash = next((place for place in places if place in own and name != plan.facts.project.entry.name), None)
        if clash:
            raise UserError(f"the job needs a file of its own named {clash}; rename this module", Place(name, 1))


def _result(step: Step, edits: list[Edit], added: dict[str, str]) -> Result:
    """What a step did."""
    status = Status.CHANGED if edits or added else Status.UNCHANGED
    place = min((edit.place for edit in edits), default=None)
    return Result(step.name, step.summary, place=place, safety=step.safety, status=status)


def check(name: str, before: bytes, after: bytes, others: Iterable[bytes] = ()) -> None:
    """What holds for every file that is written: it compiles, and no comment of the source is lost.

    Raises:
        UserError: it does not hold.
    """
    try:
        compile(after, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UserError(
            f"the conversion would not be valid Python ({error.msg}); please report it", Place(name, 1)
        ) from None
    lost = comments(before)
    for kept in [after, *others]:
        for comment in comments(kept) if lost else ():
            if comment in lost:
                lost.remove(comment)
    if lost:
        raise UserError(f"the conversion would lose the comment {lost[0]!r}; please report it", Place(name, 1))


def comments(source: bytes) -> list[str]:
    """The comments of a file, in order."""
    lines = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # tokenize does not end a line with \r alone
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(lines).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return []
    return [token.string for token in tokens if token.type == tokenize.COMMENT]
