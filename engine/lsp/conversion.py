"""The conversion of a script as the editor shows it: what ``apply`` would write, or why it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.findings import facts_of
from engine.lsp import Tools
from engine.lsp.analysis import Texts, reader
from engine.result import Result, UserError

JOB_SETTINGS = {"clients": "num_clients", "rounds": "num_rounds", "local_epochs": "local_epochs"}


@dataclass(frozen=True)
class File:
    """A file to be written.

    Attributes:
        path: where.
        old: its text as it is, ``None`` where there is no such file.
        new: its text as it shall be.
    """

    path: Path
    old: str | None
    new: str


@dataclass(frozen=True)
class Converted:
    """What a script becomes.

    Attributes:
        files: those to be written; none where all are up to date.
        notes: what was decided for the person, and what is left out, a sentence each.
    """

    files: list[File]
    notes: list[str]


def convert(path: Path, texts: Texts, tools: Tools) -> Converted:
    """What converting a script writes, beside it in ``federated``.

    Args:
        path: the script.
        texts: what the editor shows.
        tools: the steps and the rules that refuse.

    Raises:
        UserError: the script is refused, a value is needed, or a file is in the way; says which rule, where, and the
            remedy.
    """
    from engine import output
    from engine.apply import build
    from engine.apply_report import judgements
    from engine.configuration import Configuration
    from engine.plan import Choices

    if not path.is_file():
        raise UserError(f"{path} is not on disk; save it there and convert it again")
    facts = facts_of(path.resolve(), reader(texts))
    folder = facts.project.entry.path.parent / "federated"
    usual = Configuration().of(facts.project.entry.path).apply
    settings = {field: usual.get(name) for name, field in JOB_SETTINGS.items()}
    outcome = build(facts, tools.steps, tools.blockers, folder, Choices(), settings, everything=tools.steps)
    if outcome.files is None:
        raise UserError(refusal(path.name, [*outcome.refusals, *outcome.needs]))
    comparison = output.compare(folder, outcome.files)
    output.guard(folder, comparison, force=False)
    files = [_file(folder / name, content, texts) for name, content in comparison.changed.items()]
    notes = [f"{label}: {text}" + f" (otherwise: {other})" * bool(other) for label, text, other in judgements(outcome)]
    return Converted(files, notes)


def refusal(name: str, results: list[Result]) -> str:
    """Why a script is not converted: each rule with its line and remedy."""
    reasons = [f"{each.place}: {each.code} {each.name}: {each.message} Remedy: {each.remedy}" for each in results]
    return "\n".join([f"{name} is not converted.", *reasons])


def _file(path: Path, content: bytes, texts: Mapping[Path, str]) -> File:
    """What becomes of one file. Raises UserError where it is not UTF-8, or the editor shows it with unsaved changes."""
    try:
        new = content.decode()
        old = path.read_bytes().decode() if path.is_file() else None
    except UnicodeDecodeError:
        raise UserError(
            f"{path.name} is not in UTF-8, which is what an editor makes; run python -m codemods apply instead"
        ) from None
    shown = texts.get(path, old)
    if shown != old:
        raise UserError(f"{path} has changes that are not saved; save or close it and try again")
    return File(path, old, new)
