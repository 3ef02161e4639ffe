"""Tell what a training program is and whether it can be federated: one document, as JSON or as a short story."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.facts import ArraysFact, Facts, ModelFact, Symbol
from engine.facts.configuration import Option
from engine.redaction import redacted
from engine.result import Place, Result

if TYPE_CHECKING:
    from engine.plan import Plan

SCHEMA_VERSION = 1
MOST_NAMES = 6
ASKS_TO_CHOOSE = {"FLR120": "--loop"}

Findings = Callable[[Facts], Iterable[Result]]


def inspect_program(
    facts: Facts,
    model_args: Mapping[str, Any],
    blockers: Findings,
    warnings: Findings = lambda facts: (),
    first_weights: bool = False,
    script_arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """What a program is, what forbids converting it, and what only its author can say.

    Args:
        facts: of the program.
        model_args: constructor arguments of the model that the user pinned.
        blockers: the rules that refuse.
        warnings: the rules that warn.
        first_weights: the weights to start from were given.
        script_arguments: what the script is given on its command line, one item per word.

    Returns:
        the document of ``docs/schemas/inspect.schema.json``.
    """
    needs, refusals, asked = _judged(facts, model_args, blockers, first_weights, script_arguments)
    verdict = "needs_input" if needs else "refuse" if refusals else "convert"
    return {
        "schema_version": SCHEMA_VERSION,
        "entry": facts.project.entry.name,
        "verdict": verdict,
        "needs": needs,
        "blockers": [_finding(result) for result in refusals],
        "warnings": [_finding(result) for result in (*warnings(facts), *_started_with(facts, asked))],
        "facts": redacted(describe(facts)),
    }


def _judged(
    facts: Facts,
    model_args: Mapping[str, Any],
    blockers: Findings,
    first_weights: bool,
    script_arguments: Sequence[str],
) -> tuple[list[dict[str, Any]], Sequence[Result], Sequence[Option]]:
    """What only the author of a program can say; else what forbids converting it; else what the script is not given
    of what it needs on its command line. The arguments are those of `inspect_program`."""
    from engine.plan import Choices, make_plan
    from engine.plan.arguments import check_options, missing_options, training_switches

    refusals = list(blockers(facts))
    if refusals:
        choices = [_choice(facts, result) for result in refusals if result.code in ASKS_TO_CHOOSE]
        return (choices, (), ()) if len(choices) == len(refusals) else ([], refusals, ())
    if facts.trace.needed_options:
        return [_settings_file(option) for option in facts.trace.needed_options], (), ()
    if facts.model and facts.model.undecided:
        return [_model_choice(facts.model)], (), ()
    plan = make_plan(facts, Choices(dict(model_args), first_weights=first_weights))
    if isinstance(plan, list):
        return [], plan, ()
    check_options(facts, plan.settings, script_arguments)
    asked = missing_options(facts.arguments, plan.settings, script_arguments)
    return list(_needed(facts, plan, asked)), (), (*asked, *training_switches(facts))


def refused_file(entry: str, blocker: Result) -> dict[str, Any]:
    """The document of a program that cannot be read as Python 3.

    Args:
        entry: the script's name.
        blocker: the finding that says why.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "entry": entry,
        "verdict": "refuse",
        "needs": [],
        "blockers": [_finding(blocker)],
        "warnings": [],
        "facts": None,
    }


def _choice(facts: Facts, result: Result) -> dict[str, Any]:
    """What the user has to choose between: epoch loops."""
    return {
        "name": "loop",
        "message": result.message,
        "option": f"--loop {shlex.quote(str(facts.loop.place)) if facts.loop else 'FILE:LINE'}",
        "choices": [str(loop.place) for loop in facts.loops],
        **_at(result.place),
    }


def _model_choice(model: ModelFact) -> dict[str, Any]:
    """The models that an option without a default, or the machine, decides between."""
    tells = len(set(model.undecided)) == len(model.undecided)
    return {
        "name": "model",
        "message": f"the source does not decide which model is trained: {_listed(model.undecided)}",
        "option": f"--model {model.undecided[0]}" if tells else "--arg=--OPTION=VALUE",
        "choices": list(model.undecided) if tells else [],
        **_at(model.construction.place if model.construction else None),
    }


