"""The proofs: what `apply` wrote is the user's own training, federated. See docs/verify.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.verify.launch import Settings

if TYPE_CHECKING:
    from engine.verify.report import Report


def verify(directory: Path, settings: Settings | None = None, announce: Callable[[str], None] | None = None) -> Report:
    """Prove a conversion; for the command line.

    As `engine.verify.run.verify`, but the process that the scripts are forked from loads torch while this one does.

    Raises:
        UserError: the folder is no conversion, or its original cannot be run or observed here.
    """
    from engine.verify.conversion import read_conversion
    from engine.verify.processes import load_ahead

    load_ahead(read_conversion(directory).directory)
    from engine.verify import run

    return run.verify(directory, settings, announce=announce)
