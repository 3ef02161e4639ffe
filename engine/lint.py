"""Lint files with the rules: fast where torch is not mentioned, aware of the whole project, silent on no error.

fixit's own runner lints one file after the other, catches what a rule raises, and renders a diff of the whole module
for each finding; here its rules run on its visitors alone. Fixes are edits of the text, applied until none is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.findings import in_file, in_program, name_of
from engine.fixes import apply_fixes
from engine.result import Result, Safety, Status, UserError
from engine.source import read_file

if TYPE_CHECKING:
    from fixit import LintRule

MENTIONED = b"torch"
ROUNDS = 20


@dataclass(frozen=True)
class Outcome:
    """What linting came to.

    Attributes:
        results: what was fixed, then what is left, each sorted by place.
        errors: what kept a file or a rule from being run, one sentence each.
        files: number of files looked at.
    """

    results: tuple[Result, ...]
    errors: tuple[str, ...]
    files: int

    @property
    def fixed(self) -> list[Result]:
        """The findings that were fixed."""
        return [result for result in self.results if result.status is Status.CHANGED]

    @property
    def left(self) -> list[Result]:
        """The findings that are left."""
        return [result for result in self.results if result.status is Status.FOUND]

    @property
    def exit_code(self) -> int:
        """0 where nothing is left, 1 for findings, 2 for an error."""
        return 2 if self.errors else 1 if self.left else 0


def lint(
    paths: Sequence[Path],
    load_rules: Callable[[], Sequence[type[LintRule]]],
    *,
    fix: bool = False,
    unsafe: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Outcome:
    """Lint files and folders.

    Args:
        paths: files, and folders to look for Python files in (``.gitignore`` is obeyed).
        load_rules: gives the fixit rules; asked only where a file mentions torch, since loading them takes longer than
            to read a tree that does not. One with a ``check`` reads the facts of the program.
        fix: apply the safe fixes and write the files.
        unsafe: apply unsafe fixes, too.
        select: codes, beginnings of codes or names of the rules to run; all where empty.
        ignore: those not to run.

    Raises:
        UserError: a path that does not exist, or a selection that fits no rule.
    """
    files = python_files(paths)
    relevant = [path for path in files if MENTIONED in path.read_bytes()]
    chosen = choose(load_rules(), select, ignore) if relevant or select or ignore else []
    results, errors = examine(relevant, chosen)
    fixed: list[Result] = []
    for _ in range(ROUNDS if fix else 0):
        landed = apply_fixes(relevant, results, {Safety.SAFE, Safety.UNSAFE} if unsafe else {Safety.SAFE})
        if not landed:
            break
        fixed.extend(landed)
        results, errors = examine(relevant, chosen)
    return Outcome((*fixed, *results), tuple(errors), len(files))


def choose(rules: Sequence[type[LintRule]], select: Sequence[str], ignore: Sequence[str]) -> list[type[LintRule]]:
    """The rules that a selection leaves. Raises UserError for a selector that fits none."""

    def fits(rule: type, selectors: Sequence[str]) -> bool:
        return any(rule.__name__ == each or getattr(rule, "CODE", "").startswith(each.upper()) for each in selectors)

    for selector in (*select, *ignore):
        if not any(fits(rule, [selector]) for rule in rules):
            raise UserError(f"no rule is called {selector}; `python -m codemods list` names them")
    return [rule for rule in rules if (not select or fits(rule, select)) and not fits(rule, ignore)]


def python_files(paths: Sequence[Path]) -> list[Path]:
    """The Python files that paths mean, each once. Raises UserError for a path that does not exist."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; give a Python file or a folder")
        if path.is_file():
            found[path] = None
        else:
            from trailrunner import walk  # imports multiprocessing, which a single file does without

            found.update(dict.fromkeys(sorted(walk(path))))
    return list(found)


def examine(paths: Sequence[Path], rules: Sequence[type[LintRule]]) -> tuple[list[Result], list[str]]:
    """One pass of the rules over the files: the findings, sorted by place, and what went wrong."""
    results: list[Result] = []
    errors: list[str] = []
    known: dict[str, list[Result]] = defaultdict(list)
    for path in paths:
        try:
            for result in in_program(path, rules):
                known[result.place.file].append(result)
        except UserError as error:
            errors.append(str(error))
    asked = {name_of(path) for path in paths}
    for name in sorted(asked | known.keys()):
        found = list(dict.fromkeys(known[name]))
        try:
            found = in_file(read_file(Path(name), Path()), rules if name in asked else [], found)
        except UserError as error:
            errors.append(str(error))
        results.extend(found)
    return sorted(results, key=lambda result: (result.place, result.code)), list(dict.fromkeys(errors))
