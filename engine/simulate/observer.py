"""What every site sends in every round, written down at the server.

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


class GlobalModel(Filter):
    """Remembers which global model a site was given."""

    def process(self, shareable, fl_ctx):
        dxo = _parameters(shareable)
        if dxo is not None and dxo.data:
            _received[fl_ctx.get_peer_context().get_identity_name()] = _digest(dxo.data)
        return shareable


class SiteUpdate(Filter):
    """Writes one JSON line per update of a site, and with ``keep`` its parameters."""

    def __init__(self, folder: str, keep: bool = False):
        super().__init__()
        self.folder = folder
        self.keep = keep

    def process(self, shareable, fl_ctx):
        dxo = _parameters(shareable)
        if dxo is None:
            return shareable
        site = fl_ctx.get_peer_context().get_identity_name()
        parameters = dxo.data or {}
        update = {
            "round": shareable.get_header(AppConstants.CURRENT_ROUND, shareable.get_cookie(AppConstants.CURRENT_ROUND)),
            "site": site,
            "steps": dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND),
            "parameters": len(parameters),
            "not_finite": [name for name, value in parameters.items() if not np.isfinite(_array(value)).all()],
            "unchanged": bool(parameters) and _unchanged(dxo, _received.get(site)),
        }
        folder = Path(self.folder)
        with (folder / "updates.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(update) + "\n")
        if self.keep:
            self._save(folder / "updates" / f"round-{update['round']}" / f"{site}.pt", dxo)
        return shareable

    @staticmethod
    def _save(path, dxo):
        import torch

        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({name: torch.as_tensor(value) for name, value in dxo.data.items()}, path)
