"""Where the user runs the script, which is where its relative paths start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from engine.source import Project


def working_folder(project: Project, paths: Iterable[str]) -> Path:
    """The folder of the entry script, or that of the project where only from there what the script reads is found.

    Args:
        project: the training project.
        paths: what may be relative paths of data, as the script or its command line has them.
    """
    here, root = project.entry.path.parent, project.root
    relative = [path for path in paths if path and not os.path.isabs(path)]
    if any((here / path).exists() for path in relative) or not any((root / path).exists() for path in relative):
        return here
    return root
