"""The same work on many things, by several processes, with the results in the order of the things."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST = 4  # each process takes memory
CHUNK = 16
START = "fork" if sys.platform == "linux" else "spawn"  # a fork has all that was imported before
_work: Callable[[Any], Any]


def processes() -> int:
    """How many processes are worth while: one for each processor that may be used, up to `MOST`."""
    return min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def ordered(
    work: Callable[[Item], Answer], items: Sequence[Item], jobs: int, lost: Callable[[Item], Answer]
) -> Iterator[Answer]:
    """What the work gives for each thing, in their order.

    Args:
        work: the work; pickled where processes are not forked.
        items: the things.
        jobs: number of processes; with one, or few things, all is done in this one.
        lost: the answer where a process died over a thing.
    """
    jobs = min(jobs, len(items) // CHUNK)
    if jobs < 2:
        yield from map(work, items)
        return
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    with _pool(work, jobs) as pool:
        try:
            futures = [pool.submit(_each, chunk) for chunk in chunks]
            for chunk, future in zip(chunks, futures, strict=True):
                try:
                    yield from future.result()
                except BrokenProcessPool:
                    yield from _again(work, chunk, lost)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _again(work: Callable[[Item], Answer], items: Sequence[Item], lost: Callable[[Item], Answer]) -> list[Answer]:
    """The answers after a process died, which may have been over any thing: in a process of their own, then halved."""
    with _pool(work, 1) as pool:
        try:
            return pool.submit(_each, items).result()
        except BrokenProcessPool:
            middle = len(items) // 2
    return [*_again(work, items[:middle], lost), *_again(work, items[middle:], lost)] if middle else [lost(items[0])]


def _pool(work: Callable[[Any], Any], jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, multiprocessing.get_context(START), _begin, (work,))


def _begin(work: Callable[[Any], Any]) -> None:
    """Start a process of a pool. Ctrl-C ends it at once; the one that waits for it says so."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _each(items: Sequence[Any]) -> list[Any]:
    return [_work(item) for item in items]
