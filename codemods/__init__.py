"""The steps of a conversion, in order. Each turns the plan's decisions into small edits; none knows another."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.pipeline import Step

    PIPELINE: tuple[Step, ...]

STEPS = (
    "extract_model",
    "expose_arguments",
    "insert_flare_init",
    "partition_data",
    "wrap_in_is_running",
    "load_global_params",
    "load_global_arrays",
    "evaluate_global_model",
    "add_fedprox_term",
    "add_scaffold_controls",
    "count_steps",
    "keep_received_weights",
    "rescale_schedulers",
    "safe_checkpoint_load",
    "per_site_outputs",
    "rank_zero_exchange",
    "send_params",
    "send_arrays",
)


def __getattr__(name: str) -> object:
    """``PIPELINE``: the steps, imported when first asked for; the command line starts without libcst."""
    if name != "PIPELINE":
        raise AttributeError(name)
    return tuple(map(load, STEPS))


def template(name: str) -> str:
    """The text of a file that steps add to a job."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def load(name: str) -> Step:
    """The step of a name."""
    return import_module(f"codemods.{name}").step
