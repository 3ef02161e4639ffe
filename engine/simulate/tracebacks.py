"""The user's own errors in the logs of FLARE: which site, which exception, which line of the client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - (?:.*? - )?(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) - ")
HEADING = "Traceback (most recent call last):"
FRAME = re.compile(r'^ *File "(?P<path>[^"]+)", line (?P<line>\d+)(?:,? in (?P<function>.+))?$')
IN_JOB = re.compile(r"(?:/(?P<site>[^/]+)/[^/]+/app_[^/]+/|^)custom/(?P<file>.+)$")


@dataclass(frozen=True)
class Traceback:
    """Where and why the code of a job stopped.

    Attributes:
        site: site it ran at; empty where the log does not tell.
        error: last line of the traceback, such as ``ValueError: negative dimension``; empty for a place where the
            program stood when it was stopped.
        file: file of the job, such as ``client.py``; empty where none of its files takes part.
        line: 1-based line in it.
    """

    site: str
    error: str
    file: str
    line: int


def tracebacks(log: str, site: str = "") -> list[Traceback]:
    """The tracebacks of a log in which a file of the job takes part, each with its innermost such frame.

    Args:
        log: text of a log of FLARE, or of the output of the simulator.
        site: the site it belongs to; read from the paths in it otherwise.
    """
    found = [_traceback(block, site) for block in _blocks(log)]
    return [traceback for traceback in found if traceback.file]


def standing(output: str) -> dict[str, Traceback]:
    """Where every site stood when it was aborted, from what Python's fault handler wrote."""
    places: dict[str, Traceback] = {}
    for line in output.splitlines():
        frame = FRAME.match(line)
        place = frame and ", in " not in line and IN_JOB.search(frame["path"])
        if frame and place and place["site"]:  # innermost first
            places.setdefault(place["site"], Traceback(place["site"], "", place["file"], int(frame["line"])))
    return places


def _blocks(log: str) -> Iterator[list[str]]:
    """The lines of every traceback, up to the exception and what it says on further lines."""
    block: list[str] = []
    for raw in log.splitlines():
        line = LOG_PREFIX.sub("", raw)
        if line.endswith(HEADING):
            if block:
                yield block
            block = [HEADING]
        elif block:
            complete = not block[-1].startswith((" ", HEADING))
            if complete and not line.startswith(("\t", "    ")):
                yield block
                block = []
            else:
                block.append(line)
    if block:
        yield block


def _traceback(block: list[str], site: str) -> Traceback:
    file, number = "", 0
    for line in block:
        frame = FRAME.match(line)
        place = frame and IN_JOB.search(frame["path"])
        if frame and place:
            site, file, number = place["site"] or site, place["file"], int(frame["line"])
    error = [line for line in block if not line.startswith(" ") and line != HEADING]
    return Traceback(site, " ".join(line.strip() for line in error if line.strip()), file, number)
