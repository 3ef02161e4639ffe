"""What the rules find in the texts of an editor. A program is examined anew only when one of its files has changed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.configuration import Configuration
from engine.findings import facts_of, in_facts, in_file, in_unreadable
from engine.lint import is_mentioned
from engine.output import CONVERSION
from engine.result import Result, UserError
from engine.selection import Rules, Selection
from engine.source import SourceFile, absolute, encode, name_of, read_file

Texts = Mapping[Path, str]
Read = Callable[[Path, Path], SourceFile]


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        files: by path, the file as it was read, and what was found in it: for each open text, and for each file of
            their programs in which something was found.
        scripts: the texts that train when they are run, and are not themselves part of a job.
        errors: what kept a file or a rule from being run, one sentence each.
    """

    files: Mapping[Path, tuple[SourceFile, Sequence[Result]]] = field(default_factory=dict)
    scripts: frozenset[Path] = frozenset()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """What the program rules found in the program that a text starts.

    Attributes:
        rules: the rules that were run.
        read: the files it consists of, as they were.
        results: the findings.
        trains: whether it has an epoch loop.
        errors: what kept it from being examined.
    """

    rules: Rules
    read: Mapping[Path, bytes]
    results: tuple[Result, ...] = ()
    trains: bool = False
    errors: tuple[str, ...] = ()


def reader(texts: Texts) -> Read:
    """Reads a file as the editor shows it, or else from disk."""
    shown = {each: text for path, text in texts.items() for each in (path, path.resolve())}

    def read(path: Path, root: Path) -> SourceFile:
        text = shown.get(absolute(path))
        if text is None:
            return read_file(path, root)
        try:
            saved = read_file(path, root)
        except UserError:
            saved = None
        same = saved is not None and saved.text == text.removeprefix("\ufeff")
        return saved if same else encode(path, Path(os.path.relpath(path, root)).as_posix(), text)

    return read


class Analyser:
    """Examines texts, and remembers what it found in those that stay as they are."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.programs: dict[Path, Program] = {}
        self.found: dict[Path, tuple[tuple[bytes, Rules, list[Result], bool], list[Result]]] = {}

    def forget(self) -> None:
        """Examine everything anew: files may have come or gone."""
        self.programs.clear()
        self.found.clear()

    def examine(self, texts: Texts) -> Findings:
        """What is found in texts, and in the files of their programs.

        Args:
            texts: by absolute path.
        """
        read = reader(texts)
        selection = Selection(self.rules, Configuration(), (), ())
        sources: dict[Path, SourceFile] = {}
        programs: dict[Path, Program] = {}
        errors: list[str] = []
        for path in texts:
            try:
                sources[path] = read(Path(name_of(path)), Path())
                if is_mentioned(sources[path].raw) and not selection.configuration.excludes(path):
                    programs[path] = self.program(path, selection.started_by(path), read)
            except UserError as error:
                errors.append(str(error))
        self.programs = programs
        known: dict[Path, list[Result]] = defaultdict(list)
        for program in programs.values():
            errors += program.errors
            for result in program.results:
                known[absolute(Path(result.place.file))].append(result)
        trained = {path for program in programs.values() if program.trains for path in program.read}
        files: dict[Path, tuple[SourceFile, Sequence[Result]]] = {}
        for path in dict.fromkeys([*sources, *known]):
            try:
                source = sources.get(path) or read(Path(name_of(path)), Path())
                rules = selection.of(path)
                names = {rule.__name__ for rule in rules}
                allowed = [result for result in dict.fromkeys(known[path]) if result.name in names]
                files[path] = (
                    source,
                    self.in_file(path, source, rules if path in programs else [], allowed, path in trained),
                )
            except UserError as error:
                errors.append(str(error))
        self.found = {path: found for path, found in self.found.items() if path in files}
        scripts = [path for path, program in programs.items() if program.trains]
        return Findings(files, frozenset(scripts), tuple(dict.fromkeys(errors)))

    def program(self, path: Path, rules: Rules, read: Read) -> Program:
        """What the program rules find in the program that a text starts."""
        known = self.programs.get(path)
        if known and known.rules == rules and all(_raw(each, read) == raw for each, raw in known.read.items()):
            return known
        seen: dict[Path, bytes] = {}

        def noting(path: Path, root: Path) -> SourceFile:
            file = read(path, root)
            seen[absolute(path)] = file.raw
            return file

        try:
            try:
                facts = facts_of(path, noting)
            except UserError as error:
                return Program(rules, seen, tuple(in_unreadable(path, rules, error)))
            trains = facts.loop is not None and not (path.parent / CONVERSION).is_file()
            return Program(rules, seen, tuple(in_facts(facts, rules)), trains)
        except UserError as error:
            return Program(rules, seen, errors=(str(error),))

    def in_file(self, path: Path, source: SourceFile, rules: Rules, known: list[Result], trained: bool) -> list[Result]:
        """The findings in one file that no comment silences, sorted by place."""
        given = source.raw, rules, known, trained
        if path not in self.found or self.found[path][0] != given:
            found = in_file(source, rules, known, trained=trained, all_rules=self.rules)
            self.found[path] = given, sorted(found, key=lambda each: (each.place, each.code))
        return self.found[path][1]


def _raw(path: Path, read: Read) -> bytes | None:
    """The content of a file as it is now."""
    try:
        return read(path, path.parent).raw
    except UserError:
        return None
