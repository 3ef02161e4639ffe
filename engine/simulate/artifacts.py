"""What a run in the simulator leaves behind: metrics of every round and site, updates, models."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GLOBAL, BEST = "FL_global_model.pt", "best_FL_global_model.pt"
ACCEPTED = re.compile(r"Contribution from (\S+) ACCEPTED by the aggregator at round (\d+)")  # a site of a swarm
GLOBAL_MODEL = "SRV_FL_global_model.pt"  # FLARE's name for the final model in its evaluation


@dataclass(frozen=True)
class Round:
    """The metrics of a global model.

    Attributes:
        rounds: after how many rounds of training; 0 is the model the job started with.
        sites: metrics by site, each measured with the site's own evaluation.
        weights: optimizer steps by site, the weights of the mean.
    """

    rounds: int
    sites: dict[str, dict[str, float]]
    weights: dict[str, float] = field(default_factory=dict)

    def overall(self, metric: str) -> float | None:
        """Mean of a metric over the sites that report it, weighted by their optimizer steps."""
        values = {site: values[metric] for site, values in self.sites.items() if metric in values}
        weights = {site: self.weights.get(site, 1.0) for site in values}
        total = sum(weights.values())
        return sum(values[site] * weights[site] for site in values) / total if total else None


@dataclass(frozen=True)
class Update:
    """What a site sent in a round.

    Attributes:
        round: number of the round, from 0.
        site: its name.
        steps: optimizer steps, its weight in the mean; ``None`` where it sent none.
        parameters: number of tensors.
        not_finite: names of the tensors with a NaN or an infinity.
        unchanged: whether they equal what it had received.
    """

    round: int
    site: str
    steps: float | None
    parameters: int
    not_finite: tuple[str, ...]
    unchanged: bool


def read_rounds(server: Path) -> list[Round]:
    """The metrics of every round, then of the final model where the job evaluates it.

    Args:
        server: the server's folder of the job.
    """
    rounds = [_round(line) for line in _json_lines(server / "metrics" / "round_metrics.jsonl")]
    final = _final(server / "cross_site_val" / "cross_val_results.json")
    if final:
        rounds.append(Round(len(rounds), final, rounds[-1].weights if rounds else {}))
    return rounds


def read_updates(folder: Path) -> list[Update]:
    """What the sites sent, as :mod:`engine.simulate.observer` wrote it down."""
    return [
        Update(**{**line, "not_finite": tuple(line["not_finite"])}) for line in _json_lines(folder / "updates.jsonl")
    ]


def read_contributions(logs: dict[str, Path]) -> list[Update]:
    """What the sites of a swarm sent to the one that aggregates, by its log; no server sees it."""
    texts = [
        (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        for folder in logs.values()
        if (folder / "log.txt").is_file()
    ]
    found = sorted({(int(number), site) for text in texts for site, number in ACCEPTED.findall(text)})
    return [Update(number, site, None, 0, (), False) for number, site in found]


def read_evaluation(folder: Path) -> list[Round]:
    """The metrics of the one model of a federated evaluation, as :mod:`engine.simulate.observer` wrote them down."""
    sites = {line["site"]: line["metrics"] for line in _json_lines(folder / "evaluations.jsonl")}
    finite = {
        site: {name: value for name, value in each.items() if math.isfinite(value)} for site, each in sites.items()
    }
    return [Round(0, dict(sorted(finite.items())))] if finite else []


def global_model(server: Path) -> Path | None:
    """File of the model that the server left; ``None`` where there is none."""
    paths = [server / "app_server" / GLOBAL, server / "models" / "server.npy"]
    return next((path for path in paths if path.is_file()), None)


def selected_model(server: Path) -> Path | None:
    """File of the model with the best metric among those the sites received; ``None`` where there is none."""
    path = server / "app_server" / BEST
    return path if path.is_file() else None


def load_parameters(path: Path) -> dict[str, Any]:
    """The tensors of a model file of FLARE by name; the one array of a file in NumPy's format.

    Beside the tensors a file may hold arrays, such as SCAFFOLD's controls.
    """
    import numpy

    if path.suffix == ".npy":
        return {"numpy_key": numpy.load(path, allow_pickle=False)}
    import torch

    kinds = [getattr(numpy.dtypes, name) for name in dir(numpy.dtypes) if name.endswith("DType")]
    rebuild = numpy.zeros(1).__reduce__()[0]
    with torch.serialization.safe_globals([rebuild, numpy.ndarray, numpy.dtype, *kinds]):
        return torch.load(path, map_location="cpu", weights_only=True)["model"]


def not_finite(parameters: dict[str, Any]) -> list[str]:
    """Names of the tensors with a NaN or an infinity."""
    import torch

    return [name for name, value in parameters.items() if not torch.isfinite(torch.as_tensor(value)).all()]


def _round(line: dict[str, Any]) -> Round:
    sites = {site["name"]: _values(site["metrics"]) for site in line["sites"]}
    return Round(line["round"], sites, {site["name"]: site["weight"] for site in line["sites"]})


def _values(metrics: list[dict[str, Any]]) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in metrics if math.isfinite(metric["value"])}


def _final(path: Path) -> dict[str, dict[str, float]]:
    if not path.is_file():
        return {}
    results = json.loads(path.read_text(encoding="utf-8"))
    return {site: models[GLOBAL_MODEL] for site, models in sorted(results.items()) if GLOBAL_MODEL in models}


def _json_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