def _settings_file(option: Option) -> dict[str, Any]:
    """An argument of the script that names its file of settings."""
    from engine.plan.refusals import SETTINGS_FILE_NEEDED
    from engine.plan.settings import flag_of

    asked = SETTINGS_FILE_NEEDED.at(None, option.place, flag_of(option))
    command = asked.remedy.partition(": ")[2]
    return {
        "name": option.destination, "message": asked.message, "option": command, "choices": [], **_at(option.place)
    }  # fmt: skip


def _started_with(facts: Facts, asked: Iterable[Option]) -> Iterator[Result]:
    """The arguments without which the script does not start: `apply` asks for them."""
    from engine.plan.refusals import ARGUMENT_NEEDED

    for option in asked:
        yield ARGUMENT_NEEDED.at(facts.project.files.get(option.place.file), option.place, option.flags[0])


def _listed(names: tuple[str, ...]) -> str:
    """The first names of a list."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" or one of {more} more" if more > 0 else "")


def _needed(facts: Facts, plan: Plan, asked: Sequence[Option]) -> Iterator[dict[str, Any]]:
    """The values that only a person can say."""
    from engine.plan.arguments import option_behind
    from engine.plan.refusals import FIRST_WEIGHTS_NEEDED as REASON

    for name, source in plan.model.missing:
        option = option_behind(facts, name, asked)
        need = _argument(facts, name, source)
        yield need if option is None else {**need, "option": f"--arg={option.flags[0]}=VALUE"}
    if plan.first_weights.needed:
        yield {
            "name": "initial_ckpt",
            "message": f"{REASON.message}: {REASON.remedy}",
            "option": "--initial-ckpt FILE",
            "choices": [],
            **_at(plan.first_weights.needed.place),
        }


def _argument(facts: Facts, name: str, source: str) -> dict[str, Any]:
    """A constructor argument of the model that the user has to give."""
    model = facts.model
    reason = "is read from local data" if source == "dataset" else "cannot be told from the source"
    owner = model.name if model else "the model"
    return {
        "name": name,
        "message": f"{name} of {owner} {reason}, and the server needs it to build the model",
        "option": f"--model-arg {name}=VALUE",
        "choices": [],
        **_at(model.construction.place if model and model.construction else None),
    }


def _finding(result: Result) -> dict[str, Any]:
    """A finding of a rule."""
    return {
        "rule": result.code,
        "name": result.name,
        "message": result.message,
        **_at(result.place),
        "source": result.source,
        "remedy": result.remedy,
    }


def _at(place: Place | None) -> dict[str, Any]:
    """Where something stands."""
    if place is None:
        return {"file": None, "line": None}
    if place.cell:
        return {"file": place.file, "cell": place.cell.number, "line": place.cell.line}
    return {"file": place.file, "line": place.line}


def describe(facts: Facts) -> dict[str, Any]:
    """The facts as they are published."""
    optimizer, scheduler, evaluation = facts.optimizer, facts.scheduler, facts.evaluation
    metric = evaluation.metrics[0] if evaluation and evaluation.metrics else None
    return {
        "model": _model(facts.model) if facts.model else None,
        "arrays": _arrays(facts.arrays) if facts.arrays else None,
        "optimizer": optimizer
        and {"variable": optimizer.variable, "class": optimizer.name, "step": _at(optimizer.step)},
        "scheduler": scheduler and {"class": scheduler.name.rpartition(".")[2] or None, "cadence": scheduler.cadence},
        "epoch_loop": _at(facts.loop.place) if facts.loop and facts.loop.kind != "once" else None,
        "once": _at(facts.loop.place) if facts.loop and facts.loop.kind == "once" else None,
        "train_function": facts.train_function,
        "evaluate_function": evaluation.function if evaluation else None,
        "metric": metric and {"name": metric.name, "direction": metric.direction},
        "data": facts.data and {"source": facts.data.source, "path": facts.data.path},
        "features": dict(vars(facts.features)),
    }


def _model(model: ModelFact) -> dict[str, Any]:
    """The trained model as it is published."""
    place = model.definition or (model.construction.place if model.construction else None)
    return {
        "variable": model.variable,
        "class": model.name,
        **_at(place),
        "args": {name: _shown(value) for name, value in model.arguments.items()},
        "args_source": model.arguments_source,
    }


def _arrays(arrays: ArraysFact) -> dict[str, Any]:
    """The arrays that a program in NumPy trains, as they are published."""
    return {
        "names": [array.name for array in arrays.arrays],
        "local": list(arrays.local),
        "update": _at(arrays.updates[0].place),
    }


def _shown(value: Any) -> Any:
    """An argument's value where JSON can hold it, null where it is not known, its text otherwise."""
    if value is ...:
        return None
    if isinstance(value, Symbol):
        return value.text
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return repr(value)


