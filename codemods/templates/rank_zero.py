"""FLARE's Client API for every rank of a distributed training: rank 0 talks to FLARE, the others get its answers."""

from datetime import timedelta

import nvflare.client as flare
import torch.distributed as dist
from nvflare.client import FLModel, get_site_name, init  # noqa: F401  (used as flare.FLModel and so on)

_group = None  # of all ranks, on the CPU whatever the training uses
LONGEST_ROUND = timedelta(days=30)  # the other ranks wait for rank 0 while other sites train


def is_running():
    """Whether the job goes on, on every rank."""
    return _from_rank_zero(flare.is_running)


def receive():
    """The received model, on every rank."""
    return _from_rank_zero(flare.receive)


def is_evaluate():
    """Whether only metrics are asked for."""
    return _from_rank_zero(flare.is_evaluate)


def is_submit_model():
    """Whether the trained model is asked for."""
    return _from_rank_zero(flare.is_submit_model)


def send(model):
    """Send what rank 0 has; all ranks have trained the same model."""
    if not _is_distributed() or dist.get_rank() == 0:
        flare.send(model)


def _from_rank_zero(ask):
    """What FLARE answers on rank 0, handed to all ranks."""
    if not _is_distributed():
        return ask()
    global _group
    _group = _group or dist.new_group(backend="gloo", timeout=LONGEST_ROUND)
    answer = [ask() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(answer, src=0, group=_group)
    return answer[0]


def _is_distributed():
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized()
