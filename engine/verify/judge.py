"""`verify` in a fork of the process that has loaded torch, so that the one that asks for it loads nothing."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.result import UserError
from engine.verify import warm
from engine.verify.launch import Settings

if TYPE_CHECKING:
    from engine.verify.report import Report


def judged(directory: Path, settings: Settings | None, announce: Callable[[str], None] | None) -> Report | None:
    """As `engine.verify.run.verify`, in another process.

    Returns:
        The report; None where there is no process to fork from.

    Raises:
        UserError: as there.
        RuntimeError: of anything else, with its traceback.
    """
    judge = warm.fork(_judge, directory, settings, Path.cwd(), heir=True)
    if judge is None:
        return None
    try:
        while True:
            kind, content = pickle.loads(judge.connection.recv_bytes())
            if kind == "report":
                return content
            if kind == "error":
                raise content
            if announce:
                announce(content)
    except EOFError as error:
        judge.join()
        raise RuntimeError(f"the process that makes the proofs ended early (exit code {judge.exitcode})") from error
    finally:
        judge.connection.close()
        judge.join()
        judge.close()


def _judge(connection: Connection, directory: Path, settings: Settings | None, working_directory: Path) -> None:
    from engine.verify import run

    os.chdir(working_directory)
    signal.signal(signal.SIGINT, _interrupt_once)
    threading.Thread(target=_stop_with, args=(connection,), daemon=True).start()
    saying = threading.Lock()

    def say(kind: str, content: Any) -> None:
        with saying:
            connection.send_bytes(pickle.dumps((kind, content)))

    try:
        report = run.verify(directory, settings, announce=lambda text: say("said", text))
    except UserError as error:
        say("error", error)
    except Exception:
        say("error", RuntimeError(traceback.format_exc()))
    else:
        say("report", report)


def _interrupt_once(*_: object) -> None:
    """Let nothing interrupt what an interrupt leads to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stop_with(connection: Connection) -> None:
    """Interrupt this process when the one that waits for its report is gone."""
    with contextlib.suppress(OSError, EOFError):
        connection.recv_bytes()
    os.kill(os.getpid(), signal.SIGINT)
