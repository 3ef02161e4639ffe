"""The way through a conversion: source, facts, rules, plan, codemods, checks, job, files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.facts import Facts
from engine.facts.configuration import Option
from engine.pipeline import Conversion, Step, check_needs, convert, left_out
from engine.plan import Choices, Plan, make_plan
from engine.plan.arguments import check_options, missing_options, option_behind, training_switches
from engine.plan.model import is_made_by_the_script
from engine.plan.refusals import (
    ARGUMENT_NEEDED,
    FIRST_WEIGHTS_NEEDED,
    MODEL_ARGUMENT_NEEDED,
    MODEL_UNDECIDED,
    SETTINGS_FILE_NEEDED,
)
from engine.plan.requirements import REQUIREMENTS, requirements
from engine.plan.settings import flag_of
from engine.result import Result, UserError

Choose = Callable[[Plan, Sequence[Step]], list[Step]]


@dataclass(frozen=True)
class Outcome:
    """What came of converting a project.

    Attributes:
        facts: what the program is.
        refusals: why it is refused; empty where it is converted.
        needs: values only a person can say, each with the option that supplies it.
        conversion: what the steps made; None where the program is refused.
        files: everything to be written, by path in the converted folder.
        sources: what each of these files was made from.
        modes: the permissions of what it was made from.
        record: the content of ``conversion.json``.
    """

    facts: Facts
    refusals: tuple[Result, ...] = ()
    needs: tuple[Result, ...] = ()
    conversion: Conversion | None = None
    files: Mapping[str, bytes] | None = None
    sources: Mapping[str, tuple[str, bytes]] | None = None
    modes: Mapping[str, int] | None = None
    record: Mapping[str, Any] | None = None


def build(
    facts: Facts, steps: Sequence[Step], blockers: Callable[[Facts], Iterable[Result]], folder: Path,
    choices: Choices, job_settings: Mapping[str, Any], options: Mapping[str, Any] = MappingProxyType({}),
    everything: Sequence[Step] = (), choose: Choose | None = None,
) -> Outcome:  # fmt: skip
    """Convert a program, in memory.

    Args:
        facts: of the program.
        steps: the pipeline.
        blockers: the rules that refuse.
        folder: where the result will lie.
        choices: what the user pinned.
        job_settings: what the user chose for the job, by the field names of JobSpec.
        options: the other options, by their names; the record keeps those that are given, to convert anew with them.
        everything: all steps there are; those of them that are missed are told.
        choose: picks from the steps, once the plan is made.

    Raises:
        UserError: a file cannot be rewritten.
    """
    unfit = _unfit(facts, blockers)
    if unfit is not None:
        return unfit
    plan = make_plan(facts, choices)
    if isinstance(plan, list):
        return Outcome(facts, tuple(plan))
    words = job_settings.get("script_arguments") or ()
    check_options(facts, plan.settings, words)
    needs = tuple(_needs(facts, plan, words))
    if needs:
        return Outcome(facts, needs=needs)
    _check_order(facts, plan)
    job_settings = _with_command(job_settings, facts.arguments.command)
    if choose:
        steps = choose(plan, steps)
        wanted = {step.name for step in steps}
        options = {**options, "only": (), "skip": [step.name for step in everything if step.name not in wanted]}
    conversion = _converted(plan, _with_client_step(steps, plan, choices), everything)
    return _complete(plan, conversion, folder, job_settings, options)


def _with_command(job_settings: Mapping[str, Any], command: str) -> Mapping[str, Any]:
    """The settings of a job that gives the script its command first, where that is not among its arguments."""
    words = job_settings.get("script_arguments") or ()
    return {**job_settings, "script_arguments": (command, *words)} if command and command not in words else job_settings


def _check_order(facts: Facts, plan: Plan) -> None:
    """Raise UserError where the job gives an option after the command of a script that takes it before that only."""
    name, command = facts.project.entry.name, facts.arguments.command
    for setting in plan.settings:
        if setting.declared and setting.destination in facts.arguments.before_command:
            raise UserError(
                f"{name} takes {setting.option} before its command {command} only, and the job gives it after: declare "
                f"{setting.option} for the parser of {command}"
            )


def _unfit(facts: Facts, blockers: Callable[[Facts], Iterable[Result]]) -> Outcome | None:
    """What comes of a program that cannot be planned: refused, or in want of what says which model is trained."""
    refusals = tuple(blockers(facts))
    if refusals:
        return Outcome(facts, refusals)
    if facts.trace.needed_options:
        return Outcome(facts, needs=tuple(settings_needed(facts, each) for each in facts.trace.needed_options))
    if facts.model and facts.model.undecided:
        construction = facts.model.construction
        names = ", ".join(facts.model.undecided)
        return Outcome(facts, needs=(MODEL_UNDECIDED.at(construction.scope.file, construction.place, names),))
    return None


def _converted(plan: Plan, steps: Sequence[Step], everything: Sequence[Step]) -> Conversion:
    """What the steps make, with what has to be installed for it; the steps that are missed are told."""
    check_needs(plan, steps)
    made = convert(plan, steps)
    needed = requirements(plan.facts.project, made.files).encode()
    return replace(made, left_out=left_out(made, everything), files={**made.files, REQUIREMENTS: needed})


def _complete(
    plan: Plan, conversion: Conversion, folder: Path, job_settings: Mapping[str, Any], options: Mapping[str, Any]
) -> Outcome:
    """What came of a conversion: all its files, and what each was made from.

    Args:
        plan: the decisions.
        conversion: what the steps made.
        folder: where it will lie.
        job_settings: what the user chose for the job.
        options: the other options.
    """
    record, files = _with_job(conversion, folder, job_settings, options)
    origins = {place: file for file in plan.facts.project.modules for place in plan.layout.get(file.name, ())}
    sources = {place: (file.name, file.raw) for place, file in origins.items()}
    modes = {place: file.path.stat().st_mode & 0o777 for place, file in origins.items()}
    return Outcome(plan.facts, (), (), conversion, files, sources, modes, record)


def _with_job(
    conversion: Conversion, folder: Path, job_settings: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The record of a conversion, and all its files, ``job.py`` among them, which is made from the record.

    Args:
        conversion: what the steps made.
        folder: where it will lie.
        job_settings: what the user chose for the job.
        options: the other options; those that are given are kept.
    """
    from engine import job, output

    record = output.record(conversion, folder, job_settings)
    given = {name: value for name, value in options.items() if value}
    record |= {"options": given} if given else {}
    script = job.render(job.planned_job_spec({**record, "files": dict.fromkeys(conversion.files, "")})).encode()
    compile(script, "job.py", "exec")
    return record, output.complete(record, {**conversion.files, "job.py": script})


