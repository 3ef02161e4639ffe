"""``job``: change the job of a converted folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codemods.commands import FINDINGS, OK
from codemods.options import FOLDER, job_options


@click.command("job")
@FOLDER
@job_options
@click.option("--without", multiple=True, metavar="OPTION", help="Take back what was chosen before, as stop-cond.")
@click.option("--diff", is_flag=True, help="Show the change and write nothing; exit 1 if there is one.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if job.py would change.")
@click.option("--force", is_flag=True, help="Give up edits of job.py that are in the way.")
@click.pass_context
def command(ctx: click.Context, directory: Path, without, diff: bool, check: bool, force: bool, **options) -> None:
    """Change job.py of a converted folder in place, around your own edits: sites, rounds, algorithm, data.

    Exits with 2 where an edit of yours stands where job.py has to change.
    """
    from engine import atomic, output
    from engine.job import job_settings, update_job

    settings, anew = job_settings(directory=directory, **options), None
    if "script_arguments" in settings:
        anew = with_arguments(directory, settings["script_arguments"])
        settings["script_arguments"] = anew["job"]["script_arguments"]
    files = update_job(directory, force, without, anew, **settings)
    current = {name: (directory / name).read_bytes() for name in files if (directory / name).is_file()}
    changed = {name: content for name, content in files.items() if current.get(name) != content}
    if diff:
        click.echo(output.diff({name: (name, content) for name, content in current.items()}, changed), nl=False)
    if diff or check:
        ctx.exit(FINDINGS if changed else OK)
    atomic.write(directory, changed)
    click.echo(f"{directory / 'job.py'} {'written' if changed else 'is up to date'}")


def with_arguments(directory: Path, words: tuple[str, ...]) -> dict[str, Any]:
    """What the conversion says where the script is given these arguments."""
    from codemods.commands.shared import for_source
    from engine import renewal

    return renewal.with_arguments(directory, words, for_source)
