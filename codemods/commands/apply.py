"""``apply``: convert a training script."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codemods.commands import FINDINGS, OK, REFUSED
from codemods.commands.shared import check_page, collect_rarely, extended, model_arguments, read_facts
from codemods.options import FEDPROX_MU, FORMAT, PATH, RECIPE, REPORT, RULES, execution_options, names, selection

if TYPE_CHECKING:
    from engine.apply import Choose, Outcome
    from engine.extension import Extended
    from engine.facts import Facts
    from engine.output import Comparison
    from engine.source import NotPython3


@click.command("apply")
@PATH
@selection
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to [default: federated/ beside the script]."
)
@click.option("--diff", is_flag=True, help="Show the change and write nothing; exit 1 if there is one.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would change.")
@click.option("--interactive", is_flag=True, help="Show the change of each step and ask whether to make it.")
@click.option("--force", is_flag=True, help="Overwrite files that the tool did not write, or that were edited since.")
@names("--only", "STEP", help="Run only these steps.")
@names("--skip", "STEP", help="Leave these steps out.")
@click.option("--clients", metavar="N", type=click.IntRange(1), help="Number of sites in the job.")
@click.option("--rounds", metavar="N", type=click.IntRange(1), help="Number of rounds in the job.")
@click.option("--local-epochs", metavar="N", type=click.IntRange(1), help="Epochs a site trains in one round.")
@RECIPE
@FEDPROX_MU
@execution_options
@RULES
@REPORT
@FORMAT
@click.pass_context
def command(
    ctx: click.Context, path: Path, entry, out, diff, check, interactive, force, page, form, **chosen
) -> None:  # fmt: skip
    """Convert a training script, or the one in a folder, into a federated job.

    The source is left as it is. Exits with 3, having written nothing, where the script is refused or a value is needed.
    """
    collect_rarely()
    from engine.result import UserError
    from engine.source import NotPython3
    from rules import warnings

    if interactive and (diff or check):
        raise UserError("--interactive writes what you choose, --diff and --check write nothing; choose one of them")
    check_page(page)
    try:
        facts = read_facts(path, entry, chosen["model"], chosen["loop"], chosen["script_arguments"])
    except NotPython3 as error:
        tell_refused(path.name, error, page, form)
        ctx.exit(REFUSED)
    folder = Path(out) if out else facts.project.entry.path.parent / "federated"
    shown = folder if out or Path.cwd() not in folder.parents else folder.relative_to(Path.cwd())
    everything = extended(chosen["rule_files"], (path,))
    outcome = converted(facts, folder, everything, ask_about if interactive else None, **chosen)
    if page:
        from engine.page.document import report_on

        report_on(page, outcome, everything.steps, warnings(facts, everything.rules))
    if outcome.files is None:
        tell_outcome(outcome, folder, shown, form, None)
        ctx.exit(REFUSED)
    if diff or check:
        ctx.exit(tell_change(outcome, folder, shown, form, diff))
    tell_outcome(outcome, folder, shown, form, write(outcome, folder, shown, force))


def converted(
    facts: Facts, folder: Path, everything: Extended, ask: Choose | None, *, model, loop, model_args, initial_ckpt,
    only, skip, clients, rounds, local_epochs, recipe, fedprox_mu, rule_files, **execution,
) -> Outcome:  # fmt: skip
    """What comes of converting a program with the options of the command.

    Args:
        facts: of the program.
        folder: where the result will lie.
        everything: the steps and the rules there are.
        ask: picks from the steps, where a person is asked.
    """
    from engine.apply import build
    from engine.configuration import Configuration
    from engine.job import job_settings
    from engine.pipeline import select
    from engine.plan import Choices
    from rules import blockers

    steps, refuse = select(everything.steps, only, skip), partial(blockers, rules=everything.rules)
    usual = Configuration().of(facts.project.entry.path).apply
    settings = {
        "num_clients": clients or usual.get("clients"),
        "num_rounds": rounds or usual.get("rounds"),
        "local_epochs": local_epochs or usual.get("local_epochs"),
        "fedprox_mu": fedprox_mu,
        **job_settings(initial_ckpt=initial_ckpt, directory=folder, **execution),
    }
    choices = Choices(model_arguments(model_args), recipe or "", bool(initial_ckpt))
    options = {
        "model": model,
        "loop": loop,
        "model_args": choices.model_args,
        "initial_ckpt": choices.first_weights,
        "only": only,
        "skip": skip,
        "rules": [Path(os.path.relpath(file, folder)).as_posix() for file in rule_files],
    }
    return build(facts, steps, refuse, folder.resolve(), choices, settings, options, everything.steps, ask)


def write(outcome: Outcome, folder: Path, shown: Path, force: bool) -> Comparison:
    """Write what came of a conversion.

    Args:
        outcome: what came of it.
        folder: where to.
        shown: the same, for a person.
        force: overwrite what the tool did not write, too.

    Returns:
        How it differed from what lay there.

    Raises:
        UserError: what lies there would be lost, or cannot be written.
    """
    from engine import atomic, output

    atomic.finish(folder)
    comparison = output.compare(folder, outcome.files)
    output.guard(shown, comparison, force)
    atomic.write(folder, comparison.changed, outcome.modes)
    return comparison


def tell_change(outcome: Outcome, folder: Path, shown: Path, form: str, diff: bool) -> int:
    """Say what would change in a folder.

    Args:
        outcome: what came of a conversion.
        folder: where it would be written.
        shown: the same, for a person.
        form: ``json`` or ``text``.
        diff: as a diff, rather than by the names of the files.

    Returns:
        The exit code.
    """
    from engine import output

    comparison = output.compare(folder, outcome.files)
    if diff:
        click.echo(output.diff(outcome.sources, comparison.changed), nl=False)
    elif form == "json":
        tell_outcome(outcome, folder, shown, form, comparison)
    elif comparison.changed:
        click.echo(f"{shown} would change: {', '.join(sorted(comparison.changed))}", err=True)
    return FINDINGS if comparison.changed else OK


def tell_outcome(outcome: Outcome, folder: Path, shown: Path, form: str, comparison: Comparison | None) -> None:
    """Say what came of a conversion.

    Args:
        outcome: what came of it.
        folder: where it is, or would be, written.
        shown: the same, for a person.
        form: ``json`` or ``text``.
        comparison: how it differs from what lay there; None where the script is refused.
    """
    from engine.apply_report import as_json, as_text
    from engine.terminal import RESULTS, show

    if form == "json":
        click.echo(as_json(outcome, folder, comparison))
    else:
        show(as_text(outcome, shown, comparison), RESULTS)


def tell_refused(entry: str, error: NotPython3, page: Path | None, form: str) -> None:
    """Say that a script is refused because it is not Python 3.

    Args:
        entry: the script's name.
        error: what is wrong with it.
        page: where the report is written; none where it is not.
        form: ``json`` or ``text``.
    """
    from engine.apply_report import refusal_json, refusal_text
    from engine.terminal import RESULTS, show
    from rules import not_python3

    refused = (not_python3.NotPython3.refusal(error),)
    if page:
        from engine.page.document import report_on_refused

        report_on_refused(page, entry, refused)
    if form == "json":
        click.echo(refusal_json(entry, refused))
    else:
        show(refusal_text(entry, refused), RESULTS)


def ask_about(plan, steps):
    """The steps that the person at the terminal wants."""
    from engine.interactive import Quit, choose
    from engine.terminal import CHANGE, show

    def ask(question: str) -> str:
        click.echo(f"{question} ", nl=False, err=True)
        answer = click.get_text_stream("stdin").readline()
        if not answer:  # the end of the input
            raise Quit
        return answer

    return choose(plan, steps, ask, lambda text: show(text, CHANGE, err=True))
