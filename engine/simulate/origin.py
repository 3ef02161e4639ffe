"""The line of the training project that a line of the converted client was."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from engine.job.spec import CLIENT
from engine.result import Place


def original_place(directory: Path, conversion: dict[str, Any], file: str, line: int) -> Place | None:
    """Where a line of a converted folder stands in the source project.

    Args:
        directory: the converted folder.
        conversion: content of its ``conversion.json``.
        file: file in it.
        line: 1-based line.

    Returns:
        File, relative to the source project, and line; ``None`` for a line that the tool wrote.
    """
    name = conversion["source"]["entry"] if file == CLIENT else file
    source, converted = directory / conversion["source"]["root"] / name, directory / file
    if not (source.is_file() and converted.is_file()):
        return None
    before, after = (_stripped(path) for path in (source, converted))
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        if block.b <= line - 1 < block.b + block.size:
            return Place(name, block.a + line - block.b)
    return None


def _stripped(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
