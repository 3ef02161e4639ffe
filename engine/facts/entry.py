"""Which script of a folder trains."""

from __future__ import annotations

from pathlib import Path

from engine.facts.arrays import array_trainings
from engine.facts.interpreter import Interpreter
from engine.facts.once import training_once
from engine.facts.training import training_loops
from engine.result import UserError
from engine.source import Project

SKIPPED_FOLDERS = {
    "federated", "build", "dist", "node_modules", "__pycache__", "venv", "site-packages", "tests", "test", "docs",
}  # fmt: skip
MOST_SCRIPTS = 40


def find_entry(path: Path) -> Path:
    """The training script a path means: the file itself, or the one script of a folder that trains when it is run.

    Raises:
        UserError: nothing there, no training script, or more than one.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; give the path of a training script or of its folder")
    if path.is_file():
        return path
    found = _training_scripts(sorted(path.glob("*.py")))
    if not found:
        below = (file for file in sorted(path.rglob("*.py")) if file.parent != path)
        found = _training_scripts([file for file in below if not _is_skipped(file.relative_to(path))])
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{path} holds no script that trains; give the path of the training script")
    names = ", ".join(file.relative_to(path).as_posix() for file in found)
    raise UserError(f"{path} holds several training scripts ({names}); choose one with --entry")


def _is_skipped(file: Path) -> bool:
    """True for a file in a folder that holds no scripts of the project's own."""
    return any(part in SKIPPED_FOLDERS or part.startswith(".") for part in file.parts)


def _training_scripts(files: list[Path]) -> list[Path]:
    """The files that train when they are run; one that only imports another of them is left out."""
    loops = {file: _loop_files(file) for file in files[:MOST_SCRIPTS]}
    training = {file for file, found in loops.items() if found}
    return [file for file in files if file in training and not (loops[file] & training) - {file}]


def _loop_files(file: Path) -> set[Path]:
    """The files that hold the epoch loops a script comes to; none where it cannot be read."""
    try:
        trace = Interpreter(Project(file)).run()
    except UserError:
        return set()
    found = training_loops(trace) or [training.loop for training in array_trainings(trace) if training.arrays]
    once = None if found else training_once(trace)
    return {loop.epoch.scope.file.path for loop in found} | ({once.scope.file.path} if once is not None else set())
