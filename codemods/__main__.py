"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from codemods.options import (
    ARGUMENT,
    EXISTING,
    FEDPROX_MU,
    RECIPE,
    REPORT,
    RULES,
    execution_options,
    job_options,
    split_options,
)

OK, FINDINGS, ERROR, REFUSED = 0, 1, 2, 3
INTERRUPTED = 130


class Commands(click.Group):
    """Commands whose mistakes of the user end in one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from engine.result import UserError

        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(ERROR)
        except KeyboardInterrupt:
            click.echo("error: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except RecursionError:
            click.echo("error: the code is nested too deeply to be analysed; flatten it and try again", err=True)
            ctx.exit(ERROR)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flare-codemods", message="%(version)s")
def main() -> None:
    """Turn a PyTorch training project into an NVIDIA FLARE federated job, by rewriting its source.

    \b
    python -m codemods inspect train.py      what it trains, and whether it can be federated
    python -m codemods apply train.py        write federated/: client.py, model.py, job.py
    python -m codemods verify federated      prove that one site trains what the script trains
    python -m codemods simulate federated    run it in FLARE's simulator
    """


def selection(command: Any) -> Any:
    """The options that choose what is meant where a project leaves it open."""
    options = (
        click.option("--entry", metavar="FILE", help="The training script, where PATH is a folder."),
        click.option("--model", metavar="NAME", help="The model to train, where there are several."),
        click.option("--loop", metavar="FILE:LINE", help="The epoch loop, where there are several."),
        click.option("--model-arg", "model_args", metavar="NAME=VALUE", multiple=True,
                     help="A constructor argument of the model that the source does not tell."),
        click.option("--initial-ckpt", type=EXISTING, help="The weights to start from, where the script loads some."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def extended(files: tuple[Path, ...], paths: tuple[Path, ...] = (Path(),)):
    """The steps and the rules, with those that a team has added: installed, or in TOML files.

    Args:
        files: TOML files that are named on the command line.
        paths: files or folders whose ``pyproject.toml`` may name more of them.
    """
    from codemods import STEPS, load
    from engine.configuration import Configuration
    from engine.extension import extend
    from rules import RULES, from_toml

    configuration = Configuration()
    settings = [configuration.of(path / "*" if path.is_dir() else path) for path in paths]
    named = [file for each in settings for file in each.rule_files]
    return extend(STEPS, load, RULES, (*files, *named), from_toml.read)


def check_page(page: Path | None) -> None:
    """Refuse a file that a report cannot be written to, before the work it reports on."""
    if page:
        from engine.page import check

        check(page)


def add_to_page(page: Path | None, directory: Path, part: str, content: Any) -> None:
    """Add what was found about a converted folder to its report."""
    if page:
        from engine.page.document import add

        add(page, directory, part, content)


def read_facts(path: Path, entry: str | None, model: str | None, loop: str | None, arguments: tuple[str, ...] = ()):
    """The facts of the program a path means."""
    from engine.facts import Choices, gather
    from engine.facts.entry import find_entry
    from engine.source import Project

    chosen = path / entry if entry and path.is_dir() else path
    return gather(Project(find_entry(chosen).resolve()), Choices(model=model, loop=loop, arguments=arguments))


def model_arguments(values: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` pairs; a value is JSON where it can be, text otherwise."""
    from engine.result import UserError

    found = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator or not name.isidentifier():
            raise UserError(f"--model-arg {value} is not NAME=VALUE")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
PATH = click.argument("path", type=click.Path(path_type=Path))
FOLDER = click.argument("directory", type=click.Path(path_type=Path))


@main.command()
@PATH
@selection
@ARGUMENT
@RULES
@FORMAT
@click.pass_context
def inspect(
    ctx: click.Context, path: Path, entry, model, loop, model_args, script_arguments, initial_ckpt, rule_files, form
) -> None:
    """Tell what a training program is and whether it can be federated faithfully.

    Exits with 0 where it converts, 3 where it is refused or a value is needed.
    """
    from dataclasses import replace
    from functools import partial

    from engine.inspection import as_json, as_text, inspect_program, refused_file
    from engine.source import NotPython3
    from rules import blockers, not_python3, warnings

    try:
        facts = read_facts(path, entry, model, loop, script_arguments)
        rules = extended(rule_files, (path,)).rules
        checks = (partial(blockers, rules=rules), partial(warnings, rules=rules))
        report = inspect_program(facts, model_arguments(model_args), *checks, first_weights=bool(initial_ckpt))
    except NotPython3 as error:
        refusal = not_python3.NotPython3.refusal(error)
        report = refused_file(path.name, replace(refusal, source=error.source))
    click.echo(as_json(report) if form == "json" else as_text(report))
    ctx.exit(OK if report["verdict"] == "convert" else REFUSED)


