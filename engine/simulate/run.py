"""Run a converted folder's job in FLARE's simulator and tell what came of it."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from engine.job import JobSpec, job_spec_from, read_conversion
from engine.job.recipes import RECIPES
from engine.result import UserError
from engine.simulate.artifacts import global_model, read_rounds, read_updates, selected_model
from engine.simulate.baseline import centralised_metrics
from engine.simulate.curve import draw_curve
from engine.simulate.export import environment_without, export_job, sites_of, watch
from engine.simulate.failures import DIED, ENDING, Failure, Run, find_failures
from engine.simulate.origin import original_place
from engine.simulate.process import run_tree
from engine.simulate.progress import Progress
from engine.simulate.result import Simulation

TIME_LIMIT = 3600.0


def simulate(
    directory: Path,
    rounds: int | None = None,
    clients: int | None = None,
    local_epochs: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    workspace: Path | None = None,
    baseline: bool = False,
    keep_updates: bool = False,
    job_arguments: tuple[str, ...] = (),
) -> Simulation:
    """Export the job of a converted folder and run it from an empty folder in FLARE's simulator.

    Args:
        directory: folder that ``apply`` has written.
        rounds: number of rounds instead of the job's own.
        clients: number of sites instead of the job's own.
        local_epochs: epochs of one round instead of the job's own.
        time_limit: seconds after which everything is ended; ``None`` for no limit.
        workspace: empty or new folder for all that the run writes; a new temporary one by default.
        baseline: whether the original script is trained centrally too, for as many epochs as a site trains.
        keep_updates: whether the parameters that the sites send and are given are kept, as
            ``updates/round-<n>/<site>.pt`` and ``to-<site>.pt``, rounds from 0.
        job_arguments: further arguments of ``job.py``, such as ``("--data-dir", "/data")``.

    Returns:
        The metrics of every round, the files of the models, and the failures.

    Raises:
        UserError: where the job cannot be run at all.
    """
    directory = Path(directory).resolve()
    spec = job_spec_from(directory, num_rounds=rounds, num_clients=clients, local_epochs=local_epochs)
    if clients and spec.sites:
        raise UserError(f"the sites of this job are named, {', '.join(spec.sites)}: leave out --clients")
    folder = _workspace(workspace, spec.name)
    environment = environment_without(directory, directory / spec.source)
    job = export_job(directory, folder / "job", [*_arguments(spec), *job_arguments], environment)
    watch(job, folder, keep_updates)
    run = _run(spec, job, folder, environment, time_limit)
    result = _result(spec, run, directory, folder)
    if baseline and result.succeeded and spec.key_metric:
        result = _with_baseline(result, spec, directory, time_limit or TIME_LIMIT)
    result = replace(result, curve=draw_curve(result, folder / "curve.png"))
    (folder / "results.json").write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    return result


def _arguments(spec: JobSpec) -> list[str]:
    """The options of job.py."""
    chosen = {"--rounds": spec.num_rounds, "--local-epochs": spec.local_epochs}
    chosen["--clients"] = None if spec.sites else spec.num_clients
    return [text for option, value in chosen.items() if value for text in (option, str(value))]


def _result(spec: JobSpec, run: Run, directory: Path, folder: Path) -> Simulation:
    return Simulation(
        job=spec.name,
        sites=run.sites,
        num_rounds=spec.num_rounds,
        metric=spec.key_metric,
        direction=spec.key_metric_mode,
        rounds=run.rounds,
        updates=run.updates,
        failures=tuple(_with_origin(failure, directory) for failure in find_failures(run)),
        global_model=global_model(run.workspace),
        selected_model=selected_model(run.workspace),
        workspace=folder,
        seconds=run.finished.seconds,
    )


def _with_baseline(result: Simulation, spec: JobSpec, directory: Path, time_limit: float) -> Simulation:
    epochs = spec.num_rounds * (spec.local_epochs or 1)
    sys.stderr.write(f"training {spec.entry} centrally for {epochs} epochs\n")
    return replace(result, baseline=centralised_metrics(directory, epochs, time_limit), baseline_epochs=epochs)


def _with_origin(failure: Failure, directory: Path) -> Failure:
    place = failure.file and original_place(directory, read_conversion(directory), failure.file, failure.line)
    return replace(failure, origin=str(place)) if place else failure


def _workspace(workspace: Path | None, name: str) -> Path:
    if workspace is None:
        return Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder = Path(workspace).resolve()
    if " " in str(folder):
        raise UserError(f"workspace {folder} has a space in its path, which FLARE's simulator cannot handle")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UserError(f"workspace {folder} is not empty: give a new folder")
    return folder


def _run(spec: JobSpec, job: Path, folder: Path, environment: dict[str, str], time_limit: float | None) -> Run:
    """Run an exported job from an empty folder."""
    sites = tuple(sites_of(job, spec.num_clients))
    workspace, empty = folder / "flare", folder / "empty"
    empty.mkdir()
    command = [sys.executable, "-W", "ignore", "-m", "nvflare.cli", "simulator", str(job), "-w", str(workspace)]
    command += ["-c", ",".join(sites), "-t", str(len(sites))]
    progress = Progress(spec.num_rounds)
    ending = False

    def is_lost(line: str) -> bool:
        """Whether a site has died on the way, for which the server would wait without end."""
        nonlocal ending
        progress.line(line)
        ending = ending or bool(ENDING.search(line))
        return not ending and bool(DIED.search(line))

    try:
        finished = run_tree(command, empty, environment, time_limit, is_lost)
    finally:
        progress.close()
    (folder / "output.txt").write_text(finished.output, encoding="utf-8")
    return Run(
        finished=finished,
        workspace=workspace,
        sites=sites,
        num_rounds=spec.num_rounds,
        metric=spec.key_metric if RECIPES[spec.recipe].reports_metrics else "",
        ends_early=bool(spec.stop_cond),
        rounds=tuple(read_rounds(workspace)),
        updates=tuple(read_updates(folder)),
    )
