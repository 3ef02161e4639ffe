"""``train``: train from a specification."""

from __future__ import annotations

import json
from pathlib import Path

import click

from codemods.options import FORMAT, SPECIFICATION


@click.command("train")
@SPECIFICATION
@click.option("--device", help="Where to train: cpu, cuda, ...")
@click.option("--seed", type=int, help="Seed, instead of the specification's own.")
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=86400.0,
    metavar="SECONDS",
    help="End it after this long.",
)
@FORMAT
@click.pass_context
def command(ctx: click.Context, specification: Path, device, seed, time_limit, form: str) -> None:
    """Train what a training specification (YAML or JSON) describes, and print the output document.

    Exits with 2 where the status is error.
    """
    from engine.trainer import exit_code, render
    from engine.trainer import train as run

    result = run(specification, device=device, seed=seed, time_limit=time_limit)
    click.echo(json.dumps(result, indent=2) if form == "json" else render(result))
    ctx.exit(exit_code(result))
