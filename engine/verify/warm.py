"""A process that has loaded torch, NVFLARE and what the scripts import, and forks for each process of the proofs.

Loading takes seconds, a fork takes milliseconds. The process runs no script, and it forks only while it has one thread:
a fork has none of the others, and would wait for ever for a lock that one of them held.

Requests go over a socket that keeps messages apart, so that several processes may hold its end: each is one byte with
the file descriptors of the new process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import multiprocessing.connection
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

AVAILABLE = sys.platform == "linux"
"""Elsewhere system libraries may not survive a fork, or there is none."""
NUMBER = 8
"""Bytes of a process id or an exit code."""

_requests: socket.socket | None = None


class Fork:
    """One process that was forked; the part of `multiprocessing.Process` that is used of it.

    Attributes:
        pid: its id.
        connection: to speak to it.
        sentinel: readable when it has ended.
        exitcode: as of `multiprocessing.Process`; None until `join` has seen its end.
    """

    def __init__(self, pid: int, connection: Connection, sentinel: int) -> None:
        self.pid, self.connection, self.sentinel = pid, connection, sentinel
        self.exitcode: int | None = None

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        if self.exitcode is None and multiprocessing.connection.wait([self.sentinel], timeout):
            self.exitcode = _number(self.sentinel)

    def close(self) -> None:
        """Let go of it."""
        self.connection.close()
        os.close(self.sentinel)


def start(modules: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start the process; it loads while the caller goes on. Does nothing where there is one already.

    Args:
        modules: what it loads, by full name.
        environment: its environment variables, and those of its forks.
    """
    global _requests
    if _requests is not None:
        return
    _requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        given = f"{theirs.fileno()}, {list(modules)!r}"
        code = f"import sys; sys.path[:] = {_search_path()!r}; from engine.verify.warm import serve; serve({given})"
        options = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
        process = subprocess.Popen(
            [sys.executable, *options, "-c", code],
            stdin=subprocess.DEVNULL, env=dict(environment), pass_fds=[theirs.fileno()],
        )  # fmt: skip
    atexit.register(_end, process, os.getpid())


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    global _requests
    if _requests is not None and os.getpid() == owner:
        _requests.close()
        _requests = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


def _search_path() -> list[str]:
    """Where this process finds modules, but for the folder that it stands in; and this tool."""
    tool = str(Path(__file__).resolve().parents[2])
    places = [place for place in sys.path if place and (place == tool or Path(place) != Path.cwd())]
    return places if tool in places else [*places, tool]


def fork(function: Callable[..., None], *arguments: object, heir: bool = False) -> Fork | None:
    """Call a function in a fork of the process, with its connection and these arguments.

    Args:
        function: found by its name in its module.
        arguments: what it is called with.
        heir: let it ask for forks too.

    Returns:
        The new process; None where there is nothing to fork from, or a fork would not be safe.
    """
    if _requests is None:
        return None
    ours, theirs = socket.socketpair()
    sentinel, ended = os.pipe()
    connection = Connection(ours.detach())
    inherited = [_requests.fileno()] if heir else []
    with contextlib.suppress(OSError):  # the process is gone, which shows below
        socket.send_fds(_requests, [b"1"], [ended, theirs.fileno(), *inherited])
    theirs.close()
    os.close(ended)
    pid = _number(sentinel)
    forked = Fork(pid or 0, connection, sentinel)
    if not pid:
        forked.close()
        return None
    with contextlib.suppress(BrokenPipeError):  # it has ended, which its connection tells
        connection.send_bytes(pickle.dumps((function, arguments)))
    return forked


def serve(requests: int, modules: Sequence[str]) -> None:
    """What the process does: load, and fork until nobody can ask any more.

    Args:
        requests: file descriptor of its end of the socket.
        modules: what it loads, by full name.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends those who ask
    gc.disable()
    for name in modules:
        with contextlib.suppress(Exception):  # the script that needs it will say so
            importlib.import_module(name)
    gc.enable()
    gc.freeze()  # what is loaded is not looked through for modules, and its memory stays shared
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes)
    one_thread = len(os.listdir("/proc/self/task")) == 1
    ends: dict[int, int] = {}
    asked = socket.socket(fileno=requests)
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            os.read(woken, 1024)
            _tell_ends(ends)
        if asked not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(asked, 1, 3, socket.MSG_CMSG_CLOEXEC)
        if not message:
            os._exit(0)
        ended, *kept = descriptors
        pid = os.fork() if one_thread else 0
        if one_thread and not pid:
            for descriptor in (requests, woken, wakes, ended, *ends.values()):
                os.close(descriptor)
            _become(*kept)
        for descriptor in kept:
            os.close(descriptor)
        ends[pid] = ended
        _tell(ended, pid)
        if not pid:
            os.close(ends.pop(pid))


def _tell_ends(ends: dict[int, int]) -> None:
    """Send the exit codes of the forks that have ended."""
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        ended = ends.pop(pid)
        _tell(ended, os.waitstatus_to_exitcode(status))
        os.close(ended)


def _tell(descriptor: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, number.to_bytes(NUMBER, sys.byteorder, signed=True))


def _number(descriptor: int) -> int | None:
    """The number that is sent next; None where none is."""
    sent = os.read(descriptor, NUMBER)
    return int.from_bytes(sent, sys.byteorder, signed=True) if sent else None


def _become(connection: int, requests: int | None = None) -> None:
    """Do in a fork what its connection asks for, and end."""
    global _requests
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        _requests = socket.socket(fileno=requests) if requests is not None else None
        channel = Connection(connection)
        function, arguments = pickle.loads(channel.recv_bytes())
        function(channel, *arguments)
        code = 0
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass  # whoever asked is gone, or has interrupted it
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
