"""What a team adds: steps and rules of installed packages, by their entry points, and rewrite rules in TOML files.

Nothing is looked for before a command needs steps or rules. What is broken ends the command with a sentence.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.findings import Rule, naming
from engine.result import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from fixit import LintRule

    from engine.edit import Edit
    from engine.pipeline import Step
    from engine.plan import Plan

STEPS, RULES = "flare_codemods.codemods", "flare_codemods.rules"
CODE = re.compile(r"(?!FLR)[A-Z]+[1-3]\d\d")
HIDDEN = b"flare_codemods."  # what the entry points of an extension hold


@dataclass(frozen=True)
class Extended:
    """All steps and rules there are, the project's own and those a team added.

    Attributes:
        order: names of the steps, in the order of the pipeline.
        rules: in the order of their codes.
        added: the steps a team added, by name.
        origins: where each step and rule that a team added comes from, by its name.
        load: gives a step of the project's own; asked only where steps are needed.
    """

    order: tuple[str, ...]
    rules: tuple[Rule, ...]
    added: dict[str, Step]
    origins: dict[str, str]
    load: Callable[[str], Step] = field(repr=False)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in the order of the pipeline."""
        return tuple(self.added.get(name) or self.load(name) for name in self.order)

    @property
    def added_rules(self) -> list[Rule]:
        """The rules a team added."""
        return [rule for rule in self.rules if rule.__name__ in self.origins]


def extend(
    steps: Sequence[str],
    load: Callable[[str], Step],
    rules: Sequence[Rule],
    files: Iterable[Path],
    read: Callable[[Path], Iterable[Rule]],
) -> Extended:
    """The pipeline and the rules with what entry points and files add.

    Args:
        steps: names of the project's own, in order.
        load: gives the step of a name.
        rules: the project's own.
        files: TOML files of rewrite rules.
        read: makes rules of one such file.

    Raises:
        UserError: something that is added cannot be loaded, is no step or rule, or takes a name that is taken.
    """
    origins: dict[str, str] = {}
    taken = {*steps, *(key for rule in rules for key in keys(rule))}
    added: dict[str, Step] = {}
    more: list[Rule] = []
    for origin, each in (*_installed(), *_read(files, read)):
        for key in sorted(keys(each) & taken):
            raise UserError(f"{origin}: the name {key} is taken; choose another")
        taken |= keys(each)
        if isinstance(each, type):
            more.append(each)
            origins[each.__name__] = origin
        else:
            added[each.name] = each
            origins[each.name] = origin
    order = _ordered(steps, added.values(), origins)
    return Extended(tuple(order), tuple(sorted((*rules, *more), key=lambda rule: rule.CODE)), added, origins, load)


def keys(each: Step | Rule) -> set[str]:
    """What a step or a rule is chosen by."""
    return {each.__name__, each.CODE} if isinstance(each, type) else {each.name}


def _ordered(steps: Sequence[str], added: Iterable[Step], origins: dict[str, str]) -> list[str]:
    """The names of all steps: each added one ahead of the one it names, or else at the end."""
    order = list(steps)
    for step in added:
        if step.before and step.before not in order:
            raise UserError(f"{origins[step.name]}: {step.name} is to come before {step.before}, which is no step")
        order.insert(order.index(step.before) if step.before else len(order), step.name)
    for step in added:
        for need in step.needs:
            if need not in order:
                raise UserError(f"{origins[step.name]}: {step.name} needs {need}, which is no step")
    return order


def _read(files: Iterable[Path], read: Callable[[Path], Iterable[Rule]]) -> Iterator[tuple[str, Step | Rule]]:
    """The rules of files, each followed by the step it is, too."""
    for path in dict.fromkeys(files):
        for rule in read(path):
            yield str(path), rule
            if rule.STEP:
                yield str(path), rule.STEP


def _installed() -> Iterator[tuple[str, Any]]:
    """The steps and rules of installed packages, with the entry point each comes from."""
    if not _any_installed():
        return
    from importlib.metadata import entry_points

    for group, check in ((STEPS, _checked_step), (RULES, _checked_rule)):
        for point in sorted(entry_points(group=group), key=lambda point: (_package(point), point.name)):
            origin = f"{_package(point)} ({point.name} = {point.value})"
            try:
                loaded = point.load()
            except (
                Exception,
                SystemExit,
            ) as error:  # it may fail in any way, and none must pass for having no rules
                raise UserError(f"{origin} cannot be loaded: {type(error).__name__}: {error}") from error
            for each in loaded if isinstance(loaded, (list, tuple)) else [loaded]:
                yield origin, check(each, origin)
                if getattr(each, "STEP", None):  # a package may read its rules from a TOML file
                    yield origin, each.STEP


def _any_installed() -> bool:
    """Whether any installed package extends this one: a look at texts, which takes a tenth of reading all metadata."""
    folders = {Path(entry or ".") for entry in sys.path}
    return any(HIDDEN in found.read_bytes() for folder in folders for found in folder.glob("*.*-info/entry_points.txt"))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an installed package"


def _checked_step(each: Any, origin: str) -> Step:
    """A step, which says its name where it fails."""
    from engine.pipeline import Step

    if not isinstance(each, Step):
        raise UserError(f"{origin} is {each!r}, neither an engine.pipeline.Step nor a list of them")

    def edits(plan: Plan) -> list[Edit]:
        with naming(f"the step {each.name}", origin):
            return [_checked_edit(edit) for edit in each.edits(plan)]

    return replace(each, edits=edits)


def _checked_edit(edit: Any) -> Edit:
    """An edit, whose text parses where it holds statements."""
    from engine.edit import Edit, Insert, ReplaceStatement

    if not isinstance(edit, Edit):
        raise TypeError(f"{edit!r} is no edit of engine.edit")
    if isinstance(edit, (Insert, ReplaceStatement)):
        ast.parse(edit.text)
    return edit


def _checked_rule(each: Any, origin: str) -> type[LintRule]:
    """A rule that says what it finds."""
    from fixit import LintRule

    if not (isinstance(each, type) and issubclass(each, LintRule)):
        raise UserError(f"{origin} is {each!r}, neither a fixit LintRule nor a list of them")
    if not isinstance(getattr(each, "MESSAGE", None), str):
        raise UserError(f"{origin}: the rule {each.__name__} has no MESSAGE, the sentence that a finding says")
    check_code(getattr(each, "CODE", None), each.__name__, origin)
    return each


def check_code(code: Any, name: str, origin: str) -> None:
    """Raises UserError for what is not a code that a team can give its rule."""
    if not (isinstance(code, str) and CODE.fullmatch(code)):
        raise UserError(
            f"{origin}: the rule {name} needs a code such as TEAM201: capital letters (not FLR), then 1 (blocks a "
            "conversion), 2 (has a fix) or 3 (warns) and two digits"
        )
