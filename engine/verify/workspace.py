"""Scratch copies, so that neither script writes where the user works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

LARGE_FILE = 16 * 2**20
"""Files above this many bytes are data in practice: linked, not copied."""
CROWDED_FOLDER = 2000
"""Folders with more entries than this are linked as a whole."""
LEFT_OUT = frozenset({".git", ".hg", "__pycache__", ".venv", "venv", "node_modules", ".tox", ".mypy_cache"})


def mirror(source: Path, target: Path, leave_out: Collection[Path] = ()) -> None:
    """Copy a file or folder to a scratch place; large files and crowded folders become links.

    Args:
        source: what to copy.
        target: where to; its parents are made.
        leave_out: resolved paths that are not copied.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        _mirror_folder(source, target, leave_out)
    elif source.stat().st_size > LARGE_FILE:
        target.symlink_to(source)
    else:
        shutil.copy2(source, target)


def _mirror_folder(source: Path, target: Path, leave_out: Collection[Path]) -> None:
    entries = list(os.scandir(source))
    if len(entries) > CROWDED_FOLDER:
        target.symlink_to(source, target_is_directory=True)
        return
    target.mkdir(exist_ok=True)
    for entry in entries:
        path = Path(entry.path)
        if entry.name in LEFT_OUT or path.resolve() in leave_out or (target / entry.name).exists():
            continue
        if entry.is_dir() or entry.is_file():
            mirror(path, target / entry.name, leave_out)


def mirror_project(root: Path, data: Collection[str], scratch: Path, leave_out: Collection[Path] = ()) -> Path:
    """Copy a project so that its relative data paths resolve in the copy, also those that climb out of it.

    Args:
        root: root of the project.
        data: paths of its data relative to ``root``; absolute ones stay where they are.
        scratch: an empty folder.
        leave_out: resolved paths that are not copied.

    Returns:
        The root of the copy.
    """
    climbs = max((Path(os.path.normpath(path)).parts.count("..") for path in data), default=0)
    names = root.parts[max(1, len(root.parts) - climbs - 1) :]
    copy = scratch.joinpath(*names)
    mirror(root, copy, leave_out)
    for path in data:
        target = Path(os.path.normpath(copy / path))
        if not os.path.isabs(path) and (root / path).exists() and not target.exists():
            mirror((root / path).resolve(), target, leave_out)
    return copy
