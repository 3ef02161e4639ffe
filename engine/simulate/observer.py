"""What every site sends in every round, written down at the server; and at a site, how its client exits.

``simulate`` copies this file into the exported job, so it depends on nothing but NVFLARE, NumPy and torch.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from nvflare.apis.dxo import DataKind, MetaKey, from_shareable
from nvflare.apis.filter import Filter
from nvflare.app_common.app_constant import AppConstants

_received = {}  # digest of the parameters that a site was last given


def _parameters(shareable):
    try:
        return from_shareable(shareable)
    except ValueError:  # not a DXO: a failed task, or a message of the workflow
        return None


def _array(value):
    value = value.detach().cpu().float().numpy() if hasattr(value, "detach") else value
    return np.ascontiguousarray(value)


def _digest(parameters):
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode() + _array(parameters[name]).astype(np.float32).tobytes())
    return digest.hexdigest()


def _unchanged(dxo, received):
    if dxo.data_kind == DataKind.WEIGHT_DIFF:
        return not any(np.any(_array(value)) for value in dxo.data.values())
    return _digest(dxo.data) == received


class Observer(Filter):
    """Looks at what passes between server and sites; with ``keep`` it keeps the parameters."""

    def __init__(self, folder: str, keep: bool = False):
        super().__init__()
        self.folder = folder
        self.keep = keep

    def process(self, shareable, fl_ctx):
        dxo = _parameters(shareable)
        if dxo is not None:
            number = shareable.get_header(AppConstants.CURRENT_ROUND, shareable.get_cookie(AppConstants.CURRENT_ROUND))
            self.look(dxo, fl_ctx.get_peer_context().get_identity_name(), number)
        return shareable

    def save(self, dxo, number, name):
        import torch

        path = Path(self.folder) / "updates" / f"round-{number}" / f"{name}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({name: torch.as_tensor(value) for name, value in dxo.data.items()}, path)


class Exits:
    """At a site, has its log tell that a client exits with a code: in FLARE's thread that is not heard of."""

    def __init__(self):
        from nvflare.app_common.executors.task_script_runner import TaskScriptRunner

        run = TaskScriptRunner.run

        def watched(runner):
            try:
                run(runner)
            except SystemExit as stop:
                if stop.code:
                    runner.logger.error(f"the client exited with {stop.code!r}")
                raise

        TaskScriptRunner.run = watched


class ToSite(Observer):
    """Remembers which model a site was given."""

    def look(self, dxo, site, number):
        if dxo.data:
            _received[site] = _digest(dxo.data)
            if self.keep:
                self.save(dxo, number, f"to-{site}")


class Evaluated(Observer):
    """Writes one JSON line per site that has only measured a model."""

    def look(self, dxo, site, number):
        if dxo.data_kind == DataKind.METRICS:
            with (Path(self.folder) / "evaluations.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"site": site, "metrics": dxo.data}) + "\n")


class FromSite(Observer):
    """Writes one JSON line per update of a site."""

    def look(self, dxo, site, number):
        parameters = dxo.data or {}
        update = {
            "round": number,
            "site": site,
            "steps": dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND),
            "parameters": len(parameters),
            "not_finite": [name for name, value in parameters.items() if not np.isfinite(_array(value)).all()],
            "unchanged": bool(parameters) and _unchanged(dxo, _received.get(site)),
        }
        with (Path(self.folder) / "updates.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(update) + "\n")
        if self.keep:
            self.save(dxo, number, site)
