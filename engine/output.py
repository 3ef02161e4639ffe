"""What is written and how it differs from what lies there: the record of the conversion, the comparison, the diff."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.configuration import CONVERSION
from engine.facts import EvaluationFact, Expression
from engine.pipeline import Conversion
from engine.plan import Plan
from engine.plan.frame import bodies, body_of
from engine.plan.literals import Range
from engine.plan.packaging import settings_options
from engine.plan.settings import Setting, flag_of
from engine.plan.working_folder import working_folder
from engine.result import UserError

SCHEMA_VERSION = 1
WITHOUT_GRADIENTS = re.compile(r"no_grad|inference_mode|set_grad_enabled")
TORCHRUN = "python3 -u -m torch.distributed.run --standalone --nproc_per_node=1"


def record(conversion: Conversion, folder: Path, job_settings: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``conversion.json``, without the checksums of the files.

    Args:
        conversion: what the steps made.
        folder: where it will lie.
        job_settings: what the user chose for the job.
    """
    plan, project = conversion.plan, conversion.plan.facts.project
    words = [word.rpartition("=")[2] for word in job_settings.get("script_arguments") or ()]
    data = [str(path.default) for path in _distinct(plan)]
    start = working_folder(project, [*data, *words])
    return {
        "schema_version": SCHEMA_VERSION,
        "source": {
            "root": Path(os.path.relpath(project.root, folder)).as_posix(),
            "entry": project.entry.name,
            **_below(start, project.root),
        },
        **_first_weights(plan, folder),
        "model": {"class_path": plan.model.class_path, "args": json.loads(json.dumps(plan.model.args))},  # no tuples
        "metric": _metric(plan),
        "recipe": plan.recipe,
        "job": {name: value for name, value in {**_launch(plan), **job_settings}.items() if value is not None},
        "arguments": _arguments(plan, start, words),
        "original": _original(plan),
        "exchange_format": plan.exchange_format,
        "execution": "external" if plan.launches_processes else "in_process",
        "steps": [
            {"name": result.name, "status": result.status.value, "at": str(result.place) if result.place else None}
            for result in conversion.results
        ],
        **({"left_out": [step.name for step in conversion.left_out]} if conversion.left_out else {}),
        "decisions": [
            {"subject": d.subject, "decision": d.decision, "otherwise": d.otherwise, "exempts": list(d.exempts)}
            for d in plan.decisions
        ],
    }


def _arguments(plan: Plan, start: Path, words: Sequence[str]) -> dict[str, Any]:
    """What the job gives the client on its command line.

    Args:
        plan: of the conversion.
        start: the folder in which the script is run.
        words: what the user says the script is given.
    """
    return {
        "epochs": _setting(plan.epochs),
        "rounds": _setting(plan.num_rounds),
        "partitions": _setting(plan.partitions),
        "data": [_setting(path) | {"kind": path.path_kind or "any"} for path in _distinct(plan)],
        **_settings_options(plan),
        **_given_files(start, words),
    }


def _original(plan: Plan) -> dict[str, Any]:
    """The places and names of the source that the proofs go by, to run the original script beside the client."""
    arrays, optimizer = plan.facts.arrays, plan.facts.optimizer
    lengths = [_places(length) for length in plan.schedules.lengths]
    return {
        "loop": {"file": plan.frame.place.file, "line": plan.frame.place.line, "end_line": plan.frame.end.line},
        **({"repeatable": True} if plan.rounds.repeatable else {}),
        **({"may_take_no_step": True} if plan.steps.may_be_none else {}),
        "model": plan.model_name.wrapped,
        "optimizer": plan.steps.optimizer or (optimizer.variable if optimizer else None),
        "epochs": _range(plan.epochs),
        **({"lengths": lengths} if lengths else {}),
        "evaluations": _evaluations(plan),
        **({"updates": [_expression(update) for update in arrays.updates]} if arrays else {}),
    }


def _first_weights(plan: Plan, folder: Path) -> dict[str, str]:
    """The file that the script starts from, as seen from the converted folder."""
    checkpoint = plan.first_weights.checkpoint
    if checkpoint is None:
        return {}
    place = plan.facts.project.root / checkpoint
    return {
        "initial_ckpt": checkpoint if os.path.isabs(checkpoint) else Path(os.path.relpath(place, folder)).as_posix()
    }


def _launch(plan: Plan) -> dict[str, str]:
    """How a site starts a script that trains in several processes."""
    return {"command": TORCHRUN} if plan.launches_processes else {}


def _evaluations(plan: Plan) -> list[dict[str, Any]]:
    """The statements that evaluate the model by a call, beside the epoch loop or in it; where none does, those that
    evaluate it themselves."""
    found = []
    for evaluation in plan.facts.evaluations:
        event = evaluation.call_event
        if event is not None and event.statement is not None and event.scope is plan.frame.scope:
            file = event.scope.file
            end = file.end(event.statement)
            found.append({"file": file.name, "line": file.place(event.statement).line, "end_line": end.line})
    return found or [place for evaluation in plan.facts.evaluations for place in _inline(plan, evaluation)]


def _inline(plan: Plan, evaluation: EvaluationFact) -> list[dict[str, Any]]:
    """The statements of an evaluation that stands inline: to the end of the block in which it begins, with what
    switches gradients off around it."""
    if evaluation.call_event is not None or not evaluation.statements or evaluation.where == "before":
        return []
    scope, start = plan.frame.scope, evaluation.statements[0].node
    if evaluation.statements[0].scope is not scope:
        return []
    blocks = list(bodies(body_of(scope)))
    around = [one for block in blocks for one in block if isinstance(one, ast.With) and start in one.body]
    start = next((one for one in around if WITHOUT_GRADIENTS.search(ast.unparse(one.items[0]))), start)
    ends = [scope.file.end(block[-1]).line for block in blocks if start in block]
    return [{"file": scope.file.name, "line": scope.file.place(start).line, "end_line": line} for line in ends]


