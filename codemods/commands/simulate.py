"""``simulate``: run a converted folder in FLARE's simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from codemods.commands import FINDINGS, OK
from codemods.commands.shared import add_to_page, check_page
from codemods.options import FOLDER, FORMAT, REPORT, run_options


@click.command("simulate")
@FOLDER
@run_options
@click.option("--preview", is_flag=True, help="Show what each site would train on, by label, and train nothing.")
@click.option(
    "--baseline", is_flag=True, help="Train the original script too, for the same number of epochs, and compare."
)
@REPORT
@FORMAT
@click.pass_context
def command(
    ctx: click.Context, directory: Path, rounds, clients, local_epochs, time_limit, workspace, preview, baseline, page,
    form, **split,
) -> None:  # fmt: skip
    """Run a converted folder in FLARE's simulator and tell what came of it.

    The exported job runs from an empty folder, so that a missing file shows. Exits with 1 where the run failed.
    """
    from engine.job import job_settings
    from engine.simulate import TIME_LIMIT
    from engine.simulate import simulate as run

    settings = job_settings(**split)
    if preview:
        show_preview(directory, clients, settings, form)
        return
    check_page(page)
    result = run(
        directory, rounds, clients, local_epochs, time_limit=time_limit or TIME_LIMIT, workspace=workspace,
        baseline=baseline, split=settings,
    )  # fmt: skip
    tell(ctx, directory, result, page, form)


def tell(ctx: click.Context, directory: Path, result: Any, page: Path | None, form: str) -> None:
    """Print what came of a run, add it to the report, and exit accordingly.

    Args:
        ctx: of the command.
        directory: the converted folder.
        result: the run, an `engine.simulate.Simulation`.
        page: the report; None where none is asked for.
        form: ``text`` or ``json``.
    """
    from engine.simulate.report import render_text
    from engine.terminal import RUN, show

    add_to_page(page, directory, "simulation", result.as_json())
    if form == "json":
        click.echo(json.dumps(document(directory, result), indent=2))
    else:
        show(render_text(result), RUN)
    ctx.exit(OK if result.succeeded else FINDINGS)


def show_preview(directory: Path, clients: int | None, split: dict[str, Any], form: str) -> None:
    """Print what each site of a simulation would train on."""
    from dataclasses import asdict

    from engine.simulate.preview import preview, render_preview

    sites = preview(directory, clients, split=split)
    document = {"schema_version": 1, "sites": [asdict(each) for each in sites]}
    click.echo(json.dumps(document, indent=2) if form == "json" else render_preview(sites), nl=form == "json")


def document(directory: Path, result) -> dict[str, Any]:
    """The result of a simulation as JSON; where the job came from a training specification, its output document."""
    from engine.trainer import simulation_document, specification_name

    client = directory / "client.py"
    if client.is_file() and specification_name(client.read_text(encoding="utf-8", errors="replace")):
        return simulation_document(result)
    return result.as_json()
