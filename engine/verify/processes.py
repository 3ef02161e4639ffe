"""Child processes with an end: started cheaply, spoken to with a time limit, ended with all their descendants."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any

import psutil

from engine.verify.harness import ENVIRONMENT, Launch

LAST_LINES = 8
PRELOADED = ("torch", "torch._dynamo", "nvflare.client", "nvflare.app_common.executors.task_script_runner")
"""What takes long to import (an optimizer loads `torch._dynamo`); the fork server sees installed packages alone."""


class ChildError(Exception):
    """A child process that broke off, said in one sentence with the end of its output.

    Attributes:
        hangs: it ran past its time limit.
    """

    def __init__(self, message: str, hangs: bool = False) -> None:
        super().__init__(message)
        self.hangs = hangs


@functools.cache
def _context() -> BaseContext:
    """A fork server that has torch and FLARE loaded; a fresh interpreter per process where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


class Child:
    """One child process; use it in a `with` statement, which ends it.

    Args:
        target: one of the functions of `engine.verify.harness`.
        launch: what it runs.
        seconds: its time limit, from now until it has answered everything.

    Raises:
        ChildError: from `send`, `receive` and `ask`: it ended or ran past its limit.
    """

    def __init__(self, target: Callable[..., None], launch: Launch, seconds: float) -> None:
        self._launch = launch
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._connection, theirs = multiprocessing.Pipe()
        self._process = _context().Process(target=target, args=(theirs, launch))
        with _environment():
            self._process.start()
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        end_tree(self._process.pid)
        self._process.join()

    def send(self, message: Any) -> None:
        """Give it a message."""
        try:
            self._connection.send_bytes(pickle.dumps(message))
        except OSError as error:
            raise ChildError(self._ended()) from error

    def receive(self) -> Any:
        """Wait for its next message."""
        try:
            if self._connection.poll(max(0.0, self._deadline - time.monotonic())):
                return pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise ChildError(self._ended()) from error
        message = f"no answer within {self._seconds:g} s (--time-limit); its last output: {self.output()}"
        raise ChildError(message, hangs=True)

    def ask(self, message: Any) -> Any:
        """Give it a message and wait for the answer."""
        self.send(message)
        return self.receive()

    def output(self) -> str:
        """The last lines of what it printed."""
        log = self._launch.log
        return tail(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else ""

    def _ended(self) -> str:
        self._process.join(1)
        return f"the process ended early (exit code {self._process.exitcode}); its last output: {self.output()}"


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """What the fork server's own libraries read when they are loaded: one thread each."""
    before = dict(os.environ)
    os.environ |= ENVIRONMENT
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def end_tree(pid: int | None) -> None:
    """Kill a process that leads a session, all of its session and all its descendants, and wait until they are gone."""
    if not pid:
        return
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        family = [*top.children(recursive=True), top]
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=5)


def tail(text: str) -> str:
    """The end of a log or traceback, for a message."""
    return "\n".join(text.rstrip().splitlines()[-LAST_LINES:])
