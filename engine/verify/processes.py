"""Child processes with an end: started cheaply, spoken to with a time limit, ended with all their descendants."""

from __future__ import annotations

import ast
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from engine.verify import warm
from engine.verify.compiler import NAME as COMPILER
from engine.verify.launch import ENVIRONMENT, Launch

LAST_LINES = 8
PRELOADED = ("torch", "engine.verify.harness", "engine.verify.run")
"""What every process needs."""
LOADS_COMPILER = (
    "torch._dynamo.", "torch.compile.", "torch.distributed.", "torch.func.", "torch.profiler.",
    "torch.use_deterministic_algorithms.", "torch.utils.checkpoint.",
)  # fmt: skip
"""What of torch loads its compiler when it is used: a script that names it has that loaded ahead, and so has one
that imports packages of which it is not known."""
PRELOADED_IF_USED = frozenset({"pandas", "scipy", "sklearn", "torchaudio", "torchvision"})
"""What a script may import that takes long and does nothing but define things."""
WITHOUT_COMPILER = frozenset(
    {
        "PIL", "cv2", "matplotlib", "numpy", "nvflare", "pandas", "scipy", "seaborn", "skimage", "sklearn",
        "tensorboard", "tensorboardX", "torch", "torchaudio", "torchvision", "tqdm", "wandb", "yaml",
    }
)  # fmt: skip
"""Packages that do not load the compiler of torch when a script imports them, or are themselves loaded ahead."""
READ_WHEN_LOADED = re.compile(r"(TORCH|PYTORCH|SCIPY|SKLEARN|PANDAS)\w*_\w+")
"""Environment variables that these read when they are loaded: a script that names one loads them itself."""


class ChildError(Exception):
    """A child process that broke off, said in one sentence with the end of its output.

    Attributes:
        hangs: it ran past its time limit.
    """

    def __init__(self, message: str, hangs: bool = False) -> None:
        super().__init__(message)
        self.hangs = hangs


def load_ahead(code: Path) -> bool:
    """Start the process to fork from, with what all children need and what the scripts of a folder import.

    Args:
        code: the folder of the converted scripts.

    Returns:
        False where processes are started afresh, since they cannot be forked.
    """
    if warm.AVAILABLE:
        environment = {**os.environ, **ENVIRONMENT}
        del environment["PYTHONDONTWRITEBYTECODE"]  # it loads installed packages alone
        warm.start([*PRELOADED, *needed_by(code)], environment)
    return warm.AVAILABLE


def needed_by(code: Path) -> list[str]:
    """Names of the modules that the scripts of a folder need and that can be loaded before they run."""
    names: set[str] = set()
    for node in _nodes(code):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
            names.add(f"torch.{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and READ_WHEN_LOADED.fullmatch(node.value):
            return []
    used = sorted(name for name in names if name.partition(".")[0] in PRELOADED_IF_USED)
    own = {part for path in code.rglob("*.py") for part in path.relative_to(code).with_suffix("").parts}
    others = {name.partition(".")[0] for name in names} - own - WITHOUT_COMPILER - sys.stdlib_module_names
    compiles = others or any(f"{name}.".startswith(LOADS_COMPILER) for name in names)
    return [*[COMPILER] * bool(compiles), *used]


def _nodes(code: Path) -> Iterator[ast.AST]:
    for path in sorted(code.rglob("*.py")):
        with contextlib.suppress(SyntaxError, ValueError):  # said when it is run
            yield from ast.walk(ast.parse(path.read_bytes()))


class Child:
    """One child process; use it in a `with` statement, which ends it.

    Args:
        target: one of the functions of `engine.verify.harness`.
        launch: what it runs.
        seconds: its time limit: that long its answers are waited for, in all.

    Raises:
        ChildError: from `send`, `receive` and `ask`: it ended or ran past its limit.
    """

    def __init__(self, target: Callable[..., None], launch: Launch, seconds: float) -> None:
        self._launch = launch
        self._seconds = seconds
        self._process, self._connection = _started(target, launch)
        self._left = seconds

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        self.end()
        self._process.join()
        with contextlib.suppress(ValueError):  # psutil has seen its end, which multiprocessing then does not
            self._process.close()

    def end(self) -> None:
        """End it and all that it started."""
        end_tree(self._process.pid)

    def send(self, message: Any) -> None:
        """Give it a message."""
        try:
            self._connection.send_bytes(pickle.dumps(message))
        except OSError as error:
            raise ChildError(self._ended()) from error

    def receive(self) -> Any:
        """Wait for its next message."""
        started = time.monotonic()
        try:
            # what it has started may hold its end of the connection, and so keep it open
            if multiprocessing.connection.wait([self._connection, self._process.sentinel], self._left):
                if not self._connection.poll():
                    raise EOFError
                return pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise ChildError(self._ended()) from error
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - started))
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


def _started(target: Callable[..., None], launch: Launch) -> tuple[warm.Fork | SpawnProcess, Connection]:
    """A process that calls a function, forked or else started afresh, and our end of its connection."""
    forked = warm.fork(target, launch)
    if forked:
        return forked, forked.connection
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs, launch))
    process.start()
    theirs.close()
    return process, ours


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