@main.command()
@PATH
@selection
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to [default: federated/ beside the script]."
)
@click.option("--diff", is_flag=True, help="Show the change and write nothing; exit 1 if there is one.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would change.")
@click.option("--interactive", is_flag=True, help="Show the change of each step and ask whether to make it.")
@click.option("--force", is_flag=True, help="Overwrite files that the tool did not write, or that were edited since.")
@click.option("--only", multiple=True, metavar="STEP", help="Run only these steps.")
@click.option("--skip", multiple=True, metavar="STEP", help="Leave these steps out.")
@click.option("--clients", type=click.IntRange(1), help="Number of sites in the job.")
@click.option("--rounds", type=click.IntRange(1), help="Number of rounds in the job.")
@click.option("--local-epochs", type=click.IntRange(1), help="Epochs a site trains in one round.")
@RECIPE
@FEDPROX_MU
@execution_options
@RULES
@REPORT
@FORMAT
@click.pass_context
def apply(
    ctx: click.Context, path: Path, entry, model, loop, model_args, initial_ckpt, out, diff, check, interactive, force,
    only, skip,
    clients, rounds, local_epochs, recipe, fedprox_mu, rule_files, page, form, **execution,
) -> None:  # fmt: skip
    """Convert a training script, or the one in a folder, into a federated job.

    The source is left as it is. Exits with 3, having written nothing, where the script is refused or a value is needed.
    """
    from functools import partial

    from engine import atomic, output
    from engine.apply import build
    from engine.apply_report import as_json, as_text, refusal_json, refusal_text
    from engine.configuration import Configuration
    from engine.job import job_settings
    from engine.pipeline import select
    from engine.plan import Choices
    from engine.result import UserError
    from engine.source import NotPython3
    from engine.terminal import RESULTS, show
    from rules import blockers, not_python3, warnings

    if interactive and (diff or check):
        raise UserError("--interactive writes what you choose, --diff and --check write nothing; choose one of them")
    check_page(page)
    try:
        facts = read_facts(path, entry, model, loop, execution["script_arguments"])
    except NotPython3 as error:
        refused = (not_python3.NotPython3.refusal(error),)
        if page:
            from engine.page.document import report_on_refused

            report_on_refused(page, path.name, refused)
        if form == "json":
            click.echo(refusal_json(path.name, refused))
        else:
            show(refusal_text(path.name, refused), RESULTS)
        ctx.exit(REFUSED)
    folder = Path(out) if out else facts.project.entry.path.parent / "federated"
    everything = extended(rule_files, (path,))
    steps = select(everything.steps, only, skip)
    refuse = partial(blockers, rules=everything.rules)
    usual = Configuration().of(facts.project.entry.path).apply
    settings = {
        "num_clients": clients or usual.get("clients"),
        "num_rounds": rounds or usual.get("rounds"),
        "local_epochs": local_epochs or usual.get("local_epochs"),
        "fedprox_mu": fedprox_mu,
        **job_settings(initial_ckpt=initial_ckpt, directory=folder, **execution),
    }
    choices = Choices(model_arguments(model_args), recipe or "fedavg-pt", bool(initial_ckpt))
    options = {
        "model": model,
        "loop": loop,
        "model_args": choices.model_args,
        "initial_ckpt": choices.first_weights,
        "only": only,
        "skip": skip,
        "rules": [Path(os.path.relpath(file, folder)).as_posix() for file in rule_files],
    }
    outcome = build(
        facts, steps, refuse, folder.resolve(), choices, settings, options, everything.steps,
        ask_about if interactive else None,
    )  # fmt: skip
    if page:
        from engine.page.document import report_on

        report_on(page, outcome, everything.steps, warnings(facts, everything.rules))

    def tell(comparison):
        if form == "json":
            click.echo(as_json(outcome, folder, comparison))
        else:
            show(as_text(outcome, folder, comparison), RESULTS)

    if outcome.files is None:
        tell(None)
        ctx.exit(REFUSED)
    if not (diff or check):
        atomic.finish(folder)
    comparison = output.compare(folder, outcome.files)
    if diff or check:
        if diff:
            click.echo(output.diff(outcome.sources, comparison.changed), nl=False)
        elif form == "json":
            tell(comparison)
        ctx.exit(FINDINGS if comparison.changed else OK)
    output.guard(folder, comparison, force)
    atomic.write(folder, comparison.changed, outcome.modes)
    tell(comparison)


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


