"""``poc``: run a converted folder on a real deployment on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from codemods.commands import FINDINGS, OK
from codemods.commands.shared import add_to_page, check_page
from codemods.commands.simulate import document
from codemods.options import FOLDER, FORMAT, REPORT, split_options


@click.command("poc")
@FOLDER
@click.option("--rounds", metavar="N", type=click.IntRange(1), help="Number of rounds, instead of the job's own.")
@click.option("--clients", metavar="N", type=click.IntRange(1), help="Number of sites, instead of the job's own.")
@click.option(
    "--local-epochs", metavar="N", type=click.IntRange(1), help="Epochs of one round, instead of the job's own."
)
@split_options
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="End everything after this long."
)
@click.option("--workspace", type=click.Path(path_type=Path), help="Empty or new folder for what the run writes.")
@REPORT
@FORMAT
@click.pass_context
def command(
    ctx: click.Context, directory: Path, rounds, clients, local_epochs, time_limit, workspace, page, form, **split
) -> None:
    """Run a converted folder on a real FLARE deployment of separate processes on this machine.

    Its server listens on ports 8002 and 8003 of all network interfaces. Exits with 1 where the run failed.
    """
    from engine.job import job_settings
    from engine.simulate import TIME_LIMIT, deploy
    from engine.simulate.report import render_text
    from engine.terminal import RUN, show

    check_page(page)
    result = deploy(
        directory, rounds, clients, local_epochs, time_limit=time_limit or TIME_LIMIT, workspace=workspace,
        split=job_settings(**split),
    )  # fmt: skip
    add_to_page(page, directory, "simulation", result.as_json())
    if form == "json":
        click.echo(json.dumps(document(directory, result), indent=2))
    else:
        show(render_text(result), RUN)
    ctx.exit(OK if result.succeeded else FINDINGS)
