"""Change the job of a converted folder in place, around what the user has edited in ``job.py``."""

from __future__ import annotations

import hashlib
import json
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from engine.configuration import CONVERSION
from engine.job.render import render
from engine.job.spec import job_spec, read_conversion
from engine.result import Place, UserError

JOB = "job.py"


def update_job(directory: Path, force: bool = False, **settings: Any) -> dict[str, bytes]:
    """The files of a converted folder that a change of its job changes.

    Args:
        directory: the converted folder.
        force: whether edits of job.py that are in the way are given up.
        settings: fields of JobSpec; ``None`` leaves a field as it was chosen before.

    Returns:
        New content of ``job.py`` and ``conversion.json``; nothing is written.

    Raises:
        UserError: where a setting is not allowed, or an edit of the user stands where job.py has to change.
    """
    conversion = read_conversion(directory)
    chosen = {name: value for name, value in settings.items() if value is not None}
    changed = {**conversion, "job": {**conversion.get("job", {}), **chosen}}
    text = render(job_spec(changed))
    changed["files"] = {**conversion.get("files", {}), JOB: _checksum(text)}
    path = Path(directory) / JOB
    current = path.read_text(encoding="utf-8") if path.is_file() else None
    if current is not None and not force and _checksum(current) != conversion["files"].get(JOB):
        text = _around_edits(conversion, current, text)
    record = json.dumps(changed, indent=2, ensure_ascii=False) + "\n"
    return {JOB: text.encode(), CONVERSION: record.encode()}


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
