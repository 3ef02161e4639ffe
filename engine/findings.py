"""What the rules find: in a program, by its facts, and in a file, by its tree.

There are three kinds of rules: one with ``check`` reads the facts of the program, one with ``mended`` is a set of
patterns, and any other is a ``LintRule`` of fixit, a visitor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.result import Result, Safety, UserError
from engine.source import Project, SourceFile, name_of, read_file
from engine.suppressions import suppressions, unused

if TYPE_CHECKING:
    from engine.facts import Facts

Rule = type[Any]  # a class of one of these kinds


def facts_of(path: Path, read: Callable[[Path, Path], SourceFile] = read_file) -> Facts:
    """The facts of the program that a file starts. Raises UserError where they cannot be gathered."""
    from engine.facts import gather

    with naming("the analysis", name_of(path)):
        return gather(Project(path, read=read))


def in_facts(facts: Facts, rules: Sequence[Rule]) -> Iterator[Result]:
    """What the program rules find in a program. Raises UserError where one fails."""
    for rule in rules:
        if hasattr(rule, "check"):
            with naming(f"the rule {rule.__name__}", name_of(facts.project.entry.path)):
                yield from (moved(result, facts.project.root) for result in rule.check(facts))


def in_unreadable(path: Path, rules: Sequence[Rule], error: UserError) -> Iterator[Result]:
    """What the program rules say of a program without facts. Raises the error where none of them speaks of it."""
    found = [rule.unreadable(error) for rule in rules if hasattr(rule, "check")]
    if not any(found):
        raise error
    yield from (replace(result, place=replace(result.place, file=name_of(path))) for result in found if result)


def moved(result: Result, root: Path) -> Result:
    """A finding whose file is named from the working directory instead of the project root."""
    name = name_of(root / result.place.file)
    place, end, edit = replace(result.place, file=name), result.end, result.edit
    if edit:
        edit = replace(edit, start=replace(edit.start, file=name), end=replace(edit.end, file=name))
    return replace(result, place=place, end=end and replace(end, file=name), edit=edit)


@contextmanager
def naming(what: str, file: str) -> Iterator[None]:
    """Turns whatever is raised into an error that names what failed and the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a rule may fail in any way, and none must pass for a clean file
        raise UserError(f"{file}: {what} failed: {type(error).__name__}: {error}") from error


def in_file(
    source: SourceFile,
    rules: Sequence[Rule],
    known: list[Result],
    *,
    trained: bool = False,
    all_rules: Sequence[Rule] = (),
) -> list[Result]:
    """The findings in one file that no comment silences, and the comments that silence nothing.

    Args:
        source: the file.
        rules: the rules to run on it.
        known: what the program rules found in it.
        trained: whether it is part of a program that trains and was examined. Otherwise a comment that silences a
            program rule may be of use there.
        all_rules: those that there are; by default those to run.
    """
    found = with_fixes(source, rules, known)
    comments = suppressions(source.text, source.name)
    left = [result for result in found if not any(comment.silences(result) for comment in comments)]
    ran = [rule for rule in rules if trained or not hasattr(rule, "check")]
    keys = frozenset(key for rule in ran for key in (rule.__name__, getattr(rule, "CODE", "")))
    codes = frozenset(getattr(rule, "CODE", "") for rule in all_rules or rules)
    everything = [*left, *unused(comments, found, keys, codes)]
    return [in_cell(result, source) for result in everything] if source.cells else everything


def told(facts: Facts, rules: Sequence[Rule], known: Sequence[Result]) -> list[Result]:
    """What is found in the files of a program and no comment silences, by code and place.

    A file that libcst cannot parse is told of by ``apply``; its own tree shows nothing here.

    Args:
        facts: of the program.
        rules: those that look at a file are run on each that was read.
        known: what the program rules found.
    """
    files = facts.project.files
    own = [rule for rule in rules if not hasattr(rule, "check")]
    found = [result for result in known if result.place.file not in files]
    for file in files.values():
        here = [result for result in known if result.place.file == file.name]
        try:
            found += in_file(file, own, here)
        except UserError:
            found += here
    return sorted((result for result in found if result.code), key=lambda result: (result.code, result.place))


def in_cell(result: Result, source: SourceFile) -> Result:
    """A finding in the script of a notebook as one in its cell, with its fix as a change of the notebook's JSON."""
    from engine.notebook_json import in_document, physical

    place, end = physical(source, result.place), physical(source, result.end or result.place)
    edit = in_document(source, result.edit) if result.edit else None
    return replace(result, place=place, end=end, edit=edit, safety=result.safety if edit else Safety.DISPLAY_ONLY)


def with_fixes(source: SourceFile, rules: Sequence[Rule], known: list[Result]) -> list[Result]:
    """What is known of a file and what its own tree shows, each with its fix."""
    try:
        _ = source.tree
    except UserError:
        return known  # `in_program` has told of it
    looking = [rule for rule in rules if is_worth_looking(rule, source, known)]
    if not looking:
        return known
    from engine.concrete import Tree

    tree = Tree(source)
    codes = {rule.CODE for rule in looking if hasattr(rule, "check")}
    found = [result for result in known if result.code not in codes]
    for rule in looking:
        with naming(f"the rule {rule.__name__}", source.name):
            if hasattr(rule, "check"):
                found.extend(tree.mended(rule, result) for result in known if result.code == rule.CODE)
            else:
                found.extend(tree.matched(rule) if hasattr(rule, "mended") else tree.visited(rule))
    return found


def is_worth_looking(rule: Rule, source: SourceFile, known: list[Result]) -> bool:
    """True for a program rule with something to fix, and for any other that may find something in the text."""
    if hasattr(rule, "check"):
        open_ones = (result for result in known if result.code == rule.CODE and not result.edit)
        return any(result.safety is not Safety.DISPLAY_ONLY for result in open_ones)
    return not hasattr(rule, "may_match") or rule.may_match(source.text)
