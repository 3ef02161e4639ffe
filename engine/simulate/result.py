"""What came of a run in the simulator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from engine.simulate.artifacts import Round, Update
from engine.simulate.failures import Failure


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
        warnings: what a person should know of it all the same.
        global_model: file of the final model.
        selected_model: file of the model that FLARE selected by the metrics of what the sites received.
        curve: picture of the learning curve; ``None`` without a metric or without matplotlib.
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
    curve: Path | None = None
    warnings: tuple[Failure, ...] = ()

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
            "warnings": [asdict(each) for each in self.warnings],
            "global_model": self.global_model and str(self.global_model),
            "best_model": self.best_model and str(self.best_model),
            "curve": self.curve and str(self.curve),
            "workspace": str(self.workspace),
            "seconds": round(self.seconds, 3),
            "baseline": {"epochs": self.baseline_epochs, "metrics": self.baseline} if self.baseline else None,
        }
