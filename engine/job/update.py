"""Change the job of a converted folder in place, around what the user has edited in ``job.py``."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from engine.configuration import CONVERSION
from engine.job.render import render
from engine.job.settings import fields_of
from engine.job.spec import JobSpec, job_spec, read_conversion
from engine.result import Place, UserError

JOB = "job.py"


def update_job(
    directory: Path,
    force: bool = False,
    without: Iterable[str] = (),
    anew: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, bytes]:
    """The files of a converted folder that a change of its job changes.

    Args:
        directory: the converted folder.
        force: whether edits of job.py that are in the way are given up.
        without: options that were chosen before and are taken back, such as ``stop-cond``.
        anew: what takes the place of ``conversion.json``, but for its job and its files.
        settings: fields of JobSpec; ``None`` leaves a field as it was chosen before.

    Returns:
        New content of ``job.py`` and ``conversion.json``; nothing is written.

    Raises:
        UserError: where a setting is not allowed, or an edit of the user stands where job.py has to change.
    """
    conversion = read_conversion(directory)
    chosen = {name: value for name, value in settings.items() if value is not None}
    dropped = {field for option in without for field in fields_of(option)}
    kept = {name: value for name, value in conversion.get("job", {}).items() if name not in dropped}
    changed = {**(anew or conversion), "job": {**kept, **chosen}}
    spec = job_spec(changed)
    if "num_clients" in chosen and spec.sites:
        raise UserError(f"the sites of this job are named, {', '.join(spec.sites)}: leave out --clients")
    _check_aggregator(Path(directory), spec)
    text = render(spec)
    changed["files"] = {**conversion.get("files", {}), JOB: _checksum(text)}
    current = None if force else _written(Path(directory) / JOB)
    if current is not None and _checksum(current) != conversion["files"].get(JOB):
        text = _around_edits(conversion, current, text)
    record = json.dumps(changed, indent=2, ensure_ascii=False) + "\n"
    return {JOB: text.encode(), CONVERSION: record.encode()}


def _written(path: Path) -> str | None:
    """The text of a file, None where there is none. Raises UserError where it is no text."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: --force writes it anew") from None


def _check_aggregator(directory: Path, spec: JobSpec) -> None:
    """Make sure that job.py will find the user's aggregator.

    Raises:
        UserError: where the module is neither in the folder nor installed, or has no such class.
    """
    if not spec.aggregator:
        return
    module, _, name = spec.aggregator.partition(":")
    path = directory / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        if not (directory / module.partition(".")[0]).is_dir() and importlib.util.find_spec(module.partition(".")[0]):
            return  # an installed package, which job.py imports
        raise UserError(f"{path} does not exist: put the module of the aggregator there")
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not valid Python: {error}") from None
    imported = [each.asname or each.name for node in body if isinstance(node, ast.ImportFrom) for each in node.names]
    if name not in [*imported, *(node.name for node in body if isinstance(node, ast.ClassDef))]:
        raise UserError(f"{path} has no class {name} for the aggregator")


def _around_edits(conversion: dict[str, Any], current: str, new: str) -> str:
    before = render(job_spec(conversion))
    if _checksum(before) != conversion["files"].get(JOB):
        raise UserError(f"{JOB} was edited, and written by another version of this tool: --force writes it anew")
    return merge(before, current, new)


def merge(before: str, current: str, new: str) -> str:
    """Apply to an edited text what has changed between the two texts it was not edited in.

    Args:
        before: the text as it was generated.
        current: the same text with edits.
        new: the text as it would be generated now.

    Returns:
        The edited text with the changes.

    Raises:
        UserError: where a change meets an edit.
    """
    old, edited, fresh = (text.splitlines(keepends=True) for text in (before, current, new))
    kept = SequenceMatcher(None, old, edited, autojunk=False).get_matching_blocks()
    for tag, start, end, new_start, new_end in reversed(
        SequenceMatcher(None, old, fresh, autojunk=False).get_opcodes()
    ):
        if tag == "equal":
            continue
        block = next((each for each in kept if each.a <= start and end <= each.a + each.size), None)
        if block is None:
            line = next((each.b + each.size for each in reversed(kept) if each.a <= start), 0) + 1
            raise UserError(
                f"the edit here stands where the job has to change: --force gives it up, or change it by hand to\n"
                f"{''.join(fresh[new_start:new_end])}",
                Place(JOB, line),
            )
        edited[block.b + start - block.a : block.b + end - block.a] = fresh[new_start:new_end]
    return "".join(edited)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
