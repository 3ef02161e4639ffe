"""Scratch copies, so that neither script writes where the user works.

All of a project is copied, since a script may overwrite any file of it. Only its data, which `conversion.json` names,
is linked where it is large.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

LARGE_FILE = 16 * 2**20
"""Data files above this many bytes are linked."""
CROWDED_FOLDER = 2000
"""Folders of data with more entries than this are linked as a whole."""
LEFT_OUT = frozenset({".git", ".hg", "__pycache__", "node_modules", ".tox", ".mypy_cache", ".pytest_cache"})


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
    copy = scratch.joinpath(*root.parts[max(1, len(root.parts) - climbs - 1) :])
    for path in data:
        source, target = (root / path).resolve(), Path(os.path.normpath(copy / path))
        if not os.path.isabs(path) and source.exists() and not root.is_relative_to(source):
            _mirror(source, target, leave_out, link_large=True)
    _mirror(root, copy, leave_out)
    return copy


def _mirror(source: Path, target: Path, leave_out: Collection[Path], link_large: bool = False) -> None:
    """Copy a file or folder, unless its target is there; links to folders stay links."""
    if source.is_dir():
        _mirror_folder(source, target, leave_out, link_large)
    elif source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if link_large and source.stat().st_size > LARGE_FILE:
            target.symlink_to(source.resolve())
        else:
            shutil.copy2(source, target)


def _mirror_folder(source: Path, target: Path, leave_out: Collection[Path], link_large: bool) -> None:
    entries = sorted(os.listdir(source))
    if target.is_symlink() or "pyvenv.cfg" in entries:
        return
    if source.is_symlink() or (link_large and len(entries) > CROWDED_FOLDER):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.resolve(), target_is_directory=True)
        return
    target.mkdir(parents=True, exist_ok=True)
    for name in entries:
        if name not in LEFT_OUT and (source / name).resolve() not in leave_out:
            _mirror(source / name, target / name, leave_out, link_large)
