"""A command that ends with everything it started, whatever sessions its descendants opened."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "FLARE_CODEMODS_RUN"  # inherited by every descendant, however far it detaches itself
GRACE = 3.0  # seconds between asking a process to end and ending it
ABORT_GRACE = 10.0  # seconds that Python's fault handler is given to write where a process stands


@dataclass(frozen=True)
class Finished:
    """How a command ended.

    Attributes:
        return_code: its exit code; ``None`` where it ran into the time limit.
        output: what it wrote, standard error included.
        seconds: how long it ran.
    """

    return_code: int | None
    output: str
    seconds: float

    @property
    def timed_out(self) -> bool:
        """True where the time limit ended it."""
        return self.return_code is None


class ProcessTree:
    """Commands, of which nothing is left when the ``with`` statement ends: by itself, by an error, Ctrl-C or SIGTERM.

    Args:
        environment: complete environment of the commands.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self._environment = {**environment, MARK: self._mark, "PYTHONFAULTHANDLER": "1"}
        self._stack = ExitStack()

    def __enter__(self) -> ProcessTree:
        self._stack.enter_context(_terminated_as_exception())
        self._stack.callback(_end, self._mark)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(
        self,
        command: Sequence[str],
        cwd: Path,
        time_limit: float | None,
        on_line: Callable[[str], bool] = lambda line: False,
    ) -> Finished:
        """Run a command to its end; what it leaves running goes on.

        At the time limit the processes of the tree are stopped and get SIGABRT, one after another, upon which Python's
        fault handler writes where each stands. It writes a line in pieces, so that two at a time would mix theirs.

        Args:
            command: program and arguments.
            cwd: working directory.
            time_limit: seconds, ``None`` for no limit.
            on_line: called with every line of output as it comes; returns True where it is no use to go on.

        Returns:
            Exit code and output.
        """
        started = time.monotonic()
        lines: list[str] = []
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        _no_core_files(process.pid)
        output = _Output(process)
        for line in output.until(started + time_limit if time_limit else None):
            lines.append(line)
            if on_line(line):
                process.terminate()
        return_code = None if output.timed_out else process.wait()
        if output.timed_out:
            _abort(self._mark)
            lines += output.rest()
        return Finished(return_code, "".join(lines), time.monotonic() - started)


class _Output:
    """The lines of a process, read by a thread so that waiting for them can end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.timed_out = False
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, deadline: float | None) -> Iterator[str]:
        """Lines until the process itself has ended or the deadline has passed."""
        while True:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                if self._process.poll() is not None:
                    return  # a descendant may still hold the other end of the pipe
                line = ""
            if line is None:
                self._process.wait()
                return
            if line:
                yield line
            if deadline and time.monotonic() > deadline:
                self.timed_out = True
                return

    def rest(self) -> Iterator[str]:
        """The lines that have been written and not been read."""
        with suppress(queue.Empty):
            while line := self._lines.get(timeout=ABORT_GRACE):
                yield line


@contextmanager
def _terminated_as_exception() -> Iterator[None]:
    """SIGTERM unwinds the stack like Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _no_core_files(pid: int) -> None:
    if hasattr(psutil.Process, "rlimit"):
        with suppress(psutil.Error):
            psutil.Process(pid).rlimit(psutil.RLIMIT_CORE, (0, 0))


def _descendants(mark: str) -> list[psutil.Process]:
    """Every living process that has inherited the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if marked and process.pid != os.getpid():
            found.append(process)
    return found


def _abort(mark: str) -> None:
    """Have every process with the mark say where it stands and end, the others standing still meanwhile."""
    stopped: dict[int, psutil.Process] = {}
    while new := [process for process in _descendants(mark) if process.pid not in stopped]:
        for process in new:
            stopped[process.pid] = process
            with suppress(psutil.Error):
                process.suspend()
    for process in stopped.values():
        with suppress(psutil.Error):
            process.send_signal(signal.SIGABRT)
            process.resume()
            _wait(process, ABORT_GRACE)
            process.kill()


def _wait(process: psutil.Process, limit: float) -> None:
    """Wait for a process to end; a zombie has, whether or not its parent, which may be stopped, has taken note."""
    deadline = time.monotonic() + limit
    while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)


def _end(mark: str) -> None:
    """End every process with the mark: first asked, then forced, until none is left."""
    remaining = _descendants(mark)
    for process in remaining:
        with suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(remaining, timeout=GRACE)
    while remaining := _descendants(mark):
        for process in remaining:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(remaining, timeout=GRACE)
