"""Lint files with the rules: fast where no torch and no NumPy is mentioned, aware of the project, silent on no error.

fixit's own runner lints one file after the other, catches what a rule raises, and renders a diff of the whole module
for each finding; here its rules run on its visitors alone. Fixes are edits of the text, applied until none is left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine.atomic import write
from engine.configuration import Configuration
from engine.findings import Rule, facts_of, in_facts, in_file, in_unreadable
from engine.fixes import apply_fixes
from engine.result import Result, Safety, Status, UserError
from engine.selection import Selection
from engine.source import absolute, name_of, unsaved_first

MENTIONED = (b"torch", b"numpy")
ROUNDS = 20
MANY = 32  # files; for fewer it takes longer to start processes than to do the work


class Told(NamedTuple):
    """What came of one program or file.

    Attributes:
        results: the findings.
        errors: what went wrong.
        trained: the files of a program that trains.
    """

    results: list[Result]
    errors: list[str]
    trained: Sequence[str] = ()


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
    load_rules: Callable[[], Sequence[Rule]],
    *,
    fix: bool = False,
    unsafe: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsaved: Mapping[Path, bytes] | None = None,
    jobs: int | None = 1,
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
        jobs: number of processes that look at the files, where there are many; ``None`` for one for each processor, up
            to a limit. The outcome is the same.

    Raises:
        UserError: a path that does not exist, a selection that fits no rule, a configuration that is not understood, or
            a fixed file that does not compile or cannot be written.
    """
    unsaved = unsaved or {}
    configuration = Configuration()
    files = [path for path in python_files(paths, unsaved) if not configuration.excludes(path)]
    relevant = [path for path in files if may_train(path, unsaved)]
    selection = Selection(load_rules() if relevant or select or ignore else [], configuration, select, ignore)
    results, errors = examine(relevant, selection, unsaved, jobs)
    fixed: list[Result] = []
    changed: dict[Path, bytes] = {}
    safeties = {Safety.SAFE, Safety.UNSAFE} if unsafe else {Safety.SAFE}
    kept = {path: why for path in relevant if absolute(path) not in unsaved and (why := _kept(path))} if fix else {}
    writable = [path for path in relevant if path not in kept]
    for _ in range(ROUNDS if fix else 0):
        landed, texts = apply_fixes(results, safeties, writable, {**unsaved, **changed})
        if not landed:
            break
        fixed.extend(landed)
        changed.update(texts)
        results, errors = examine(relevant, selection, {**unsaved, **changed}, jobs)
    for path, text in changed.items():
        if path not in unsaved:
            write(path.parent, {path.name: text})
    fixable = {result.place.file for result in results if result.edit and result.safety in safeties}
    told = [f"{path} is kept as it is: it is {why}" for path, why in kept.items() if name_of(path) in fixable]
    return Outcome((*fixed, *results), (*errors, *told), len(files), changed)


def _kept(path: Path) -> str:
    """Why fixes may not write a file, and what to do; nothing where they may."""
    if path.is_symlink():
        return "a symbolic link; name the file that it stands for"
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return "read-only, or its folder is; make both writable"
    return ""


def python_files(paths: Sequence[Path], unsaved: Mapping[Path, bytes]) -> list[Path]:
    """The Python files that paths mean, each once. Raises UserError for a path that does not exist."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_file() or absolute(path) in unsaved:
            found[path] = None
        elif not path.exists():
            raise UserError(f"{path} does not exist; give a Python file or a folder")
        else:
            found.update(dict.fromkeys(sorted(_below(path))))
    return list(found)


def _below(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, but for what ``.gitignore`` leaves out, Python environments and symbolic links,
    which may lead anywhere and round in circles. Raises OSError for a folder that cannot be read."""
    from trailrunner.core import gitignore, project_root  # imports multiprocessing, which a single file does without

    root = project_root(folder)
    ignored = gitignore(root)
    for here, folders, files in os.walk(folder, onerror=_raised):
        place = Path(here).resolve().relative_to(root)
        if "pyvenv.cfg" in files:
            folders[:], files = [], []
        folders[:] = [name for name in folders if not ignored.match_file(f"{place / name}/")]
        paths = (Path(here, name) for name in files if name.endswith((".py", ".pyi")))
        yield from (each for each in paths if not each.is_symlink() and not ignored.match_file(place / each.name))


def _raised(error: OSError) -> None:
    raise error


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
    paths: Sequence[Path], selection: Selection, unsaved: Mapping[Path, bytes], jobs: int | None
) -> tuple[list[Result], list[str]]:
    """One pass of the rules over the files: the findings, sorted by place, and what went wrong."""
    examiner = Examiner(selection, unsaved)
    known: dict[str, list[Result]] = {name_of(path): [] for path in paths}
    asked = set(known)
    errors: list[str] = []
    trained: set[str] = set()
    for told in _all(examiner.program, paths, jobs):
        for result in told.results:
            known.setdefault(result.place.file, []).append(result)
        errors += told.errors
        trained.update(told.trained)
    found: list[Result] = []
    tasks = [Task(name, known[name], name in asked, name in trained) for name in sorted(known)]
    for told in _all(examiner.file, tasks, jobs):
        found += told.results
        errors += told.errors
    return sorted(found, key=lambda result: (result.place, result.code)), list(dict.fromkeys(errors))


class Task(NamedTuple):
    """A file to look at.

    Attributes:
        name: of the file.
        known: what the program rules found in it.
        asked: whether its own rules are to be run.
        trained: whether it is part of a program that trains.
    """

    name: str
    known: list[Result]
    asked: bool
    trained: bool


@dataclass(frozen=True)
class Examiner:
    """Runs the rules on one program or file; the same in this process and in others."""

    selection: Selection
    unsaved: Mapping[Path, bytes]

    def program(self, path: Path) -> Told:
        """What the program rules find in the program that a file starts, and what went wrong."""
        found: list[Result] = []
        trained: list[str] = []
        try:
            rules = [rule for rule in self.selection.started_by(path) if hasattr(rule, "check")]
            if not rules:
                return Told([], [])
            try:
                facts = facts_of(path, unsaved_first(self.unsaved))
            except UserError as error:
                return Told(list(in_unreadable(path, rules, error)), [])
            trained = [name_of(facts.project.root / name) for name in facts.project.files] if facts.loop else []
            found.extend(in_facts(facts, rules))
        except UserError as error:
            return Told(found, [str(error)], trained)
        return Told(found, [], trained)

    def file(self, task: Task) -> Told:
        """What is found in a file."""
        rules = self.selection.of(Path(task.name))
        names = {rule.__name__ for rule in rules}
        found = [result for result in dict.fromkeys(task.known) if result.name in names]
        try:
            source = unsaved_first(self.unsaved)(Path(task.name), Path())
            asked = rules if task.asked else []
            return Told(in_file(source, asked, found, trained=task.trained, all_rules=self.selection.rules), [])
        except UserError as error:
            return Told(found, [str(error)])


def _all(work: Callable[[Any], Told], items: Sequence[Any], jobs: int | None) -> Iterable[Told]:
    """The work on all items: by several processes where there are many."""
    if jobs == 1 or len(items) < MANY:
        return map(work, items)
    from engine.parallel import ordered, processes

    return ordered(work, items, jobs or processes(), lost)


def lost(item: Path | Task) -> Told:
    """What is told of a file over which a process died."""
    name = name_of(item) if isinstance(item, Path) else item.name
    return Told(
        [], [f"{name}: the process that looked at it died, out of memory or by a crash; lint the file by itself"]
    )