def as_json(document: Mapping[str, Any]) -> str:
    """The document as JSON."""
    return json.dumps(document, indent=2)


def as_text(document: Mapping[str, Any]) -> str:
    """The document as a short story of the program for a person."""
    lines = [f"{document['entry']}: {VERDICTS[document['verdict']]}"]
    if document["facts"]:
        lines += ["", *(f"  {line}" for line in _story(document["facts"]))]
    for heading, findings in (("Blockers", document["blockers"]), ("Warnings", document["warnings"])):
        if findings:
            lines += ["", f"{heading}:"]
            lines += [line for finding in findings for line in _finding_lines(finding)]
    if document["needs"]:
        lines += ["", "Needed:"]
        lines += [f"  {_where(need)}{need['message']}\n      {need['option']}" for need in document["needs"]]
    return "\n".join(lines)


VERDICTS = {
    "convert": "can be converted",
    "needs_input": "can be converted once you say what is needed",
    "refuse": "cannot be converted",
}


def _finding_lines(finding: Mapping[str, Any]) -> list[str]:
    """A finding with its source line and remedy."""
    lines = [f"  {_where(finding)}{finding['rule']} {finding['name']}: {finding['message']}"]
    if finding["source"]:
        lines.append(f"      {finding['source']}")
    if finding["remedy"]:
        lines.append(f"      {finding['remedy']}")
    return lines


def _where(item: Mapping[str, Any]) -> str:
    """``file:line: `` of an item; empty where it has no place."""
    return f"{_spot(item)}: " if item.get("file") else ""


def _spot(item: Mapping[str, Any]) -> str:
    """``file:line`` of an item, and of one in a notebook ``file:cell number:line``."""
    return f"{item['file']}:cell {item['cell']}:{item['line']}" if "cell" in item else f"{item['file']}:{item['line']}"


def _story(facts: Mapping[str, Any]) -> list[str]:
    """The program in sentences: this model, trained by this loop, measured by this."""
    lines = []
    model, optimizer, loop = facts["model"], facts["optimizer"], facts["epoch_loop"]
    if model:
        given = ", ".join(_argument_text(*argument) for argument in model["args"].items())
        lines.append(f"model      {model['variable']} = {model['class']}({given})  [{_spot(model)}]")
    if facts["arrays"]:
        update = facts["arrays"]["update"]
        names = ", ".join(facts["arrays"]["names"])
        lines.append(f"model      the arrays {names}, updated at {_spot(update)}")
    if optimizer:
        step = optimizer["step"]
        lines.append(f"optimizer  {optimizer['variable']} = {optimizer['class']}, steps at {_spot(step)}")
    if facts["scheduler"]:
        name = facts["scheduler"]["class"] or "written by hand"
        lines.append(f"schedule   {name}, {CADENCES[facts['scheduler']['cadence']]}")
    if loop:
        held = f", batches in {facts['train_function']}()" if facts["train_function"] else ""
        lines.append(f"trained by the loop at {_spot(loop)}{held}")
    if facts["once"]:
        lines.append(f"trained once, in no loop, from {_spot(facts['once'])}")
    if facts["data"] and facts["data"]["source"]:
        where = f" at {facts['data']['path']}" if facts["data"]["path"] else ""
        lines.append(f"trained on {facts['data']['source']}{where}")
    lines += _measured(facts)
    besides = [name.replace("_", " ") for name, value in facts["features"].items() if value is True]
    if facts["features"]["distributed"]:
        besides.append(facts["features"]["distributed"])
    if besides:
        lines.append(f"besides    {', '.join(besides)}")
    return lines or ["no training was found"]


def _argument_text(name: str, value: Any) -> str:
    """A constructor argument; one given by position has no name but its own text."""
    text = "?" if value is None else repr(value)
    return f"{name}={text}" if name.isidentifier() else text


def _measured(facts: Mapping[str, Any]) -> list[str]:
    """How the program measures its model."""
    held = f"{facts['evaluate_function']}()" if facts["evaluate_function"] else "code beside the training"
    if facts["metric"]:
        better = "higher" if facts["metric"]["direction"] == "max" else "lower"
        return [f"measured by {held}: {facts['metric']['name']}, {better} is better"]
    return [f"measured by {held}"] if facts["evaluate_function"] else []


CADENCES = {"epoch": "every epoch", "step": "every step", "plateau": "on plateau", "manual": "by the script"}
