"""Run a job on a real FLARE deployment on this machine: a server and sites as processes of their own.

FLARE calls it POC, proof of concept. It differs from a production system only in where its processes run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.result import UserError
from engine.simulate.preparation import conclude, keep, prepare, rounds_of
from engine.simulate.process import Finished, ProcessTree
from engine.simulate.progress import Progress
from engine.simulate.result import Simulation
from engine.simulate.run import TIME_LIMIT

COMMAND_LIMIT = 120.0  # seconds for a command other than the one that waits for the job
POLL = 1  # seconds between two questions how the job is
READY_LIMIT = 100  # seconds for server and sites to find each other; FLARE gives them 30, too few on a busy machine


def deploy(
    directory: Path,
    rounds: int | None = None,
    clients: int | None = None,
    local_epochs: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    workspace: Path | None = None,
    keep_updates: bool = False,
    job_arguments: tuple[str, ...] = (),
    split: Mapping[str, Any] | None = None,
) -> Simulation:
    """Provision a server and sites, start them, submit the job, follow it, and stop and end everything.

    Arguments, result and errors are those of :func:`engine.simulate.simulate`. The server listens on ports 8002 and
    8003 of all interfaces of this machine while it runs.

    Raises:
        UserError: where the job cannot be run at all: a port is taken, for one.
    """
    prepared = prepare(directory, rounds, clients, local_epochs, workspace, keep_updates, job_arguments, split)
    home, flare = prepared.folder_named("home"), prepared.folder / "flare"
    environment = {
        "XDG_CACHE_HOME": str(Path.home() / ".cache"),  # what a client has downloaded before is found again
        **prepared.environment,
        "HOME": str(home),  # FLARE keeps there which deployment is meant
        "NVFLARE_POC_WORKSPACE": str(flare),
    }
    with Progress(rounds_of(prepared.spec)) as progress, ProcessTree(environment) as tree:
        _command(tree, home, "poc", "prepare", "--force", "-c", *prepared.sites)
        kits = next(flare.glob("*/prod_00"))
        _command(tree, home, "poc", "start", "--timeout", str(READY_LIMIT))
        job = _submitted(tree, home, prepared.job)
        server_log = kits / "server" / job / "log.txt"
        command = _nvflare("job", "monitor", job, "--interval", str(POLL))
        finished = tree.run(command, home, time_limit, _follow(server_log, progress))
        logs = {site: kits / site / job for site in prepared.sites}
        if finished.timed_out:
            consoles = [_text(kits / site / "poc_console.log") for site in prepared.sites]
            finished = Finished(None, finished.output + "".join(consoles), finished.seconds)
            return keep(conclude(prepared, finished, kits / "server" / job, {**logs, "server": kits / "server" / job}))
        results = prepared.folder / "download"
        _command(tree, home, "job", "download", job, "-o", str(results))
        server = results / job / "workspace"
        result = conclude(prepared, finished, server, {**logs, "server": server})
        _command(tree, home, "poc", "stop")
    return keep(result)


def _nvflare(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "nvflare.cli", *arguments]


def _command(tree: ProcessTree, home: Path, *arguments: str) -> str:
    """The output of a command of FLARE.

    Raises:
        UserError: where it fails, with the last thing it says.
    """
    finished = tree.run(_nvflare(*arguments), home, COMMAND_LIMIT)
    if finished.return_code != 0:
        lines = [line for line in finished.output.strip().splitlines() if line] or ["it wrote nothing"]
        raise UserError(f"`nvflare {' '.join(arguments[:2])}` failed: {' '.join(lines[-3:])}")
    return finished.output


def _submitted(tree: ProcessTree, home: Path, job: Path) -> str:
    """Submit a job; its id."""
    output = _command(tree, home, "job", "submit", "-j", str(job), "--format", "json")
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return answers[-1]["data"]["job_id"]


def _follow(log: Path, progress: Progress) -> Callable[[str], bool]:
    """Show the server's log as progress, whenever the command that waits for the job says something."""
    seen = 0

    def look(line: str) -> bool:
        nonlocal seen
        text = _text(log)
        for each in text[seen:].splitlines():
            progress.line(each)
        seen = len(text)
        return False

    return look


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
