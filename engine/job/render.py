"""``job.py`` from a JobSpec."""

from __future__ import annotations

import keyword
import re
from functools import cache
from typing import TYPE_CHECKING

from engine.job.literals import LINE_LENGTH, literal
from engine.job.recipes import RECIPES, check_keywords
from engine.job.spec import CLIENT, JobSpec, Option

if TYPE_CHECKING:
    from jinja2 import Template

OWN_OPTIONS = {"clients", "rounds", "local-epochs", "workspace", "export", "export-dir", "help"}
ELSEWHERE = re.compile(r"/|~|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]*://")  # absolute, at home, on a drive, an address
WORKSPACE = "/tmp/nvflare/simulation"  # FLARE's own default
SHUTDOWN_TIMEOUT = 10.0  # FLARE's default of 0.0 kills a client in its own process right after the last round


def render(spec: JobSpec) -> str:
    """The text of ``job.py``.

    Args:
        spec: the job.

    Returns:
        Formatted Python source; the same text for the same job.

    Raises:
        UserError: where the installed NVFLARE lacks the recipe or one of its parameters.
    """
    keywords = _keywords(spec)
    check_keywords(spec.recipe, [name for name, _ in keywords])
    return _template().render(
        spec=spec,
        recipe=RECIPES[spec.recipe],
        imports=_imports(spec),
        options=_options(spec),
        train_args=_train_args(spec),
        keywords=keywords,
        needs_quotes=("launch_external_process", "needs_quotes") in keywords,
        uses_source=any(_is_relative(option.default) for option in spec.arguments.data),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("engine.job", "."), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["literal"] = literal
    return environment.get_template("job.py.j2")


def _imports(spec: JobSpec) -> list[str]:
    recipe = RECIPES[spec.recipe]
    environment = "SimEnv, add_final_global_evaluation" if spec.final_evaluation else "SimEnv"
    lines = [f"from {recipe.module} import {recipe.class_name}", f"from nvflare.recipe import {environment}"]
    if spec.server_expected_format != "numpy":
        lines.append("from nvflare.client.config import ExchangeFormat")
    return sorted(lines)


def _options(spec: JobSpec) -> list[str]:
    """The ``add_argument`` calls of job.py."""
    options = [
        _option("clients", "int", str(spec.num_clients), "number of sites"),
        _option("rounds", "int", str(spec.num_rounds), "number of rounds"),
    ]
    if spec.local_epochs:
        options.append(_option("local-epochs", "int", str(spec.local_epochs), "epochs of one round at one site"))
    for data in spec.arguments.data:
        options.append(_data_option(data))
    options.append(_option("workspace", "os.path.abspath", literal(WORKSPACE), "where the simulator works"))
    return options


def _data_option(data: Option) -> str:
    help_text = f"{data.option} of {CLIENT}"
    if data.default is None:
        return _option(job_option(data), "os.path.abspath", None, help_text)
    if _is_relative(data.default):
        return _option(job_option(data), "os.path.abspath", f"str(SOURCE / {literal(data.default)})", help_text)
    if str(data.default).startswith("~"):
        return _option(job_option(data), "os.path.expanduser", literal(data.default), help_text)
    return _option(job_option(data), None, literal(data.default), help_text)


def _option(name: str, kind: str | None, default: str | None, help_text: str) -> str:
    parts = [literal(f"--{name}"), f"type={kind}" if kind else ""]
    parts += [f"default={default}" if default is not None else "required=True", f"help={literal(help_text)}"]
    parts = [part for part in parts if part]
    line = f"parser.add_argument({', '.join(parts)})"
    if len(line) + 4 <= LINE_LENGTH:
        return line
    lines = "".join(f"        {part},\n" for part in parts)
    return f"parser.add_argument(\n{lines}    )"


def job_option(data: Option) -> str:
    """Name, without dashes, of the option of job.py that sets an option of the client."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", data.option.lstrip("-")).strip("-")
    taken = name in OWN_OPTIONS or keyword.iskeyword(name)
    return f"client-{name}" if taken else name


def _train_args(spec: JobSpec) -> list[str]:
    """Sources of the client's arguments."""
    arguments = spec.arguments
    values = [
        (arguments.epochs if spec.local_epochs else None, "args.local_epochs"),
        (arguments.rounds, "args.rounds"),
        (arguments.partitions, "args.clients"),
        *((data, f"args.{job_option(data).replace('-', '_')}") for data in arguments.data),
    ]
    return [_argument(option.option, value) for option, value in values if option]


def _argument(option: str, value: str) -> str:
    if option.startswith("--"):
        return f'f"{option}={{{value}}}"'
    return f'"{option}", str({value})'


def _keywords(spec: JobSpec) -> list[tuple[str, str]]:
    """The keyword arguments of the recipe: name and source of the value."""
    model = {"class_path": spec.model.class_path, "args": spec.model.args}
    keywords = [
        ("name", literal(spec.name)),
        ("model", literal(model, 8, len("model=,"))),
        ("min_clients", "args.clients"),
        ("num_rounds", "args.rounds"),
        ("train_script", literal(CLIENT)),
    ]
    if _train_args(spec):
        keywords.append(("train_args", "train_args"))
    keywords.append(("key_metric", literal(spec.key_metric)))
    if spec.key_metric:
        keywords.append(("key_metric_mode", literal(spec.key_metric_mode)))
    return keywords + _execution(spec)


def _execution(spec: JobSpec) -> list[tuple[str, str]]:
    keywords = []
    if spec.server_expected_format != "numpy":
        keywords.append(("server_expected_format", f"ExchangeFormat.{spec.server_expected_format.upper()}"))
    if spec.launch_external_process:
        keywords += [("launch_external_process", "True"), ("command", literal(spec.command))]
    elif spec.arguments.data:
        keywords.append(("launch_external_process", "needs_quotes"))
    else:
        return keywords
    return [*keywords, ("shutdown_timeout", str(SHUTDOWN_TIMEOUT))]


def _is_relative(default: str | int | float | None) -> bool:
    return isinstance(default, str) and default != "" and not ELSEWHERE.match(default)
