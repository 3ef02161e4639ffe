"""Converted folders, held against what their source becomes today with the options they were made with."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import atomic
from engine.apply import Outcome, build
from engine.apply_report import refusal_text
from engine.configuration import CONVERSION
from engine.facts import Choices as ProgramChoices
from engine.facts import Facts, gather
from engine.job import read_conversion
from engine.output import compare, guard
from engine.pipeline import Step, select
from engine.plan import Choices
from engine.result import Result, UserError
from engine.source import Project

MARK = b'"class_path"'  # what every conversion.json of ours holds, even a broken one
Load = Callable[[Sequence[Path], Path], tuple[Sequence[Step], Callable[[Facts], Iterable[Result]]]]
JOB = "job.py"


@dataclass(frozen=True)
class Renewal:
    """What has to be written to bring a folder up to date.

    Attributes:
        folder: the converted folder.
        source: the script it was made from.
        files: content by path in the folder; empty where it is up to date.
        modes: permissions of files that do not exist yet.
        stale: files that are no longer made.
    """

    folder: Path
    source: Path
    files: Mapping[str, bytes]
    modes: Mapping[str, int]
    stale: tuple[str, ...]


def folders(paths: Iterable[Path]) -> list[Path]:
    """The converted folders that paths are, or have below them, but for hidden folders and Python environments.

    Raises:
        UserError: a path that is not a folder, or neither is a converted folder nor has one below it.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path} is not a folder; give a converted folder, or one that has some below it")
        here = below(path)
        if not here:
            raise UserError(f"{path} is no converted folder and has none below it; give one that `apply` wrote")
        found += here
    return list(dict.fromkeys(found))


def below(path: Path) -> list[Path]:
    """The converted folders that a folder is, or has below it, but for hidden folders and Python environments."""
    found: list[Path] = []
    for here, folders, files in os.walk(path):
        installed = "pyvenv.cfg" in files
        folders[:] = [] if installed else sorted(name for name in folders if not name.startswith("."))
        if CONVERSION in files and MARK in (Path(here) / CONVERSION).read_bytes():
            found.append(Path(here))
    return found


def renew(folder: Path, load: Load) -> Renewal:
    """What a converted folder lacks of what its source becomes today.

    What the user has edited counts as up to date as long as it was made from the same source.

    Args:
        folder: the converted folder.
        load: gives the steps and the rules that refuse, with those of TOML files and of what is said of a script.

    Raises:
        UserError: the source is not there, or can no longer be converted.
    """
    recorded = read_conversion(folder)
    entry = _source(folder, recorded)
    try:
        outcome = _converted(folder, recorded, entry, load)
    except UserError as error:
        raise UserError(
            f"{folder} cannot be renewed with what was chosen for it: {error}\n    convert anew what the script has "
            f"become, with {_apply(entry, folder)}"
        ) from None
    if outcome.files is None:
        raise UserError(f"{folder}: {refusal_text(entry.name, [*outcome.refusals, *outcome.needs])}")
    fresh = json.loads(outcome.files[CONVERSION])
    changed = {name: outcome.files[name] for name in _changed(folder, recorded, fresh)}
    stale = tuple(name for name in recorded["files"] if name not in fresh["files"])
    return Renewal(folder, entry, changed, outcome.modes or {}, stale)


def with_arguments(folder: Path, words: Sequence[str], load: Load) -> dict[str, Any]:
    """What ``conversion.json`` says where the script is given other arguments: they may name its files, or set what
    the model is built of.

    Args:
        folder: the converted folder.
        words: the arguments, one item per word; a command that the script needs is added to them.
        load: as for :func:`renew`.

    Raises:
        UserError: the source is not there, does not start with them, or becomes another client.
    """
    recorded = read_conversion(folder)
    entry = _source(folder, recorded)
    chosen = {**recorded, "job": {**recorded.get("job", {}), "script_arguments": list(words)}}
    outcome = _converted(folder, chosen, entry, load)
    if outcome.files is None:
        raise UserError(refusal_text(entry.name, [*outcome.refusals, *outcome.needs]))
    fresh = json.loads(outcome.files[CONVERSION])
    others = sorted({*_changed(folder, recorded, fresh)} - {JOB, CONVERSION})
    if others:
        given = " ".join(f"--arg={shlex.quote(word)}" for word in words)
        raise UserError(
            f"with these arguments {entry.name} becomes another {', '.join(others)}: convert it anew, with "
            f"{_apply(entry, folder)} {given}"
        )
    return fresh


def _source(folder: Path, recorded: Mapping[str, Any]) -> Path:
    """The script that a folder was made from. Raises UserError where it is not there."""
    entry = folder / recorded["source"]["root"] / recorded["source"]["entry"]
    if not entry.is_file():
        raise UserError(f"{folder}: its source {os.path.normpath(entry)} does not exist; delete the folder, or move it")
    return entry


def _converted(folder: Path, recorded: Mapping[str, Any], entry: Path, load: Load) -> Outcome:
    """What a script becomes, with the options that are recorded. Raises UserError where these do not fit it."""
    options, job = recorded.get("options", {}), recorded.get("job", {})
    steps, blockers = load([folder / name for name in options.get("rules", ())], entry)
    words = tuple(job.get("script_arguments") or ())
    facts = gather(Project(entry.resolve()), ProgramChoices(options.get("model"), options.get("loop"), words))
    recipe, starts = recorded.get("recipe", "fedavg-pt"), options.get("initial_ckpt", False)
    choices = Choices(options.get("model_args", {}), recipe, starts)
    chosen = select(steps, options.get("only", ()), options.get("skip", ()))
    return build(facts, chosen, blockers, folder.resolve(), choices, job, options, steps)


def _apply(entry: Path, folder: Path) -> str:
    """The command that converts a script anew."""
    source, out = shlex.quote(os.path.normpath(entry)), shlex.quote(str(folder))
    return f"python -m codemods apply {source} --out {out} --force"


def _changed(folder: Path, recorded: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterator[str]:
    """The files that are made otherwise than they were, or missing; the record last."""
    for name, checksum in fresh["files"].items():
        if recorded["files"].get(name) != checksum or not (folder / name).is_file():
            yield name
    if recorded != fresh:
        yield CONVERSION


def write(renewal: Renewal, force: bool) -> None:
    """Write what has to be written. Raises UserError where somebody has edited that, unless it is forced."""
    atomic.finish(renewal.folder)
    guard(renewal.folder, compare(renewal.folder, renewal.files), force)
    atomic.write(renewal.folder, renewal.files, renewal.modes)


def as_text(renewal: Renewal, check: bool) -> str:
    """What was done, or has to be, for a person."""
    source = os.path.normpath(renewal.source)
    names = ", ".join(renewal.files)
    if not renewal.files:
        return f"{renewal.folder} is up to date with {source}"
    if check:
        remedy = f"run python -m codemods renew {shlex.quote(str(renewal.folder))}"
        return f"{renewal.folder} is out of date with {source}: {names}\n    {remedy}"
    stale = "".join(f"\n{renewal.folder / name} is no longer made; delete it" for name in renewal.stale)
    return f"{renewal.folder} is renewed from {source}: {names}{stale}"
