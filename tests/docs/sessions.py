"""Run the commands of a page in one shell, over a copy of the fixtures, and hold what they print to the page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.docs.pages import ROOT, Command

HOME = "/home/you/flare-codemods"
TIME_LIMIT = 570.0
LEFT_OUT = "..."

# Differs from machine to machine and from run to run: seconds, what was learnt, temporary folders, the best round.
_VARYING = [
    (re.compile(r"\b\d+(\.\d+)? s\b"), "N s"),
    (re.compile(r"\b\d*\.\d+(e-?\d+)?\b"), "0.0"),
    (re.compile(r"/tmp/[\w./-]+"), "/tmp/FILE"),
    (re.compile(r" +best$", re.MULTILINE), ""),
]

# What is not run by the tests, and why.
NOT_RUN = {
    "git clone": "needs the network",
    "make": "sets up an environment, and `make test` runs these tests",
    "nvflare job submit": "needs a production system",
    "pip install": "needs the network",
    ".venv/bin/python -m pip install": "needs the network",
    ".venv/bin/python -m pytest": "runs these tests",
    "python -m venv": "sets up an environment",
}


def is_run(command: Command) -> bool:
    """Whether the tests run a command."""
    return not command.text.startswith(tuple(NOT_RUN))


def run(commands: Sequence[Command], folder: Path) -> list[str]:
    """What each command prints: on standard output, or else on standard error.

    Args:
        commands: of one page, in order.
        folder: an empty folder; the commands find ``fixtures/`` in it, as in a clone.

    Returns:
        The output of each command.

    Raises:
        AssertionError: a command that has to succeed fails, or the time limit is reached.
    """
    work, printed = folder / "work", folder / "printed"
    printed.mkdir(parents=True)
    shutil.copytree(ROOT / "fixtures", work / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
    lines = [
        f"{{ {command.text}\n}} >{printed}/{n}.out 2>{printed}/{n}.err{' || exit' if command.required else ''}"
        for n, command in enumerate(commands)
    ]
    code = _shell("\n".join([*lines, "exit 0"]), work)
    if code:
        last = sorted(printed.glob("*.err"), key=lambda path: int(path.stem))[-1]
        raise AssertionError(f"line {commands[int(last.stem)].line} fails: {last.read_text()}")
    return [_printed(printed / str(n), work) for n in range(len(commands))]


def _shell(script: str, work: Path) -> int:
    """The exit code of a script; at the time limit it is ended with all that it started."""
    shell = subprocess.Popen(
        ["bash", "-c", script], cwd=work, env=_environment(), stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return shell.wait(TIME_LIMIT)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the commands of the page take longer than {TIME_LIMIT:.0f} s") from None
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


def _environment() -> dict[str, str]:
    """This environment, with this Python and the project in reach, and a terminal of 80 plain columns."""
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PYTHONPATH": search, "PATH": programs, "COLUMNS": "80", "NO_COLOR": "1"}


def _printed(stem: Path, work: Path) -> str:
    """What a command has printed."""
    out, errors = stem.with_suffix(".out").read_text(), stem.with_suffix(".err").read_text()
    return (out or errors).replace(str(work), HOME)


def agrees(documented: str, printed: str) -> bool:
    """Whether a command printed what a page says, apart from what varies and what is left out."""
    chunks = [_plain(chunk) for chunk in re.split(rf"^{re.escape(LEFT_OUT)}\n", documented, flags=re.MULTILINE)]
    wanted = ".*".join(re.escape(chunk) for chunk in chunks)
    return re.fullmatch(wanted, _plain(printed), re.DOTALL) is not None


def _plain(text: str) -> str:
    """A text without what varies and without empty lines; columns are two spaces apart, because numbers move them."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    lines = [re.sub(r"(?<=\S)  +", "  ", line).rstrip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line)
