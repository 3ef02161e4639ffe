"""``poc``: run a converted folder on a real deployment on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from codemods.commands.shared import check_page
from codemods.commands.simulate import tell
from codemods.options import FOLDER, FORMAT, REPORT, run_options


@click.command("poc")
@FOLDER
@run_options
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

    check_page(page)
    result = deploy(
        directory, rounds, clients, local_epochs, time_limit=time_limit or TIME_LIMIT, workspace=workspace,
        split=job_settings(**split),
    )  # fmt: skip
    tell(ctx, directory, result, page, form)
