"""``inspect``: what a training program is."""

from __future__ import annotations

from pathlib import Path

import click

from codemods.commands import OK, REFUSED
from codemods.commands.shared import collect_rarely, extended, model_arguments, read_facts
from codemods.options import ARGUMENT, FORMAT, PATH, RULES, selection


@click.command("inspect")
@PATH
@selection
@ARGUMENT
@RULES
@FORMAT
@click.pass_context
def command(
    ctx: click.Context, path: Path, entry, model, loop, model_args, script_arguments, initial_ckpt, rule_files, form
) -> None:
    """Tell what a training program is and whether it can be federated faithfully.

    Exits with 0 where it converts, 3 where it is refused or a value is needed.
    """
    collect_rarely()
    from functools import partial

    from engine.inspection import as_json, as_text, inspect_program, refused_file
    from engine.source import NotPython3
    from rules import blockers, not_python3, warnings

    try:
        facts = read_facts(path, entry, model, loop, script_arguments)
        rules = extended(rule_files, (path,)).rules
        checks = (partial(blockers, rules=rules), partial(warnings, rules=rules))
        report = inspect_program(
            facts, model_arguments(model_args), *checks,
            first_weights=bool(initial_ckpt), script_arguments=script_arguments,
        )  # fmt: skip
    except NotPython3 as error:
        report = refused_file(path.name, not_python3.NotPython3.refusal(error))
    click.echo(as_json(report) if form == "json" else as_text(report))
    ctx.exit(OK if report["verdict"] == "convert" else REFUSED)
