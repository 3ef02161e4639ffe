"""Write a set of files so that all of them appear or none, even when the process is killed on the way.

The set is written to a folder of its own first. Where the target folder does not exist, that one is renamed to it;
where it does, the set is renamed to ``PENDING`` inside it: from then on the write counts, and its files are moved to
their places. What a killed process leaves there the next one moves (`finish`); two at once help each other like this.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from engine.result import UserError

PENDING = ".flare-codemods-pending"
STAGED = ".flare-codemods-staged-"
ABANDONED = 3600.0  # seconds after which what a killed process has staged is removed
ATTEMPTS = 100


def write(folder: Path, files: Mapping[str, bytes], modes: Mapping[str, int] | None = None) -> None:
    """Write all files or none.

    Args:
        folder: where to; made where it does not exist.
        files: content by path in the folder. The last one is put in its place last.
        modes: permissions of files that do not exist yet, where they are not the usual ones.

    Raises:
        UserError: the folder cannot be written to, or a file of it would lie elsewhere.
    """
    if not files:
        return
    fresh = not folder.exists()
    home = folder.parent if fresh else folder
    staged = home / f"{STAGED}{os.urandom(16).hex()}"
    made: list[Path] = []
    try:
        finish(folder)
        _refuse_links(folder, files)
        _sweep(home)
        _make(home, made)
        _stage(staged, folder, files, modes or {})
        for name in files if not fresh else ():
            _make((folder / name).parent, made)
            _refuse_unwritable(folder / name)
        _commit(staged, folder)
    except BaseException as error:
        shutil.rmtree(staged, ignore_errors=True)
        for path in sorted(made, reverse=True):
            with suppress(OSError):
                path.rmdir()
        if isinstance(error, OSError):
            raise UserError(f"{folder} cannot be written to ({error.strerror}); nothing was written") from None
        raise
    try:
        finish(folder, list(files))
    except OSError as error:
        reason = f"{folder} is written in part ({error.strerror})"
        raise UserError(f"{reason}; mend that and run the command again, which completes it") from None


def finish(folder: Path, order: list[str] | None = None) -> None:
    """Put what a write left pending in its place; nothing where nothing is pending."""
    pending = folder / PENDING
    found = sorted(path.relative_to(pending).as_posix() for path in pending.rglob("*") if path.is_file())
    for name in sorted(found, key=lambda name: order.index(name) if order and name in order else -1):
        with suppress(FileNotFoundError):  # another process was faster
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(pending / name, folder / name)
    for path in sorted([*pending.rglob("*"), pending], reverse=True):
        with suppress(OSError):
            path.rmdir()


def _refuse_links(folder: Path, files: Mapping[str, bytes]) -> None:
    """Nothing is written to where a symbolic link leads out of the folder."""
    for name in files:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{name} leads out of {folder} by a symbolic link; nothing was written")


def _refuse_unwritable(target: Path) -> None:
    """What would stop a file from being moved to its place shows before any is."""
    if target.is_dir():
        raise IsADirectoryError(0, f"{target.name} is a folder there")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(0, f"{target.parent} is read-only")


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder with its parents, and note those that were not there."""
    made += [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)


def _stage(staged: Path, folder: Path, files: Mapping[str, bytes], modes: Mapping[str, int]) -> None:
    """Write the set to a folder of its own."""
    staged.mkdir()
    for name, content in files.items():
        path, target = staged / name, folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode & 0o777 if target.is_file() else modes.get(name)
        if mode is not None:
            path.chmod(mode)


def _commit(staged: Path, folder: Path) -> None:
    """Make the staged set the one that counts: the folder itself, or what is pending in it."""
    for attempt in range(ATTEMPTS):
        target = folder / PENDING if folder.exists() else folder
        try:
            os.rename(staged, target)
            return
        except OSError:
            if not target.exists() or attempt == ATTEMPTS - 1:
                raise
            finish(folder)  # another process was faster


def _sweep(home: Path) -> None:
    """Remove what processes that were killed long ago had staged."""
    for path in home.glob(f"{STAGED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path)
