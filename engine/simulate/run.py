"""Run a converted folder's job in FLARE's simulator and tell what came of it."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from engine.job import job_spec_from, read_conversion
from engine.job.recipes import RECIPES
from engine.result import UserError
from engine.simulate.artifacts import Round, Update, global_model, read_rounds, read_updates, selected_model
from engine.simulate.baseline import centralised_metrics
from engine.simulate.export import environment_without, export_job, sites_of, watch
from engine.simulate.failures import DIED, ENDING, Failure, Run, find_failures
from engine.simulate.origin import original_place
from engine.simulate.process import Finished, run_tree
from engine.simulate.progress import Progress

TIME_LIMIT = 3600.0


@dataclass(frozen=True)
class Simulation:
    """What came of a run in the simulator.

    Attributes:
        job: name of the job.
        sites: names of the sites.
        num_rounds: rounds asked for.
        metric: the metric that selects the best model; empty where there is none.
        direction: ``max`` where more of it is better.
        rounds: metrics of the global model after every round, from the initial one on.
        updates: what the sites sent.
        failures: why it is no success; empty where it is one.
        global_model: file of the final model.
        selected_model: file of the model that FLARE selected by the metrics of what the sites received.
        workspace: folder with everything: exported job, FLARE's workspace, its output, ``results.json``.
        seconds: how long the simulator ran.
        baseline: metrics of the original script trained centrally for ``baseline_epochs``; empty where not asked for.
        baseline_epochs: as many epochs as a site trained in all rounds.
    """

    job: str
    sites: tuple[str, ...]
    num_rounds: int
    metric: str
    direction: str
    rounds: tuple[Round, ...]
    updates: tuple[Update, ...]
    failures: tuple[Failure, ...]
    global_model: Path | None
    selected_model: Path | None
    workspace: Path
    seconds: float
    baseline: dict[str, float] = field(default_factory=dict)
    baseline_epochs: int = 0

    @property
    def succeeded(self) -> bool:
        """True where every round ran at every site and left a sound model."""
        return not self.failures

    @property
    def best_round(self) -> Round | None:
        """The round after which the global model had its best metric; ``None`` without a metric."""
        scored = [each for each in self.rounds if each.overall(self.metric) is not None]
        pick = max if self.direction == "max" else min
        return pick(scored, key=lambda each: each.overall(self.metric), default=None)

    @property
    def best_model(self) -> Path | None:
        """File of the best model. FLARE picks it before the last round is done, so the final one may be better yet."""
        if self.best_round and self.best_round.rounds == self.num_rounds:
            return self.global_model
        return self.selected_model

    def as_json(self) -> dict[str, object]:
        """The result as JSON values, as in ``results.json``."""
        return {
            "schema_version": 1,
            "succeeded": self.succeeded,
            "job": self.job,
            "sites": self.sites,
            "num_rounds": self.num_rounds,
            "metric": self.metric,
            "direction": self.direction,
            "rounds": [{**asdict(each), "global": each.overall(self.metric)} for each in self.rounds],
            "updates": [asdict(each) for each in self.updates],
            "failures": [asdict(each) for each in self.failures],
            "global_model": self.global_model and str(self.global_model),
            "best_model": self.best_model and str(self.best_model),
            "workspace": str(self.workspace),
            "seconds": round(self.seconds, 3),
            "baseline": {"epochs": self.baseline_epochs, "metrics": self.baseline} if self.baseline else None,
        }


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
        keep_updates: whether the parameters that the sites send are kept, in ``updates/round-<n>/<site>.pt``.
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
    chosen = {"--rounds": spec.num_rounds, "--local-epochs": spec.local_epochs}
    chosen |= {} if spec.sites else {"--clients": spec.num_clients}
    arguments = [text for option, value in chosen.items() if value for text in (option, str(value))]
    folder = _workspace(workspace, spec.name)
    environment = environment_without(directory, directory / spec.source)
    job = export_job(directory, folder / "job", [*arguments, *job_arguments], environment)
    watch(job, folder, keep_updates)
    sites = tuple(sites_of(job, spec.num_clients))
    finished = _run(job, folder, sites, spec.num_rounds, environment, time_limit)
    (folder / "output.txt").write_text(finished.output, encoding="utf-8")
    flare = folder / "flare"
    run = Run(
        finished=finished,
        workspace=flare,
        sites=sites,
        num_rounds=spec.num_rounds,
        metric=spec.key_metric if RECIPES[spec.recipe].reports_metrics else "",
        ends_early=bool(spec.stop_cond),
        rounds=tuple(read_rounds(flare)),
        updates=tuple(read_updates(folder)),
    )
    result = Simulation(
        job=spec.name,
        sites=sites,
        num_rounds=spec.num_rounds,
        metric=spec.key_metric,
        direction=spec.key_metric_mode,
        rounds=run.rounds,
        updates=run.updates,
        failures=tuple(_with_origin(failure, directory) for failure in find_failures(run)),
        global_model=global_model(flare),
        selected_model=selected_model(flare),
        workspace=folder,
        seconds=finished.seconds,
    )
    if baseline and result.succeeded and spec.key_metric:
        epochs = spec.num_rounds * (spec.local_epochs or 1)
        sys.stderr.write(f"training {spec.entry} centrally for {epochs} epochs\n")
        metrics = centralised_metrics(directory, epochs, time_limit or TIME_LIMIT)
        result = replace(result, baseline=metrics, baseline_epochs=epochs)
    (folder / "results.json").write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    return result


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


def _run(
    job: Path,
    folder: Path,
    sites: tuple[str, ...],
    num_rounds: int,
    environment: dict[str, str],
    time_limit: float | None,
) -> Finished:
    command = [sys.executable, "-W", "ignore", "-m", "nvflare.cli", "simulator", str(job), "-w", str(folder / "flare")]
    command += ["-c", ",".join(sites), "-t", str(len(sites))]
    empty = folder / "empty"
    empty.mkdir()
    progress = Progress(num_rounds)

    ending = False

    def is_lost(line: str) -> bool:
        """Whether a site has died on the way, for which the server would wait without end."""
        nonlocal ending
        progress.line(line)
        ending = ending or bool(ENDING.search(line))
        return not ending and bool(DIED.search(line))

    try:
        return run_tree(command, empty, environment, time_limit, is_lost)
    finally:
        progress.close()
