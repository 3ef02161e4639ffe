"""``list``: list steps and rules."""

from __future__ import annotations

import click

from codemods.commands import FINDINGS, OK
from codemods.commands.shared import extended
from codemods.options import FORMAT, RULES


@click.command("list")
@RULES
@click.option("--test", is_flag=True, help="Run the examples of the rules that were added; exit 1 where one fails.")
@FORMAT
@click.pass_context
def command(ctx: click.Context, rule_files, test: bool, form: str) -> None:
    """List the steps and the rules, with those that a team has added."""
    from engine import listing

    everything = extended(rule_files)
    if test:
        text, good = listing.tested(everything)
        click.echo(text)
        ctx.exit(OK if good else FINDINGS)
    click.echo(listing.as_json(everything) if form == "json" else listing.as_text(everything))
