"""Child processes with an end: started cheaply, spoken to with a time limit, ended with all their descendants."""

from __future__ import annotations

import ast
import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import psutil

from engine.verify.launch import ENVIRONMENT, Launch

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

LAST_LINES = 8
PRELOADED = ("torch", "torch._dynamo", "nvflare.client", "nvflare.app_common.executors.task_script_runner")
"""What takes long to import (an optimizer loads `torch._dynamo`); the fork server sees installed packages alone."""
PRELOADED_IF_USED = frozenset({"pandas", "scipy", "sklearn", "torchaudio", "torchvision"})
"""What a script may import that takes long and does nothing but define things."""


class ChildError(Exception):
    """A child process that broke off, said in one sentence with the end of its output.

    Attributes:
        hangs: it ran past its time limit.
    """

    def __init__(self, message: str, hangs: bool = False) -> None:
        super().__init__(message)
        self.hangs = hangs


@functools.cache
def _context() -> ForkServerContext | SpawnContext:
    """Processes are forked from a server that has loaded what they need, or started afresh where there is none."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def load_ahead(code: Path) -> None:
    """Start the fork server, with what all children need and what the scripts of a folder import; once per process.

    Args:
        code: the folder of the converted scripts.
    """
    context = _context()
    if context.get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver  # it cannot be imported on every system

    context.set_forkserver_preload([*PRELOADED, *sorted(_slow_imports(code))])
    before = dict(os.environ)
    os.environ |= ENVIRONMENT  # which libraries read when they are loaded: one thread each
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _slow_imports(code: Path) -> set[str]:
    """The modules of `PRELOADED_IF_USED` that scripts import, under their full names."""
    names: set[str] = set()
    for path in code.rglob("*.py"):
        try:
            nodes = ast.walk(ast.parse(path.read_bytes()))
        except SyntaxError:
            continue  # said when it is run
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] in PRELOADED_IF_USED}


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