def _with_client_step(steps: Iterable[Step], plan: Plan, choices: Choices) -> list[Step]:
    """The steps, making sure that the chosen recipe is the plan's and what it asks of the client is among them."""
    from engine.job.recipes import recipe_named

    name, steps = choices.recipe or plan.recipe, list(steps)
    recipe = recipe_named(name)
    if name != plan.recipe:
        raise UserError(f"{name} is not for what this script trains: leave out the recipe for {plan.recipe}")
    if recipe.client_step and recipe.client_step not in [step.name for step in steps]:
        raise UserError(f"{name} needs {recipe.client_step}, without which the client would train something else")
    return steps


def settings_needed(facts: Facts, option: Option) -> Result:
    """An option of the script that names its file of settings."""
    return SETTINGS_FILE_NEEDED.at(facts.project.files.get(option.place.file), option.place, flag_of(option))


def _needs(facts: Facts, plan: Plan, script_arguments: Sequence[str]) -> Iterator[Result]:
    """The values that only a person can say: for the server to build the model, and for the script to start."""
    files, weights = facts.project.files, plan.first_weights.needed
    missing = missing_options(facts.arguments, plan.settings, script_arguments)
    for name, source in plan.model.missing:
        if option_behind(facts, name, missing) is None:
            yield _model_argument(facts, name, source)
    for option in (*missing, *training_switches(facts)):
        yield ARGUMENT_NEEDED.at(files[option.place.file], option.place, option.flags[0])
    if weights:
        yield FIRST_WEIGHTS_NEEDED.at(files.get(weights.place.file), weights.place)


def _model_argument(facts: Facts, name: str, source: str) -> Result:
    """A model argument that a person has to say."""
    arrays = facts.arrays.arrays if facts.arrays else ()
    built = facts.model.construction if facts.model else arrays[0].construction
    named = facts.model.name if facts.model else ", ".join(array.written for array in arrays)
    reason = "it is read from local data" if source == "dataset" else "its value cannot be told from the source"
    asked = MODEL_ARGUMENT_NEEDED.at(built.scope.file, built.place, name)
    message = f"the server needs {name} of {named} to build the model: {reason}"
    if facts.model and is_made_by_the_script(facts.model.value, name):
        message = f"the server needs {name} of {named} to build the model, an object that no option can give"
        asked = replace(asked, remedy=f"build it in the constructor of {named}, from plain values")
    return replace(asked, message=message)


__all__ = ["Outcome", "UserError", "build"]