def _metric(plan: Plan) -> dict[str, str] | None:
    """The metric the best model is chosen by."""
    if plan.evaluation is None:
        return None
    return {"name": plan.evaluation.metric.name, "direction": plan.evaluation.metric.direction}


def _setting(setting: Setting | None) -> dict[str, Any] | None:
    """An option the job fills in."""
    if setting is None or not setting.option:
        return None
    beyond = {"beyond": setting.beyond} if setting.declared and setting.beyond else {}
    return {"option": setting.option, "default": setting.default, **beyond}


def _settings_options(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """The options that name a file of settings; a site can have a file of its own."""
    found = [{"option": flag_of(option)} for option in settings_options(plan.facts)]
    return {"settings": found} if found else {}


def _below(start: Path, root: Path) -> dict[str, str]:
    """The folder in which the script is run, where that is not the root of the project."""
    return {"folder": Path(os.path.relpath(start, root)).as_posix()} if start != root else {}


def _given_files(start: Path, words: Sequence[str]) -> dict[str, list[str]]:
    """The files and folders of the project that the script is given on its command line."""
    files = [word for word in words if word and not Path(word).is_absolute() and (start / word).exists()]
    return {"files": files} if files else {}


def _distinct(plan: Plan) -> list[Setting]:
    """The path options, each once."""
    return list({path.option: path for path in plan.paths}.values())


def _range(setting: Setting | None) -> dict[str, Any] | None:
    """The source range of the number of epochs."""
    if setting is None or setting.literal is None:
        return None
    return _places(setting.literal) | ({"beyond": setting.beyond} if setting.beyond else {})


def _expression(found: Expression) -> dict[str, Any]:
    """The lines of a statement."""
    return {"file": found.place.file, "line": found.place.line, "end_line": found.end.line}


def _places(found: Range) -> dict[str, Any]:
    """A source range."""
    return {
        "file": found.place.file,
        "line": found.place.line,
        "column": found.place.column,
        "end_line": found.end.line,
        "end_column": found.end.column,
    }


def complete(record: dict[str, Any], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files that are written, ``conversion.json`` with the checksum of every other among them."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    text = json.dumps({**record, "files": checksums}, indent=2, ensure_ascii=False) + "\n"
    return {**files, CONVERSION: text.encode()}


@dataclass(frozen=True)
class Comparison:
    """How what would be written differs from what lies there.

    Attributes:
        changed: files that would be written, with their content; empty where everything is up to date.
        foreign: files that lie there and were not written by the tool.
        edited: files that the tool wrote and somebody then changed.
        stale: files the tool wrote earlier and would no longer write.
    """

    changed: dict[str, bytes]
    foreign: tuple[str, ...]
    edited: tuple[str, ...]
    stale: tuple[str, ...]


def compare(folder: Path, files: Mapping[str, bytes]) -> Comparison:
    """Hold what would be written against a folder. Newlines that an editor or git has changed count for nothing."""
    known = _checksums(folder)
    changed, foreign, edited = {}, [], []
    for name, content in files.items():
        path = folder / name
        current = _alike(path.read_bytes()) if path.is_file() else set()
        if content in current:
            continue
        changed[name] = content
        if not current:
            continue
        if name != CONVERSION and name not in known:
            foreign.append(name)
        elif name != CONVERSION and known[name] not in {hashlib.sha256(each).hexdigest() for each in current}:
            edited.append(name)
        elif name == CONVERSION and not known:
            foreign.append(name)
    stale = [name for name in known if name not in files and (folder / name).is_file()]
    return Comparison(changed, tuple(foreign), tuple(edited), tuple(stale))


def _alike(content: bytes) -> set[bytes]:
    """A file as it is, and with newlines of one kind or the other and one of them at its end."""
    lines = content.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    return {content, lines, lines.replace(b"\n", b"\r\n")}


def _checksums(folder: Path) -> dict[str, str]:
    """The checksums of the files the tool wrote into a folder."""
    try:
        found = json.loads((folder / CONVERSION).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def diff(before: Mapping[str, tuple[str, bytes]], files: Mapping[str, bytes]) -> str:
    """The change as one unified diff.

    Args:
        before: for each file written, the name and content of what it was made from; absent for a new file.
        files: what would be written.
    """
    from moreorless import unified_diff

    parts = []
    for name, content in files.items():
        old_name, old = before.get(name, ("", b""))
        if old == content:
            continue
        origin = f"--- a/{old_name}" if old_name else "--- /dev/null"
        parts.append(unified_diff(_text(old), _text(content), name).replace(f"--- a/{name}", origin, 1))
    return "".join(parts)


def _text(content: bytes) -> str:
    """Bytes as text for a person."""
    return content.decode("utf-8", errors="replace")


def guard(folder: Path, comparison: Comparison, force: bool) -> None:
    """Keep what is not the tool's own.

    Raises:
        UserError: a file that the tool did not write, or that was edited since, would be overwritten.
    """
    if force:
        return
    if comparison.foreign:
        raise UserError(
            f"{folder / comparison.foreign[0]} was not written by this tool and is kept; "
            "choose another folder with --out, or overwrite it with --force"
        )
    if comparison.edited:
        raise UserError(
            f"{folder / comparison.edited[0]} was edited since it was written and is kept; overwrite it with --force"
        )
