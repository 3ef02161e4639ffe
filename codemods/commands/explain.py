"""``explain``: say what a step or a rule does."""

from __future__ import annotations

import click

from codemods.commands.shared import extended
from codemods.options import RULES


@click.command("explain")
@click.argument("name")
@RULES
def command(name: str, rule_files) -> None:
    """Say what a step or a rule does and why."""
    from engine.listing import explained

    click.echo(explained(name, extended(rule_files)))
