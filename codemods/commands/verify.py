"""``verify``: prove a conversion."""

from __future__ import annotations

import json
from pathlib import Path

import click

from codemods.commands.shared import add_to_page, check_page
from codemods.options import FOLDER, FORMAT, REPORT


@click.command("verify")
@FOLDER
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(2),
    default=2,
    show_default=True,
    help="Rounds of the proofs over several, P2 and P4.",
)
@click.option(
    "--local-epochs", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Epochs of one round."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of both scripts.")
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), default=600.0, metavar="SECONDS", help="For each run."
)
@click.option(
    "--arg", "arguments", multiple=True, metavar="TEXT", help="An argument for both scripts, such as --lr=0.1."
)
@click.option("--gpu", is_flag=True, help="Let the scripts see the machine's GPUs.")
@REPORT
@FORMAT
@click.pass_context
def command(
    ctx: click.Context, directory: Path, rounds, local_epochs, seed, time_limit, arguments, gpu, page, form
) -> None:
    """Prove that a converted folder trains what its source trains.

    Exits with 1 where a proof fails, naming the first difference.
    """
    from engine.terminal import PROOFS, show
    from engine.verify import Settings
    from engine.verify import verify as prove
    from engine.verify.report import render_json, render_text

    settings = Settings(
        rounds=rounds, local_epochs=local_epochs, seed=seed, time_limit=time_limit, arguments=arguments, gpu=gpu
    )
    check_page(page)
    report = prove(directory, settings, announce=lambda text: click.echo(text, err=True))
    add_to_page(page, directory, "proofs", json.loads(render_json(report)))
    if form == "json":
        click.echo(render_json(report))
    else:
        show(render_text(report), PROOFS)
    ctx.exit(report.exit_code)
