"""What several commands do."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def collect_rarely() -> None:
    """Let the garbage collector look less often: nearly all that a conversion makes is needed until it ends.

    Looking takes up to a tenth of the time of such a command otherwise, most of it while modules are imported.
    """
    gc.set_threshold(200_000)


def extended(files: tuple[Path, ...], paths: tuple[Path, ...] = (Path(),)):
    """The steps and the rules, with those that a team has added: installed, or in TOML files.

    Args:
        files: TOML files that are named on the command line.
        paths: files or folders whose ``pyproject.toml`` may name more of them.
    """
    from codemods import STEPS, load
    from engine.configuration import Configuration
    from engine.extension import extend
    from rules import RULES

    def read_toml(path: Path):
        from rules import from_toml  # imports libcst, to parse the patterns

        return from_toml.read(path)

    configuration = Configuration()
    settings = [configuration.of(path / "*" if path.is_dir() else path) for path in paths]
    named = [file for each in settings for file in each.rule_files]
    return extend(STEPS, load, RULES, (*files, *named), read_toml)


def for_source(files: Sequence[Path], source: Path):
    """The steps, and the rules that refuse, for a script that is converted again.

    Args:
        files: the TOML files with rules that it was converted with.
        source: the script.
    """
    from functools import partial

    from rules import blockers

    everything = extended(tuple(files), (source,))
    return everything.steps, partial(blockers, rules=everything.rules)


def check_page(page: Path | None) -> None:
    """Refuse a file that a report cannot be written to, before the work it reports on."""
    if page:
        from engine.page import check

        check(page)


def add_to_page(page: Path | None, directory: Path, part: str, content: Any) -> None:
    """Add what was found about a converted folder to its report."""
    if page:
        from engine.page.document import add

        add(page, directory, part, content)


def read_facts(path: Path, entry: str | None, model: str | None, loop: str | None, arguments: tuple[str, ...] = ()):
    """The facts of the program a path means."""
    from engine.facts import Choices, gather
    from engine.facts.entry import find_entry
    from engine.source import Project

    chosen = path / entry if entry and path.is_dir() else path
    return gather(Project(find_entry(chosen).resolve()), Choices(model=model, loop=loop, arguments=arguments))


def model_arguments(values: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` pairs; a value is JSON where it can be, text otherwise."""
    from engine.result import UserError

    found = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator or not name.isidentifier():
            raise UserError(f"--model-arg {value} is not NAME=VALUE")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
