"""Lint files with the rules: fast where no torch and no NumPy is mentioned, aware of the project, silent on no error.

fixit's own runner lints one file after the other, catches what a rule raises, and renders a diff of the whole module
for each finding; here its rules run on its visitors alone. Fixes are edits of the text, applied until none is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.atomic import write
from engine.configuration import Configuration
from engine.findings import in_file, in_program
from engine.fixes import apply_fixes
from engine.result import Result, Safety, Status, UserError
from engine.selection import Selection
from engine.source import absolute, name_of, unsaved_first

if TYPE_CHECKING:
    from fixit import LintRule

MENTIONED = (b"torch", b"numpy")
ROUNDS = 20


@dataclass(frozen=True)
class Outcome:
    """What linting came to.

    Attributes:
        results: what was fixed, then what is left, each sorted by place.
        errors: what kept a file or a rule from being run, one sentence each.
        files: number of files looked at.
        texts: what the fixed files hold now, by absolute path.
    """

    results: tuple[Result, ...]
    errors: tuple[str, ...]
    files: int
    texts: Mapping[Path, bytes] = field(default_factory=dict)

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
    unsaved: Mapping[Path, bytes] = MappingProxyType({}),
) -> Outcome:
    """Lint files and folders, each file as its configuration asks.

    Args:
        paths: files, and folders to look for Python files in (``.gitignore`` is obeyed).
        load_rules: gives the fixit rules; asked only where a file mentions torch or NumPy, since loading them takes
            longer than to read a tree that does not. One with a ``check`` reads the facts of the program.
        fix: apply the safe fixes and write the files.
        unsafe: apply unsafe fixes, too.
        select: codes, beginnings of codes or names of the rules to run, instead of what the configuration says.
        ignore: those not to run.
        unsaved: what files hold instead of what lies on disk, by absolute path; they are fixed but not written.

    Raises:
        UserError: a path that does not exist, a selection that fits no rule, a configuration that is not understood, or
            a fixed file that does not compile or cannot be written.
    """
    configuration = Configuration()
    files = [path for path in python_files(paths, unsaved) if not configuration.of(path).excludes(path)]
    relevant = [path for path in files if may_train(path, unsaved)]
    selection = Selection(load_rules() if relevant or select or ignore else [], configuration, select, ignore)
    results, errors = examine(relevant, selection, unsaved)
    fixed: list[Result] = []
    changed: dict[Path, bytes] = {}
    for _ in range(ROUNDS if fix else 0):
        safeties = {Safety.SAFE, Safety.UNSAFE} if unsafe else {Safety.SAFE}
        landed, texts = apply_fixes(results, safeties, relevant, {**unsaved, **changed})
        if not landed:
            break
        fixed.extend(landed)
        changed.update(texts)
        results, errors = examine(relevant, selection, {**unsaved, **changed})
    for path, text in changed.items():
        if path not in unsaved:
            write(path.parent, {path.name: text})
    return Outcome((*fixed, *results), tuple(errors), len(files), changed)


def python_files(paths: Sequence[Path], unsaved: Mapping[Path, bytes]) -> list[Path]:
    """The Python files that paths mean, each once. Raises UserError for a path that does not exist."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_file() or absolute(path) in unsaved:
            found[path] = None
        elif not path.exists():
            raise UserError(f"{path} does not exist; give a Python file or a folder")
        else:
            from trailrunner import walk  # imports multiprocessing, which a single file does without

            found.update(dict.fromkeys(sorted(walk(path))))
    return list(found)


def is_mentioned(content: bytes) -> bool:
    """True for a file that names what programs train with; others are not looked at any further."""
    return any(name in content for name in MENTIONED)


def may_train(path: Path, unsaved: Mapping[Path, bytes]) -> bool:
    """True for a file that mentions torch or NumPy, and for one that cannot be read, so that it is told of."""
    try:
        content = unsaved[absolute(path)] if absolute(path) in unsaved else path.read_bytes()
        return is_mentioned(content)
    except OSError:
        return True


def examine(
    paths: Sequence[Path], selection: Selection, unsaved: Mapping[Path, bytes]
) -> tuple[list[Result], list[str]]:
    """One pass of the rules over the files: the findings, sorted by place, and what went wrong."""
    results: list[Result] = []
    errors: list[str] = []
    read = unsaved_first(unsaved)
    known: dict[str, list[Result]] = defaultdict(list)
    for path in paths:
        try:
            for result in in_program(path, selection.started_by(path), read):
                known[result.place.file].append(result)
        except UserError as error:
            errors.append(str(error))
    asked = {name_of(path) for path in paths}
    for name in sorted(asked | known.keys()):
        rules = selection.of(Path(name))
        names = {rule.__name__ for rule in rules}
        found = [result for result in dict.fromkeys(known[name]) if result.name in names]
        try:
            found = in_file(read(Path(name), Path()), rules if name in asked else [], found)
        except UserError as error:
            errors.append(str(error))
        results.extend(found)
    return sorted(results, key=lambda result: (result.place, result.code)), list(dict.fromkeys(errors))