@main.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would change.")
@click.option("--force", is_flag=True, help="Give up edits of files that have to change.")
@click.pass_context
def renew(ctx: click.Context, folders: tuple[Path, ...], check: bool, force: bool) -> None:
    """Bring converted folders up to date with their source, with the options they were made with.

    FOLDERS are converted folders, or have some below them; without any it is the working directory. What you have
    edited stays, unless its source has changed so that the file has to change too. Exits with 2 where that is so, and
    where a source can no longer be converted.
    """
    from functools import partial

    from engine import renewal
    from engine.result import UserError
    from rules import blockers

    def load(rule_files, source):
        everything = extended(tuple(rule_files), (source,))
        return everything.steps, partial(blockers, rules=everything.rules)

    codes = [OK]
    converted = renewal.folders(folders or [Path(".")])
    if not converted:
        click.echo("there is no converted folder here", err=True)
    for folder in converted:
        try:
            found = renewal.renew(folder, load)
            if not check:
                renewal.write(found, force)
            click.echo(renewal.as_text(found, check))
            codes.append(FINDINGS if check and found.files else OK)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            codes.append(ERROR)
    ctx.exit(max(codes))


@main.command()
@FOLDER
@job_options
@click.option("--diff", is_flag=True, help="Show the change and write nothing; exit 1 if there is one.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if job.py would change.")
@click.option("--force", is_flag=True, help="Give up edits of job.py that are in the way.")
@click.pass_context
def job(ctx: click.Context, directory: Path, diff: bool, check: bool, force: bool, **options) -> None:
    """Change job.py of a converted folder in place, around your own edits: sites, rounds, algorithm, data.

    Exits with 2 where an edit of yours stands where job.py has to change.
    """
    from engine import atomic, output
    from engine.job import job_settings, update_job

    files = update_job(directory, force, **job_settings(directory=directory, **options))
    current = {name: (directory / name).read_bytes() for name in files if (directory / name).is_file()}
    changed = {name: content for name, content in files.items() if current.get(name) != content}
    if diff:
        click.echo(output.diff({name: (name, content) for name, content in current.items()}, changed), nl=False)
    if diff or check:
        ctx.exit(FINDINGS if changed else OK)
    atomic.write(directory, changed)
    click.echo(f"{directory / 'job.py'} {'written' if changed else 'is up to date'}")


@main.command()
@FOLDER
@click.option("--rounds", type=click.IntRange(1), help="Number of rounds, instead of the job's own.")
@click.option("--clients", type=click.IntRange(1), help="Number of sites, instead of the job's own.")
@click.option("--local-epochs", type=click.IntRange(1), help="Epochs of one round, instead of the job's own.")
@split_options
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="End everything after this long."
)
@click.option("--workspace", type=click.Path(path_type=Path), help="Empty or new folder for what the run writes.")
@click.option("--preview", is_flag=True, help="Show what each site would train on, by label, and train nothing.")
@click.option(
    "--baseline", is_flag=True, help="Train the original script too, for the same number of epochs, and compare."
)
@REPORT
@FORMAT
@click.pass_context
def simulate(
    ctx: click.Context, directory: Path, rounds, clients, local_epochs, time_limit, workspace, preview, baseline, page,
    form, **split,
) -> None:  # fmt: skip
    """Run a converted folder in FLARE's simulator and tell what came of it.

    The exported job runs from an empty folder, so that a missing file shows. Exits with 1 where the run failed.
    """
    from engine.job import job_settings
    from engine.simulate import TIME_LIMIT
    from engine.simulate import simulate as run
    from engine.simulate.report import render_text
    from engine.terminal import RUN, show

    settings = job_settings(**split)
    if preview:
        show_preview(directory, clients, settings, form)
        return
    check_page(page)
    result = run(
        directory, rounds, clients, local_epochs, time_limit=time_limit or TIME_LIMIT, workspace=workspace,
        baseline=baseline, split=settings,
    )  # fmt: skip
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


