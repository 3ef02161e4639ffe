"""``renew``: bring converted folders up to date."""

from __future__ import annotations

from pathlib import Path

import click

from codemods.commands import ERROR, FINDINGS, OK
from codemods.commands.shared import for_source


@click.command("renew")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would change.")
@click.option("--force", is_flag=True, help="Give up edits of files that have to change.")
@click.pass_context
def command(ctx: click.Context, folders: tuple[Path, ...], check: bool, force: bool) -> None:
    """Bring converted folders up to date with their source, with the options they were made with.

    FOLDERS are converted folders, or have some below them; without any it is the working directory. What you have
    edited stays, unless its source has changed so that the file has to change too. Exits with 2 where that is so, and
    where a source can no longer be converted.
    """
    from engine import renewal
    from engine.result import UserError

    codes = [OK]
    converted = renewal.folders(folders) if folders else renewal.below(Path("."))
    if not converted:
        click.echo("there is no converted folder here", err=True)
    for folder in converted:
        try:
            found = renewal.renew(folder, for_source)
            if not check:
                renewal.write(found, force)
            click.echo(renewal.as_text(found, check))
            codes.append(FINDINGS if check and found.files else OK)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            codes.append(ERROR)
    ctx.exit(max(codes))
