"""The options of a command line that set a job; ``engine.job.job_settings`` makes fields of JobSpec of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def separated(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The names that an option was given, each time one or several with commas between them."""
    names = [name.strip() for text in given for name in text.split(",")]
    if not all(names):
        raise click.BadParameter("a name is empty; give one, or several with commas between them")
    return tuple(names)


def names(option: str, metavar: str, help: str) -> Callable:
    """An option for names: ``--select FLR1,FLR2``, or ``--select FLR1 --select FLR2``."""
    return click.option(option, multiple=True, metavar=f"{metavar},...", callback=separated, help=help)


EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
SIZE = (
    click.option("--clients", "num_clients", metavar="N", type=click.IntRange(1), help="Number of sites."),
    click.option("--rounds", "num_rounds", metavar="N", type=click.IntRange(1), help="Number of rounds."),
    click.option("--local-epochs", metavar="N", type=click.IntRange(1), help="Epochs a site trains in one round."),
)
SPLIT = (
    click.option(
        "--partition",
        type=click.Choice(["even", "stratified", "dirichlet"]),
        help="How a simulation splits the training data between the sites.",
    ),
    click.option(
        "--alpha",
        metavar="X",
        type=click.FloatRange(0, min_open=True),
        help="With --partition dirichlet: the smaller, the more the labels of the sites differ.",
    ),
    click.option("--site-weights", metavar="3,1,...", help="Sizes of the sites' parts, in proportion."),
)
RUN_SIZE = (
    click.option("--rounds", metavar="N", type=click.IntRange(1), help="Number of rounds, instead of the job's own."),
    click.option("--clients", metavar="N", type=click.IntRange(1), help="Number of sites, instead of the job's own."),
    click.option(
        "--local-epochs", metavar="N", type=click.IntRange(1), help="Epochs of one round, instead of the job's own."
    ),
)
RUN_LIMITS = (
    click.option(
        "--time-limit",
        metavar="SECONDS",
        type=click.FloatRange(0, min_open=True),
        help="End everything after this long.",
    ),
    click.option("--workspace", type=click.Path(path_type=Path), help="Empty or new folder for what the run writes."),
)
ARGUMENT = click.option(
    "--arg",
    "script_arguments",
    multiple=True,
    metavar="TEXT",
    help="An argument of the script, as it is given on its command line, such as 50 or --lr=0.1.",
)
EXECUTION = (
    ARGUMENT,
    click.option("--launch", "command", metavar="COMMAND", help='What starts the script, such as "torchrun ...".'),
)
RECIPE = click.option(
    "--recipe",
    metavar="NAME",
    help="Algorithm: fedavg-pt, fedprox-pt, fedopt-pt, scaffold-pt, cyclic-pt, swarm-pt or fedeval-pt; for NumPy "
    "fedavg-numpy.",
)
FEDPROX_MU = click.option(
    "--fedprox-mu",
    metavar="X",
    type=click.FloatRange(0, min_open=True),
    help="FedProx: weight of the proximal term [default: FLARE's 0.01].",
)
ALGORITHM = (
    RECIPE,
    FEDPROX_MU,
    click.option(
        "--style",
        type=click.Choice(["recipe", "fedjob"]),
        help="Describe the job by a recipe, or put it together of FLARE's components.",
    ),
    click.option("--server-optimizer", metavar="CLASS:NAME=VALUE,...", help="FedOpt: the optimizer of the server."),
    click.option("--aggregator", metavar="MODULE:CLASS", help="A ModelAggregator of yours instead of the mean."),
    click.option(
        "--aggregator-data-kind",
        type=click.Choice(["WEIGHTS", "WEIGHT_DIFF"]),
        help="What that ModelAggregator expects.",
    ),
    click.option(
        "--transfer-type",
        "params_transfer_type",
        type=click.Choice(["FULL", "DIFF"]),
        help="Send whole models, or what a round has changed.",
    ),
    click.option("--external-process", "launch_external_process", is_flag=True, help="Train in a process of its own."),
    click.option("--command", metavar="COMMAND", help="With --external-process: what starts the client's script."),
    click.option("--initial-ckpt", type=EXISTING, help="Weights to start from."),
    click.option("--stop-cond", metavar="CONDITION", help='End early, such as "accuracy >= 0.9".'),
    click.option(
        "--patience",
        metavar="N",
        type=click.IntRange(1),
        help="With --stop-cond: end after this many rounds without gain.",
    ),
    click.option("--cross-site-eval", is_flag=True, help="Let every site evaluate the model of every other."),
    click.option("--site", multiple=True, metavar="NAME:KEY=VALUE", help="A named site, with an option of its own."),
    click.option("--sites-file", type=EXISTING, help="TOML file with a table of options per site."),
)

REPORT = click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write a report to, or to add to.",
)
RULES = click.option(
    "--rules", "rule_files", type=EXISTING, multiple=True, help="TOML file of rewrite rules of your own."
)


FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
PATH = click.argument("path", type=click.Path(path_type=Path))
FOLDER = click.argument("directory", type=click.Path(path_type=Path))
SPECIFICATION = click.argument("specification", metavar="SPEC", type=click.Path(path_type=Path))


def selection(command: Any) -> Any:
    """The options that choose what is meant where a project leaves it open."""
    options = (
        click.option("--entry", metavar="FILE", help="The training script, where PATH is a folder."),
        click.option("--model", metavar="NAME", help="The model to train, where there are several."),
        click.option("--loop", metavar="FILE:LINE", help="The epoch loop, where there are several."),
        click.option("--model-arg", "model_args", metavar="NAME=VALUE", multiple=True,
                     help="A constructor argument of the model that the source does not tell."),
        click.option("--initial-ckpt", type=EXISTING, help="The weights to start from, where the script loads some."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command every option that sets a job, by the names that :func:`engine.job.job_settings` takes."""
    return _with(command, (*SIZE, *SPLIT, *EXECUTION, *ALGORITHM))


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options of a run of the job, by the names of the arguments of `engine.simulate`."""
    return _with(command, (*RUN_SIZE, *SPLIT, *RUN_LIMITS))


def execution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options that say how a site starts the script."""
    return _with(command, EXECUTION)


def _with(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
