"""The command line of ``job.py`` and the arguments it gives to the client."""

from __future__ import annotations

import re

from engine.job.literals import LINE_LENGTH, literal
from engine.job.recipes import RECIPES
from engine.job.spec import CLIENT, JobSpec, Option, option_name

ELSEWHERE = re.compile(r"/|~|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]*://")  # absolute, at home, on a drive, an address
WORKSPACE = "/tmp/nvflare/simulation"  # FLARE's own default
EXPORT_OPTIONS = [  # a recipe has them from FLARE
    'parser.add_argument("--export", action="store_true", help="write the job folder instead")',
    'parser.add_argument("--export-dir", type=os.path.abspath, default="fl_job", help="where it is written")',
]


def job_options(spec: JobSpec) -> list[str]:
    """The ``add_argument`` calls of job.py."""
    options = []
    if not RECIPES[spec.recipe].evaluates:
        options.append(_option("rounds", "int", str(spec.num_rounds), "number of rounds"))
    if not spec.sites:
        options.insert(0, _option("clients", "int", str(spec.num_clients), "number of sites"))
    if spec.is_split:
        text = "how the training data is split: even, stratified or dirichlet:alpha=0.5, each also with :weights=3,1"
        options.append(_option("partition", None, literal(spec.split), text))
    if spec.local_epochs:
        options.append(_option("local-epochs", "int", str(spec.local_epochs), "epochs of one round at one site"))
    for data in spec.arguments.data:
        everywhere = bool(spec.sites) and all(option_name(data) in values for values in spec.sites.values())
        options.append(_data_option(data, required=not everywhere))
    options.append(_option("workspace", "os.path.abspath", literal(WORKSPACE), "where the simulator works"))
    return options


def client_arguments(spec: JobSpec) -> list[str]:
    """Sources of the client's arguments, from the options of job.py."""
    arguments, given = spec.arguments, [_given(spec, argument) for argument in spec.script_arguments]
    values = [
        (arguments.epochs if spec.local_epochs else None, _epochs(arguments.epochs)),
        (None if RECIPES[spec.recipe].evaluates else arguments.rounds, "{args.rounds}"),
        (arguments.partitions if spec.is_split else None, "{args.clients}:{args.partition}"),
        *((data, _data(data)) for data in arguments.data),
    ]
    return given + [_argument(option.option, value) for option, value in values if option] + _settings(spec)


def _settings(spec: JobSpec) -> list[str]:
    """Sources of the arguments that only sites with a file of settings of their own are given."""
    names = {name for values in spec.sites.values() for name in values}
    found = [(option, option_name(option)) for option in spec.arguments.settings]
    return [
        f'*([{_argument(option.option, f"{{args.{name}}}")}] if "{name}" in args else [])'
        for option, name in found
        if name in names
    ]


def _given(spec: JobSpec, argument: str) -> str:
    """Source of an argument of the script; a file of the source project is found wherever the client runs."""
    name, equals, value = argument.rpartition("=")
    if value not in spec.arguments.files:
        return literal(argument)
    return f"{literal(name + equals)} + {_path(value)}" if equals else _path(value)


def _epochs(option: Option | None) -> str:
    """What the client is told of its local epochs, as part of an f-string."""
    beyond = option.beyond if option else 0
    return f"{{args.local_epochs {'+' if beyond > 0 else '-'} {abs(beyond)}}}" if beyond else "{args.local_epochs}"


def _data(option: Option) -> str:
    """What the client is told of where its data lies; a script that appends to a path needs its last slash."""
    value = f"args.{option_name(option)}"
    return f"{{os.path.join({value}, '')}}" if str(option.default).endswith("/") else f"{{{value}}}"


def site_values(spec: JobSpec, values: dict[str, str | int]) -> dict[str, str]:
    """Sources of the values of a named site."""
    return {name: _path(value) if is_relative(value) else literal(value) for name, value in values.items()}


def is_relative(value: str | int | float | None) -> bool:
    """Whether a value is a path that starts at the source project."""
    return isinstance(value, str) and value != "" and not ELSEWHERE.match(value)


def _path(value: str | int | float) -> str:
    return f"str(SOURCE / {literal(value)})"


def _argument(option: str, value: str) -> str:
    if option.startswith("--"):
        return f'f"{option}={value}"'
    return f'"{option}", f"{value}"'


def _data_option(data: Option, required: bool) -> str:
    name, text = option_name(data).replace("_", "-"), f"{data.option} of {CLIENT}"
    if data.default is None:
        return _option(name, "os.path.abspath", None if required else '""', text)
    if is_relative(data.default):
        return _option(name, "os.path.abspath", _path(data.default), text)
    if str(data.default).startswith("~"):
        return _option(name, "os.path.expanduser", literal(data.default), text)
    return _option(name, None, literal(data.default), text)


def _option(name: str, kind: str | None, default: str | None, help_text: str) -> str:
    parts = [
        literal(f"--{name}"),
        f"type={kind}" if kind else "",
        "required=True" if default is None else f"default={default}",
        f"help={literal(help_text)}",
    ]
    parts = [part for part in parts if part]
    line = f"parser.add_argument({', '.join(parts)})"
    if len(line) + 4 <= LINE_LENGTH:
        return line
    lines = "".join(f"        {part},\n" for part in parts)
    return f"parser.add_argument(\n{lines}    )"