@main.command()
@FOLDER
@click.option("--rounds", type=click.IntRange(1), help="Number of rounds, instead of the job's own.")
@click.option("--clients", type=click.IntRange(1), help="Number of sites, instead of the job's own.")
@click.option("--local-epochs", type=click.IntRange(1), help="Epochs of one round, instead of the job's own.")
@split_options
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="End everything after this long."
)
@click.option("--workspace", type=click.Path(path_type=Path), help="Empty or new folder for what the run writes.")
@REPORT
@FORMAT
@click.pass_context
def poc(
    ctx: click.Context, directory: Path, rounds, clients, local_epochs, time_limit, workspace, page, form, **split
) -> None:
    """Run a converted folder on a real FLARE deployment of separate processes on this machine.

    Its server listens on ports 8002 and 8003 of all network interfaces. Exits with 1 where the run failed.
    """
    from engine.job import job_settings
    from engine.simulate import TIME_LIMIT, deploy
    from engine.simulate.report import render_text
    from engine.terminal import RUN, show

    check_page(page)
    result = deploy(
        directory, rounds, clients, local_epochs, time_limit=time_limit or TIME_LIMIT, workspace=workspace,
        split=job_settings(**split),
    )  # fmt: skip
    add_to_page(page, directory, "simulation", result.as_json())
    if form == "json":
        click.echo(json.dumps(document(directory, result), indent=2))
    else:
        show(render_text(result), RUN)
    ctx.exit(OK if result.succeeded else FINDINGS)


@main.command()
@FOLDER
@click.option("--rounds", type=click.IntRange(2), default=2, show_default=True, help="Rounds of P2 and P4.")
@click.option("--local-epochs", type=click.IntRange(1), default=1, show_default=True, help="Epochs of one round.")
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
def verify(
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


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Apply the safe fixes and write the files.")
@click.option("--unsafe", is_flag=True, help="With --fix, apply unsafe fixes, too.")
@click.option("--select", multiple=True, metavar="RULE", help="Run only these rules, by code, its beginning or name.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave these rules out.")
@click.option("--statistics", is_flag=True, help="Count the findings of each rule.")
@click.option(
    "--jobs", type=click.IntRange(1), help="Number of processes [default: one for each processor, at most 4]."
)
@RULES
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text", help="How to print."
)
@click.pass_context
def lint(
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


@main.command()
@RULES
@click.option("--stdio", is_flag=True, help="Accepted, because editors say so; there is no other way.")
def lsp(rule_files, stdio: bool) -> None:
    """Serve an editor over standard input and output (Language Server Protocol)."""
    from functools import partial

    from engine.lsp import Tools, serve
    from rules import blockers
    from rules.document import page

    everything = extended(rule_files)
    rules = everything.rules
    pages = {rule.__name__: rule for rule in rules}
    refuse = partial(blockers, rules=rules)
    serve(Tools(rules, refuse, everything.steps, lambda name: page(pages[name]) if name in pages else ""))


SPECIFICATION = click.argument("specification", metavar="SPEC", type=click.Path(path_type=Path))


@main.command()
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
def train(ctx: click.Context, specification: Path, device, seed, time_limit, form: str) -> None:
    """Train what a training specification (YAML or JSON) describes, and print the output document.

    Exits with 2 where the status is error.
    """
    from engine.trainer import exit_code, render
    from engine.trainer import train as run

    result = run(specification, device=device, seed=seed, time_limit=time_limit)
    click.echo(json.dumps(result, indent=2) if form == "json" else render(result))
    ctx.exit(exit_code(result))


@main.command()
@SPECIFICATION
@click.option("--out", type=click.Path(path_type=Path), help="The script to write [default: train.py beside SPEC].")
@click.option("--force", is_flag=True, help="Overwrite a script that the tool did not write.")
def scaffold(specification: Path, out: Path | None, force: bool) -> None:
    """Write the plain PyTorch script that does what a training specification describes."""
    from engine.trainer import scaffold as write

    click.echo(f"{write(specification, out, force=force)} written")


@main.command("list")
@RULES
@click.option("--test", is_flag=True, help="Run the examples of the rules that were added; exit 1 where one fails.")
@FORMAT
@click.pass_context
def list_(ctx: click.Context, rule_files, test: bool, form: str) -> None:
    """List the steps and the rules, with those that a team has added."""
    from engine import listing

    everything = extended(rule_files)
    if test:
        text, good = listing.tested(everything)
        click.echo(text)
        ctx.exit(OK if good else FINDINGS)
    click.echo(listing.as_json(everything) if form == "json" else listing.as_text(everything))


@main.command()
@click.argument("name")
@RULES
def explain(name: str, rule_files) -> None:
    """Say what a step or a rule does and why."""
    from engine.listing import explained

    click.echo(explained(name, extended(rule_files)))


if __name__ == "__main__":
    main(prog_name="python -m codemods")
