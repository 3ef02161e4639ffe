"""Run a specification's script in a process of its own and collect the output document."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.result import UserError
from engine.trainer import curve, document
from engine.trainer.checks import check_files
from engine.trainer.explain import explain
from engine.trainer.reading import load
from engine.trainer.script import render
from engine.trainer.specification import Specification

_EPOCH = re.compile(r"^epoch (\d+)/\d+: ")
_GRACE = 10.0


@dataclass(frozen=True)
class Ended:
    """How the process ended."""

    returncode: int
    stderr: str
    interrupted: bool = False
    timed_out: bool = False


def train(path: Path, device: str | None, seed: int | None, time_limit: float) -> dict[str, Any]:
    """Run the training of a specification; see :func:`engine.trainer.train`."""
    started = time.time()
    root = path.parent.resolve()
    try:
        specification = load(path)
        check_files(specification, root)
        text = render(specification, path, root / "train.py")
    except UserError as error:
        return document.build("error", [], None, error.message)
    overrides = [
        *(["--device", device] if device else []),
        *(["--seed", str(seed)] if seed is not None else []),
    ]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "train.py")
        script.write_text(text, encoding="utf-8")
        ended = _execute(_command(specification, script) + overrides, root, specification, time_limit)
        save_dir = path.parent / specification.checkpoint_config.save_dir
        return _collect(specification, ended, root, script, _Left(save_dir, started), time_limit)


@dataclass(frozen=True)
class _Left:
    """What a run left in its folder; older files there are another run's."""

    save_dir: Path
    started: float

    def file(self, name: str) -> Path | None:
        """The file of that name, if this run wrote it."""
        path = self.save_dir / name
        return path if path.exists() and path.stat().st_mtime >= self.started else None

    def history(self) -> list[dict[str, Any]]:
        """The figures of every epoch, those before a resumption included."""
        path = self.file("history.json")
        return json.loads(path.read_text(encoding="utf-8")) if path else []


def _collect(
    specification: Specification, ended: Ended, root: Path, script: Path, left: _Left, time_limit: float
) -> dict[str, Any]:
    """The output document of a run, with its learning curve beside the checkpoints as a picture."""
    history, last = left.history(), left.file("last.pt")
    if history:
        curve.write(history, left.save_dir / "learning_curve.svg")
    resume = f"set $.checkpointConfig.resumeFrom to {last}" if last else "start again"
    if ended.interrupted:
        return document.build("error", history, last, f"Interrupted after {len(history)} epochs; {resume} to go on.")
    if ended.timed_out:
        error = f"The training took longer than {time_limit:g} seconds; raise the time limit and {resume} to go on."
        return document.build("error", history, last, error)
    if ended.returncode != 0:
        return document.build("error", history, last, explain(ended.stderr, specification, root, script))
    early = bool(history) and history[-1]["epoch"] < specification.training_config.epochs
    return document.build("early_stopped" if early else "success", history, left.file("best.pt") or last)


def _command(specification: Specification, script: Path) -> list[str]:
    training = specification.training_config
    if training.parallel != "DistributedDataParallel":
        return [sys.executable, str(script)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, f"--nproc-per-node={training.processes}", str(script)]


def _execute(command: list[str], root: Path, specification: Specification, time_limit: float) -> Ended:
    """Run the script from the folder of the specification, showing its progress, for a bounded time."""
    places = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}
    timed_out = threading.Event()
    interrupted = False
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr, _terminate_as_interrupt():
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=True,
        )

        def expire() -> None:
            timed_out.set()
            _kill(process)

        timer = threading.Timer(time_limit, expire)
        timer.start()
        try:
            _show_progress(process, specification.training_config.epochs)
            process.wait()
        except KeyboardInterrupt:
            interrupted = True
            _stop(process)
        finally:
            timer.cancel()
            _kill(process)
        stderr.seek(0)
        text = stderr.read()
    if process.returncode != 0 and not interrupted:
        print(text, file=sys.stderr)
    return Ended(process.returncode, text, interrupted, timed_out.is_set())


def _show_progress(process: subprocess.Popen[str], epochs: int) -> None:
    """A bar over the epochs on the standard error, with the script's own lines above it."""
    columns = (TextColumn("epochs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    assert process.stdout is not None
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("epochs", total=epochs)
        for line in process.stdout:
            progress.console.print(line.rstrip(), markup=False, highlight=False)
            if found := _EPOCH.match(line):
                progress.update(bar, completed=int(found.group(1)))


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """While the script runs, a request to terminate stops it too, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupt the script as Ctrl-C does, and end it if it takes long."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """End the script and every process it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
