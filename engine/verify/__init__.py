"""The proofs: what `apply` wrote is the user's own training, federated. See docs/verify.md."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.verify.launch import Settings

if TYPE_CHECKING:
    from engine.verify.report import Report


def verify(directory: Path, settings: Settings | None = None, announce: Callable[[str], None] | None = None) -> Report:
    """Prove a conversion; for the command line.

    As `engine.verify.run.verify`, but torch is loaded only by the process that the scripts are forked from, where they
    can be.

    Raises:
        UserError: the folder is no conversion, or its original cannot be run or observed here.
    """
    started = time.monotonic()
    from engine.result import UserError
    from engine.verify.conversion import read_conversion

    conversion = read_conversion(directory)
    if any(importlib.util.find_spec(name) is None for name in ("nvflare", "psutil", "torch")):
        raise UserError("the proofs need NVFLARE and torch: pip install 'flare-codemods[flare]'")
    from engine.verify.judge import judged
    from engine.verify.processes import load_ahead

    report = judged(directory, settings, announce) if load_ahead(conversion.directory) else None
    if report is None:
        from engine.verify import run

        report = run.verify(directory, settings, announce=announce)
    return dataclasses.replace(report, seconds=time.monotonic() - started)
