"""What a project says of this tool: ``[tool.flare-codemods]`` in the nearest ``pyproject.toml`` above a file.

A table is not merged with that of a folder further up. Patterns are those of ``.gitignore``, relative to its folder.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.result import UserError
from engine.source import absolute, name_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILE = "pyproject.toml"
TABLE = "flare-codemods"
CONVERSION = "conversion.json"  # in every converted folder, with the names of the files in it


@dataclass(frozen=True)
class Settings:
    """What holds for the files below a folder.

    Attributes:
        select: the rules that run, by code, beginning of a code, or name; all where empty.
        ignore: those that do not.
        exclude: patterns of files that are not linted.
        per_file_ignores: rules that find nothing in the files that fit a pattern.
        rules: files of rewrite rules, relative to its folder.
        apply: defaults of the job, by the names of the options of ``apply``.
        file: where this stands; ``None`` where nothing is said.
    """

    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    exclude: Sequence[str] = ()
    per_file_ignores: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rules: Sequence[str] = ()
    apply: Mapping[str, int | None] = field(default_factory=dict)
    file: Path | None = None

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return name_of(self.file) if self.file else ""

    @property
    def rule_files(self) -> list[Path]:
        """The files of rewrite rules, as they are called in messages."""
        return [Path(name_of(self.file.parent / name)) for name in self.rules]

    def excludes(self, path: Path) -> bool:
        """True for a file that is not linted."""
        return any(self._fits(path, pattern) for pattern in self.exclude)

    def ignored_in(self, path: Path) -> tuple[str, ...]:
        """The rules that find nothing in a file."""
        ignores = self.per_file_ignores.items()
        return tuple(rule for pattern, rules in ignores if self._fits(path, pattern) for rule in rules)

    def _fits(self, path: Path, pattern: str) -> bool:
        return self._patterns[pattern].match_file(os.path.relpath(path, self.file.parent))

    @cached_property
    def _patterns(self) -> dict[str, GitIgnoreSpec]:
        from pathspec import GitIgnoreSpec

        return {pattern: GitIgnoreSpec.from_lines([pattern]) for pattern in (*self.exclude, *self.per_file_ignores)}


class Configuration:
    """The settings of files; each table is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, Settings] = {}
        self._written: dict[Path, frozenset[Path]] = {}

    def excludes(self, path: Path) -> bool:
        """True for a file that is not linted: its settings say so, or the tool wrote it; its source is linted."""
        return self.of(path).excludes(path) or absolute(path) in self._written_around(absolute(path).parent)

    def of(self, path: Path) -> Settings:
        """The settings of a file, which need not exist.

        Raises:
            UserError: the table that it falls under cannot be read, or holds what is not allowed there.
        """
        return self._of_folder(absolute(path).parent)

    def _of_folder(self, folder: Path) -> Settings:
        if folder not in self._known:
            above = folder.parent
            self._known[folder] = _settings(folder) or (self._of_folder(above) if above != folder else Settings())
        return self._known[folder]

    def _written_around(self, folder: Path) -> frozenset[Path]:
        """The files that the tool has written into the converted folder that a folder is, or lies in."""
        if folder not in self._written:
            found, above = _written(folder), folder.parent
            self._written[folder] = found or (self._written_around(above) if above != folder else frozenset())
        return self._written[folder]


def _written(folder: Path) -> frozenset[Path]:
    """The files that a converted folder says the tool wrote; none for any other folder."""
    try:
        files = json.loads((folder / CONVERSION).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset(folder / name for name in files) if isinstance(files, dict) else frozenset()


def _settings(folder: Path) -> Settings | None:
    """The settings that stand in a folder itself; ``None`` where there is no table of ours."""
    path = folder / FILE
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    if TABLE.encode() not in raw:
        return None
    tool = _tool(raw, name_of(path))
    if not isinstance(tool, dict) or TABLE not in tool:
        return None
    from engine.configuration.table import checked  # imports pydantic

    return Settings(**checked(tool[TABLE], name_of(path)).model_dump(), file=path)


def _tool(raw: bytes, file: str) -> Any:
    """The tables ``[tool...]`` of a ``pyproject.toml``. Raises UserError where it is not TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(raw.decode()).get("tool")
    except ValueError as error:
        raise UserError(f"{file} is not valid TOML ({error}); mend it and try again") from None
