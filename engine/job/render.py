"""``job.py`` from a JobSpec."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.job.literals import literal
from engine.job.options import EXPORT_OPTIONS, client_arguments, is_relative, job_options, site_values
from engine.job.recipes import RECIPES, check_keywords
from engine.job.spec import CLIENT, JobSpec
from engine.result import UserError

if TYPE_CHECKING:
    from jinja2 import Template

SHUTDOWN_TIMEOUT = 10.0  # FLARE's default of 0.0 kills a client in its own process right after the last round
SITES_NEED_QUOTES = """any("'" in train_args for train_args in site_args.values())"""
EXCHANGE_FORMAT = "from nvflare.client.config import ExchangeFormat"
NEEDS_QUOTES = """"'" in train_args"""

Keywords = list[tuple[str, str]]


def render(spec: JobSpec) -> str:
    """The text of ``job.py``.

    Args:
        spec: the job.

    Returns:
        Formatted Python source; the same text for the same job.

    Raises:
        UserError: where the installed NVFLARE lacks the recipe or one of its parameters.
    """
    recipe = RECIPES[spec.recipe]
    model_name = spec.model.class_path.rpartition(".")[2]
    if recipe.server_builds_from_instance and not model_name[0].isupper():
        raise UserError(f"{spec.recipe} needs a model class, and {spec.model.class_path} is a function")
    if spec.style == "fedjob":
        return _render_fedjob(spec)
    keywords = _keywords(spec)
    check_keywords(spec.recipe, [name for name, _ in keywords])
    quoting = ("launch_external_process", "needs_quotes") in keywords
    sites = {site: site_values(spec, values) for site, values in spec.sites.items()}
    sources = [*(option.default for option in spec.arguments.data), *_path_values(spec)]
    return _template("recipe.py.j2").render(
        spec=spec,
        recipe=recipe,
        model_name=model_name,
        imports=_imports(spec),
        local_imports=_local_imports(spec),
        options=job_options(spec),
        client_args=client_arguments(spec),
        sites=sites,
        keywords=keywords,
        needs_quotes=(SITES_NEED_QUOTES if spec.sites else NEEDS_QUOTES) if quoting else "",
        start=posixpath.normpath(posixpath.join(spec.source, spec.folder)),
        uses_start=any(map(is_relative, sources)) or bool(spec.arguments.files),
    )


def _render_fedjob(spec: JobSpec) -> str:
    return _template("fedjob.py.j2").render(
        spec=spec,
        recipe=RECIPES[spec.recipe],
        imports=_fedjob_imports(spec),
        options=[*job_options(spec), *EXPORT_OPTIONS],
        client_args=client_arguments(spec),
        job_model={"path": spec.model.class_path, "args": spec.model.args},
        runner_keywords=_runner(spec),
        initial_ckpt=_checkpoint(spec.initial_ckpt) if spec.initial_ckpt else "",
        start=posixpath.normpath(posixpath.join(spec.source, spec.folder)),
        uses_start=any(is_relative(one.default) for one in spec.arguments.data) or bool(spec.arguments.files),
    )


def _fedjob_imports(spec: JobSpec) -> list[str]:
    lines = [
        "from nvflare.apis.dxo import DataKind",
        "from nvflare.app_common.aggregators import InTimeAccumulateWeightedAggregator",
        "from nvflare.app_common.shareablegenerators import FullModelShareableGenerator",
        "from nvflare.app_common.workflows.scatter_and_gather import ScatterAndGather",
        "from nvflare.app_opt.pt.job_config.model import PTModel",
        "from nvflare.job_config.base_fed_job import BaseFedJob",
        "from nvflare.job_config.script_runner import ScriptRunner",
    ]
    if spec.final_evaluation:
        lines.append("from nvflare.app_common.workflows.cross_site_model_eval import CrossSiteModelEval")
    if spec.server_expected_format != "numpy":
        lines.append(EXCHANGE_FORMAT)
    return sorted(lines)


def _runner(spec: JobSpec) -> Keywords:
    """The keyword arguments of ``ScriptRunner``."""
    arguments = [("script_args", "train_args")] if client_arguments(spec) else []
    execution = [(name, NEEDS_QUOTES if value == "needs_quotes" else value) for name, value in _execution(spec)]
    return arguments + execution


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["literal"] = literal
    return environment.get_template(name)


def _path_values(spec: JobSpec) -> list[str | int]:
    return [value for values in spec.sites.values() for name, value in values.items() if name != "local_epochs"]


def _imports(spec: JobSpec) -> list[str]:
    recipe = RECIPES[spec.recipe]
    names = ["SimEnv"]
    if spec.cross_site_eval and not recipe.peer_to_peer:
        names.append("add_cross_site_evaluation")
    elif spec.final_evaluation:
        names.append("add_final_global_evaluation")
    if spec.sites:
        names.append("set_per_site_config")
    lines = [f"from {recipe.module} import {recipe.class_name}", f"from nvflare.recipe import {', '.join(names)}"]
    configured = ["ExchangeFormat"] if spec.server_expected_format != "numpy" else []
    configured += ["TransferType"] if spec.params_transfer_type else []
    if configured:
        lines.append(f"from nvflare.client.config import {', '.join(configured)}")
    if spec.aggregator_data_kind:
        lines.append("from nvflare.apis.dxo import DataKind")
    return sorted(lines)


def _local_imports(spec: JobSpec) -> list[str]:
    module, _, name = spec.model.class_path.rpartition(".")
    recipe = RECIPES[spec.recipe]
    builds_here = recipe.server_builds_from_instance or recipe.framework == "NumPy"
    lines = [f"from {module} import {name}"] if builds_here else []
    if recipe.framework == "NumPy":
        lines.append("from model_arrays import pack")
    if spec.aggregator:
        lines.append("from {} import {}".format(*spec.aggregator.split(":")))
    return sorted(lines)


def _keywords(spec: JobSpec) -> Keywords:
    """The keyword arguments of the recipe: name and source of the value."""
    recipe = RECIPES[spec.recipe]
    work = "eval" if recipe.evaluates else "train"
    keywords = [
        ("name", literal(spec.name)),
        ("model", _model(spec)),
        ("min_clients", "len(SITES)" if spec.sites else "args.clients"),
        *([] if recipe.evaluates else [("num_rounds", "args.rounds")]),
        (f"{work}_script", literal(CLIENT)),
    ]
    if client_arguments(spec):
        keywords.append((f"{work}_args", '{"script_args": train_args}' if recipe.peer_to_peer else "train_args"))
    if recipe.peer_to_peer and not spec.key_metric:
        keywords.append(("key_metric", "None"))
    elif recipe.selects_best or recipe.peer_to_peer:
        keywords.append(("key_metric", literal(spec.key_metric)))
        if spec.key_metric:
            keywords.append(("key_metric_mode", literal(spec.key_metric_mode)))
    return keywords + _chosen(spec) + _execution(spec)


def _model(spec: JobSpec) -> str:
    """The initial model: an instance, or what the server builds it from; for NumPy its numbers, which travel along."""
    recipe = RECIPES[spec.recipe]
    if recipe.framework == "NumPy":
        args = ", ".join(f"{name}={literal(value)}" for name, value in spec.model.args.items())
        return f"pack(*{spec.model.class_path.rpartition('.')[2]}({args})).tolist()"
    model = {"class_path": spec.model.class_path, "args": spec.model.args}
    return "model" if recipe.server_builds_from_instance else literal(model, 8, len("model=,"))


def _chosen(spec: JobSpec) -> Keywords:
    """What only some jobs have."""
    plain = ["stop_cond", "patience", "fedprox_mu", "optimizer_args", "lr_scheduler_args"]
    values = asdict(spec)
    keywords = [(name, literal(values[name], 8, len(name) + 2)) for name in plain if values[name] is not None]
    if spec.cross_site_eval and RECIPES[spec.recipe].peer_to_peer:
        keywords.append(("do_cross_site_eval", "True"))
    if spec.initial_ckpt:
        name = "eval_ckpt" if RECIPES[spec.recipe].evaluates else "initial_ckpt"
        keywords.append((name, _checkpoint(spec.initial_ckpt)))
    if spec.aggregator:
        keywords.append(("aggregator", f"{spec.aggregator.split(':')[1]}()"))
    if spec.aggregator_data_kind:
        keywords.append(("aggregator_data_kind", f"DataKind.{spec.aggregator_data_kind}"))
    if spec.params_transfer_type:
        keywords.append(("params_transfer_type", f"TransferType.{spec.params_transfer_type}"))
    return keywords


def _checkpoint(path: str) -> str:
    """A file that FLARE packs, as it is; one outside the folder by its whole path, which the server reads."""
    return f"os.path.abspath({literal(path)})" if path.startswith("..") else literal(path)


def _execution(spec: JobSpec) -> Keywords:
    keywords = []
    if spec.server_expected_format != "numpy":
        name = "aggregation_format" if RECIPES[spec.recipe].peer_to_peer else "server_expected_format"
        keywords.append((name, f"ExchangeFormat.{spec.server_expected_format.upper()}"))
    if spec.launch_external_process:
        keywords += [("launch_external_process", "True"), ("command", literal(spec.command))]
    elif spec.arguments.data or any(shlex.quote(argument) != argument for argument in spec.script_arguments):
        keywords.append(("launch_external_process", "needs_quotes"))
    else:
        return keywords
    if RECIPES[spec.recipe].shutdown_timeout:
        keywords.append(("shutdown_timeout", str(SHUTDOWN_TIMEOUT)))
    return keywords
