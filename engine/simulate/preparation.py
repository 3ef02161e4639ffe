"""What comes before and after a run, wherever it runs."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.job import JobSpec, job_spec_from, read_conversion
from engine.job.recipes import RECIPES
from engine.result import UserError
from engine.simulate.artifacts import (
    BEST,
    GLOBAL,
    global_model,
    read_contributions,
    read_evaluation,
    read_rounds,
    read_updates,
    selected_model,
)
from engine.simulate.baseline import centralised_metrics
from engine.simulate.curve import draw_curve
from engine.simulate.export import environment_without, export_job, job_defaults, sites_of, watch
from engine.simulate.failures import Failure, Run, find_failures, find_warnings
from engine.simulate.origin import original_place
from engine.simulate.process import Finished
from engine.simulate.result import Simulation


@dataclass(frozen=True)
class Preparation:
    """A job that is ready to run.

    Attributes:
        directory: the converted folder.
        spec: the job.
        folder: the folder for all that the run writes.
        job: the exported job.
        sites: names of the sites.
        environment: environment of every process of the run.
        rehearsed: what the sites whose start was rehearsed were seen to do; see :mod:`engine.simulate.rehearsal`.
        may_take_no_step: whether a round that trains may take no optimizer step, as under a gradient scaler.
    """

    directory: Path
    spec: JobSpec
    folder: Path
    job: Path
    sites: tuple[str, ...]
    environment: dict[str, str]
    rehearsed: dict[str, Any] = field(default_factory=dict)
    may_take_no_step: bool = False

    def folder_named(self, name: str) -> Path:
        """A new folder of the run."""
        path = self.folder / name
        path.mkdir()
        return path


def prepare(
    directory: Path,
    rounds: int | None,
    clients: int | None,
    local_epochs: int | None,
    workspace: Path | None,
    keep_updates: bool,
    job_arguments: tuple[str, ...],
    split: Mapping[str, Any] | None = None,
    rehearse_all: bool = False,
) -> Preparation:
    """Export the job of a converted folder and let it be watched; see :func:`engine.simulate.simulate`.

    Raises:
        UserError: where the job cannot be run at all.
    """
    directory = Path(directory).resolve()
    edited = job_defaults(directory / "job.py")
    spec = job_spec_from(
        directory,
        num_rounds=rounds or edited.get("rounds"),
        num_clients=clients or edited.get("clients"),
        local_epochs=local_epochs or edited.get("local-epochs"),
        **(split or {}),
    )
    chosen = ("--partition", spec.split) if split else ()
    if rounds and not rounds_of(spec):
        raise UserError(f"{spec.recipe} trains nothing: leave out --rounds")
    if clients and spec.sites:
        raise UserError(f"the sites of this job are named, {', '.join(spec.sites)}: leave out --clients")
    folder = _workspace(workspace, spec.name)
    environment = environment_without(directory, directory / spec.source)
    arguments = [*_arguments(spec), *chosen, *job_arguments]
    rehearsals = (len(spec.sites) or spec.num_clients) if rehearse_all else 1
    job, rehearsed = export_job(directory, folder / "job", arguments, environment, rehearsals)
    watch(job, folder, keep_updates)
    sites = tuple(sites_of(job, spec.num_clients))
    skips = read_conversion(directory).get("original", {}).get("may_take_no_step", False)
    return Preparation(directory, spec, folder, job, sites, environment, rehearsed, skips)


def conclude(prepared: Preparation, finished: Finished, server: Path, logs: dict[str, Path]) -> Simulation:
    """Tell what came of a run.

    Args:
        prepared: what was run.
        finished: how FLARE ended.
        server: the server's folder of the job.
        logs: folder with the logs of every site and of ``server``.
    """
    spec = prepared.spec
    (prepared.folder / "output.txt").write_text(finished.output, encoding="utf-8")
    recipe = RECIPES[spec.recipe]
    run = Run(
        finished=finished,
        server=server,
        logs=logs,
        sites=prepared.sites,
        num_rounds=rounds_of(spec),
        metric=spec.key_metric if recipe.reports_metrics else "",
        ends_early=bool(spec.stop_cond),
        stops_on=spec.stop_cond.split()[0] if spec.stop_cond else "",
        may_take_no_step=prepared.may_take_no_step,
        rounds=tuple(read_evaluation(prepared.folder) if recipe.evaluates else read_rounds(server)),
        updates=tuple(read_contributions(logs) if recipe.peer_to_peer else read_updates(prepared.folder)),
        models=(*_models(logs, prepared.sites, GLOBAL),) if recipe.peer_to_peer else (global_model(server),),
    )
    return Simulation(
        job=spec.name,
        sites=run.sites,
        num_rounds=rounds_of(spec),
        metric=spec.key_metric,
        direction=spec.key_metric_mode,
        rounds=run.rounds,
        updates=run.updates,
        failures=tuple(_with_origin(failure, prepared.directory) for failure in find_failures(run)),
        warnings=tuple(find_warnings(run)),
        global_model=run.models[0],
        selected_model=_models(logs, prepared.sites, BEST)[0] if recipe.peer_to_peer else selected_model(server),
        workspace=prepared.folder,
        seconds=finished.seconds,
    )


def _models(logs: dict[str, Path], sites: tuple[str, ...], name: str) -> list[Path | None]:
    """The file of a name that every site of a swarm keeps; ``None`` for a site without it."""
    return [next(logs[site].rglob(f"app_{site}/{name}"), None) for site in sites]


def with_baseline(result: Simulation, prepared: Preparation, time_limit: float) -> Simulation:
    """The result beside the original script, trained centrally for as many epochs as a site has trained."""
    spec = prepared.spec
    epochs = spec.num_rounds * (spec.local_epochs or 1)
    sys.stderr.write(f"training {spec.entry} centrally for {epochs} epochs\n")
    metrics = centralised_metrics(prepared.directory, epochs, time_limit)
    return replace(result, baseline=metrics, baseline_epochs=epochs)


def keep(result: Simulation) -> Simulation:
    """Write ``results.json`` and the learning curve."""
    result = replace(result, curve=draw_curve(result, result.workspace / "curve.png"))
    text = json.dumps(result.as_json(), indent=1) + "\n"
    (result.workspace / "results.json").write_text(text, encoding="utf-8")
    return result


def rounds_of(spec: JobSpec) -> int:
    """How many rounds a job trains: none where it only evaluates."""
    return 0 if RECIPES[spec.recipe].evaluates else spec.num_rounds


def _arguments(spec: JobSpec) -> list[str]:
    """The options of job.py."""
    chosen = {"--rounds": rounds_of(spec), "--local-epochs": spec.local_epochs}
    chosen["--clients"] = None if spec.sites else spec.num_clients
    return [text for option, value in chosen.items() if value for text in (option, str(value))]


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
