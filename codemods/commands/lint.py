"""``lint``: look for what keeps code from being federated."""

from __future__ import annotations

from pathlib import Path

import click

from codemods.commands.shared import extended
from codemods.options import RULES, names


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Apply the safe fixes and write the files.")
@click.option("--unsafe", is_flag=True, help="With --fix, apply unsafe fixes, too.")
@names("--select", "RULE", help="Run only these rules, by code, its beginning or name.")
@names("--ignore", "RULE", help="Leave these rules out.")
@click.option("--statistics", is_flag=True, help="Only count the findings of each rule.")
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1),
    help="Number of processes [default: one for each processor, at most 4].",
)
@RULES
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text", help="How to print."
)
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[Path, ...], fix, unsafe, select, ignore, statistics, jobs, rule_files, form
) -> None:
    """Look for what keeps training code from being federated faithfully.

    `lint - PATH` reads the text of the file PATH from standard input; with --fix it prints what the file then holds,
    and the findings go to standard error.

    Exits with 0 where nothing is left, 1 for findings, 2 where a file or a rule could not be run.
    """
    from engine import report
    from engine.lint import lint as lint_paths

    def load_rules():
        return extended(rule_files, paths).rules

    if statistics and form != "text":
        raise click.UsageError(f"--statistics counts for a person; leave out --format {form}")
    if unsafe and not fix:
        raise click.UsageError("--unsafe says which fixes to apply; add --fix")
    paths, unsaved = standard_input(paths)
    outcome = lint_paths(
        paths, load_rules, fix=fix, unsafe=unsafe, select=select, ignore=ignore, unsaved=unsaved, jobs=jobs
    )
    for error in outcome.errors:
        click.echo(f"error: {error}", err=True)
    prints_source = fix and bool(unsaved)
    for text in {**unsaved, **outcome.texts}.values() if prints_source else ():
        click.echo(text, nl=False)
    click.echo(report.statistics(outcome) if statistics else report.FORMATS[form](outcome), nl=False, err=prints_source)
    ctx.exit(outcome.exit_code)


def standard_input(paths: tuple[Path, ...]) -> tuple[tuple[Path, ...], dict[Path, bytes]]:
    """The paths to look at, and what is not read from disk: for ``- PATH``, the text of PATH from standard input."""
    from engine.result import UserError
    from engine.source import absolute

    if Path("-") not in paths:
        return paths, {}
    if len(paths) != 2 or paths[0] != Path("-"):
        raise UserError("standard input is one file: give `- PATH`, with the path that its text belongs to")
    return paths[1:], {absolute(paths[1]): click.get_binary_stream("stdin").read()}
