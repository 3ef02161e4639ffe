"""The settings of a job as they are typed on a command line."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.job.sites import named_sites
from engine.result import UserError

TORCHRUN = "python3 -u -m torch.distributed.run"
SPLIT = ["partition", "alpha", "site_weights"]
FIELDS = {
    "partition": SPLIT,
    "alpha": SPLIT[:2],
    "site-weights": SPLIT[2:],
    "recipe": ["recipe"],
    "fedprox-mu": ["fedprox_mu"],
    "style": ["style"],
    "server-optimizer": ["optimizer_args"],
    "aggregator": ["aggregator", "aggregator_data_kind"],
    "transfer-type": ["params_transfer_type"],
    "initial-ckpt": ["initial_ckpt"],
    "stop-cond": ["stop_cond", "patience"],
    "patience": ["patience"],
    "cross-site-eval": ["cross_site_eval"],
    "site": ["sites"],
}


def job_settings(
    *,
    server_optimizer: str | None = None,
    initial_ckpt: Path | None = None,
    partition: str | None = None,
    alpha: float | None = None,
    site_weights: str | None = None,
    command: str | None = None,
    site: Iterable[str] = (),
    sites_file: Path | None = None,
    directory: Path | None = None,
    **plain: Any,
) -> dict[str, Any]:
    """Fields of JobSpec from the options of a command.

    Args:
        server_optimizer: FedOpt's optimizer with its arguments, such as ``torch.optim.Adam:lr=0.01``.
        initial_ckpt: weights to start from; packed into the job where the file lies in the converted folder.
        partition, alpha: how the training data is split; an alpha means a Dirichlet distribution.
        site_weights: sizes of the parts, such as ``3,1``.
        command: what starts the client in a process of its own.
        site: named sites, such as ``hospital-a:data_dir=/data/a``.
        sites_file: TOML file with one table per site.
        directory: the converted folder, for ``initial_ckpt``.
        plain: fields that are taken as they are.

    Returns:
        Only what was given: ``None``, ``False`` and nothing at all mean that a field stays as it is.

    Raises:
        UserError: where a text is not understood.
    """
    settings = {name: value for name, value in plain.items() if value not in (None, False, "", ())}
    if server_optimizer:
        settings["optimizer_args"] = component(server_optimizer)
    if initial_ckpt:
        settings["initial_ckpt"] = _checkpoint(Path(initial_ckpt).resolve(), directory)
    settings |= _split(partition, alpha, site_weights)
    if command:
        settings |= {"launch_external_process": True, "command": _command(command)}
    sites = named_sites(site, sites_file)
    return {**settings, "sites": sites} if sites else settings


def fields_of(option: str) -> list[str]:
    """The fields of JobSpec that an option of `job` sets.

    Args:
        option: its name, with or without the dashes in front.

    Raises:
        UserError: where there is no such option, or its value cannot be taken back.
    """
    name = option.lstrip("-")
    if name not in FIELDS:
        raise UserError(f"--without {option} is not understood: it takes one of {', '.join(FIELDS)}")
    return FIELDS[name]


def _command(text: str) -> str:
    """``torchrun`` as the module that FLARE finds with the site's Python."""
    program, _, rest = text.strip().partition(" ")
    return f"{TORCHRUN} {rest}".strip() if program == "torchrun" else text.strip()


def _split(partition: str | None, alpha: float | None, site_weights: str | None) -> dict[str, Any]:
    if alpha and partition not in (None, "dirichlet"):
        raise UserError(f"--alpha is for --partition dirichlet, and not for {partition}: leave out one of them")
    kind = "dirichlet" if alpha else partition
    try:
        weights = [float(weight) for weight in site_weights.split(",")] if site_weights else None
    except ValueError:
        raise UserError(f"--site-weights {site_weights} is not understood: write one number per site, as 3,1") from None
    found = {"partition": kind, "alpha": alpha, "site_weights": weights}
    return {name: value for name, value in found.items() if value is not None}


def component(text: str) -> dict[str, Any]:
    """A class with arguments that FLARE builds, from a text such as ``torch.optim.SGD:lr=1.0,momentum=0.9``.

    Raises:
        UserError: where an argument is not ``name=value`` with a plain Python value.
    """
    path, _, rest = text.partition(":")
    try:
        call = ast.parse(f"f({rest})", mode="eval").body
        args = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        values = json.loads(json.dumps(args, allow_nan=False))  # as conversion.json will give them back
    except (SyntaxError, ValueError, TypeError):
        call = None
    if call is None or call.args or None in args:
        raise UserError(f"{text} is not understood: write CLASS:NAME=VALUE,..., such as torch.optim.Adam:lr=0.01")
    return {"path": path, "args": values}


def _checkpoint(path: Path, directory: Path | None) -> str:
    if not path.is_file():
        raise UserError(f"{path} does not exist: --initial-ckpt takes a file with the weights to start from")
    folder = Path(directory).resolve() if directory is not None else None
    beside = folder is not None and path.is_relative_to(folder.parent)
    return Path(os.path.relpath(path, folder)).as_posix() if beside else str(path)
