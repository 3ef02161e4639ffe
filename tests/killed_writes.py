"""Writes sets of files in processes of its own and kills these on the way; prints as JSON what was found afterwards.

usage: python killed_writes.py FOLDER at-every-call|at-random-moments|two-at-once
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine import atomic

NAMES = ("client.py", "nets/small.py", "nets/deep/large.py", "job.py", "conversion.json")
OLD, NEW = ({name: f"{kind} {name}\n".encode() * 500 for name in NAMES} for kind in ("old", "new"))
CALLS = ("mkdir", "rmdir", "rename", "replace", "fsync", "unlink", "chmod", "open", "scandir")


def child(task: Callable[[], None]) -> int:
    """Start a process that does a task; its id."""
    process = os.fork()
    if process == 0:
        try:
            task()
        finally:
            os._exit(0)
    return process


def killed(process: int) -> bool:
    """Wait for a process; whether it was killed."""
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def die_at(count: int) -> None:
    """From now on this process is killed at its count-th call that reaches the file system."""
    done = 0

    def deadly(function):
        def call(*arguments, **options):
            nonlocal done
            done += 1
            if done == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def state(folder: Path) -> str:
    """Which of the sets lies in a folder: ``none``, ``old``, ``new``, or else ``mixed``."""
    if not folder.exists():
        return "none"
    found = {name: (folder / name).read_bytes() for name in NAMES if (folder / name).is_file()}
    return "old" if found == OLD else "new" if found == NEW else "none" if not found else "mixed"


def outcome(folder: Path) -> dict[str, object]:
    """What a killed process left, at once and after the next run has looked at it."""
    pending = (folder / atomic.PENDING).exists()
    left = state(folder)
    atomic.finish(folder)
    return {
        "left": left,
        "pending": pending,
        "finished": state(folder),
        "pending_after": (folder / atomic.PENDING).exists(),
    }


def at_every_call(folder: Path) -> Iterator[dict[str, object]]:
    """Kill the write of a new set and the replacement of an old one before every single call."""
    for before in (None, OLD):
        for count in range(1, 1000):
            shutil.rmtree(folder, ignore_errors=True)
            if before:
                atomic.write(folder, before)

            def task(count: int = count) -> None:
                die_at(count)
                atomic.write(folder, NEW)

            if not killed(child(task)):
                break
            yield {"before": "old" if before else "none", **outcome(folder)}


def at_random_moments(folder: Path) -> Iterator[dict[str, object]]:
    """Kill a process that writes one set after the other."""
    chance = random.Random(0)

    def task() -> None:
        while True:
            atomic.write(folder, OLD)
            atomic.write(folder, NEW)

    for _ in range(50):
        process = child(task)
        time.sleep(chance.uniform(0.0, 0.06))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        yield {"before": "any", **outcome(folder)}


def two_at_once(folder: Path) -> Iterator[dict[str, object]]:
    """Let two processes write different sets to the same place."""

    def task(files: dict[str, bytes]) -> None:
        for _ in range(10):
            atomic.write(folder, files)

    for _ in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        for process in [child(lambda: task(OLD)), child(lambda: task(NEW))]:
            os.waitpid(process, 0)
        yield {"before": "none", **outcome(folder)}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    kinds = {"at-every-call": at_every_call, "at-random-moments": at_random_moments, "two-at-once": two_at_once}
    print(json.dumps(list(kinds[sys.argv[2]](place))))
