"""Read a specification from YAML or JSON, and say in one sentence what is wrong with one."""

from __future__ import annotations

import difflib
import json
import keyword
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from engine.result import UserError
from engine.trainer.specification import Section, Specification
from engine.trainer.torch_arguments import OPTIMIZERS, SCHEDULERS, TorchArguments


class _Loader(yaml.SafeLoader):
    """YAML as people write numbers: PyYAML reads YAML 1.1, in which ``1e-3`` is a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load(path: Path) -> Specification:
    """The specification in a file.

    Args:
        path: a document whose suffix is ``.json`` (JSON) or anything else (YAML).

    Raises:
        UserError: the file cannot be read, or says what a specification may not say.
    """
    return parse(read_document(path))


def read_document(path: Path) -> Any:
    """The document in a YAML or JSON file, unchecked.

    Raises:
        UserError: the file is missing or neither YAML nor JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"The specification {path} cannot be read: {reason}; give a YAML or JSON file.") from error
    try:
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.load(text, _Loader)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else _line(error)
        kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
        raise UserError(f"The specification {path} is not valid {kind}, see its line {line}.") from error


def _line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def parse(document: Any) -> Specification:
    """The specification a document holds.

    Raises:
        UserError: one sentence with the JSON path of every fault and what is allowed there.
    """
    if document is None:
        raise UserError("The specification is empty: give it modelPath, dataConfig and trainingConfig.")
    faults = [*_nulls(document, "$")] or _faults(Specification, document, "$")
    if not faults:
        specification = Specification.model_validate(document)
        faults = [*_torch_faults(specification), *_contradictions(specification)]
    if faults:
        raise UserError("; ".join(faults) + ".")
    return specification


def _nulls(document: Any, at: str) -> Iterator[str]:
    """Keys without a value, which YAML makes easy to write; only the model may take ``null``."""
    if document is None:
        yield f"{at} is null: give it a value or leave it out"
    for key, value in document.items() if isinstance(document, dict) else ():
        if key != "modelArgs":
            yield from _nulls(value, f"{at}.{key}")


def _torch_faults(specification: Specification) -> list[str]:
    training = specification.training_config
    faults = _faults(OPTIMIZERS[training.optimizer_class], training.optimizer_args, "$.trainingConfig.optimizerArgs")
    if training.scheduler_class:
        model = SCHEDULERS[training.scheduler_class]
        faults += _faults(model, training.scheduler_args, "$.trainingConfig.schedulerArgs")
    return faults


def _contradictions(specification: Specification) -> Iterator[str]:
    """What each key allows but the keys together do not."""
    data, training = specification.data_config, specification.training_config
    for name in filter(keyword.iskeyword, specification.model_args):
        yield f"$.modelArgs.{name} cannot be an argument, it is a word of Python: leave it out"
    if data.val_path and data.validation_fraction is not None:
        yield "$.dataConfig.validationFraction has no meaning beside valPath: leave one of them out"
    if data.persistent_workers and data.num_workers == 0:
        yield "$.dataConfig.persistentWorkers needs workers: set numWorkers to 1 or more"
    if data.format == "images" and specification.task == "regression":
        yield "$.task cannot be regression with an image folder, whose folders are classes: give a .npz or .pt file"
    if training.scheduler_args and not training.scheduler:
        yield "$.trainingConfig.schedulerArgs needs a scheduler: name one in trainingConfig.scheduler"
    if training.optimizer_args.get("nesterov") and not training.optimizer_args.get("momentum"):
        yield "$.trainingConfig.optimizerArgs.nesterov needs momentum: set momentum above 0 beside it"
    if training.optimizer_args.get("nesterov") and training.optimizer_args.get("dampening"):
        yield "$.trainingConfig.optimizerArgs.nesterov allows no dampening: leave dampening out"
    if training.scheduler_class == "WarmupCosine":
        warmup = training.scheduler_args.get("warmup_epochs", 1)
        if isinstance(warmup, int) and warmup > training.epochs:
            yield "$.trainingConfig.schedulerArgs.warmup_epochs is more than all epochs: make it at most epochs"


def _faults(model: type[BaseModel], document: Any, at: str) -> list[str]:
    try:
        model.model_validate(document)
    except ValidationError as error:
        return [_sentence(model, fault, at) for fault in error.errors(include_url=False)]
    return []


def _sentence(model: type[BaseModel], fault: Any, at: str) -> str:
    """One fault that pydantic found, as path, what is wrong there and what is allowed."""
    location = [part for part in fault["loc"] if part != "[key]"]
    path = at + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    given = json.dumps(fault["input"], default=str)
    match fault["type"]:
        case "missing":
            return f"{path} is missing: add it, {_describe(model, location)}"
        case "extra_forbidden":
            allowed = list(_fields(model, location[:-1]))
            near = difflib.get_close_matches(str(location[-1]), allowed, 1)
            hint = f"write {near[0]} instead" if near else "leave it out"
            return f"{path} is not a key of a specification: {hint}; allowed are {', '.join(sorted(allowed))}"
        case "literal_error":
            return f"{path} cannot be {given}: allowed are {fault['ctx']['expected']}"
        case "string_pattern_mismatch":
            return f"{path} cannot be {given}: it must match {fault['ctx']['pattern']}"
        case "model_type":
            return f"{path} is {given}, but it must be an object with the keys {', '.join(_fields(model, location))}"
    rule = fault["msg"].removeprefix("Input ").replace("should", "must")
    return f"{path} is {given}, but it {rule}"


def _fields(model: type[BaseModel], location: list[int | str]) -> dict[str, Any]:
    """The keys allowed at a location, with their field descriptions."""
    for part in location:
        annotation = _fields(model, [])[str(part)].annotation
        model = next(kind for kind in (annotation, *get_args(annotation)) if _is_section(kind))
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, (Section, TorchArguments))


def _describe(model: type[BaseModel], location: list[int | str]) -> str:
    """What the key at a location is for."""
    field = _fields(model, location[:-1])[str(location[-1])]
    if field.description:
        description = field.description.removeprefix("Extension: ")
        return description[0].lower() + description[1:]
    return f"an object with the keys {', '.join(_fields(model, location))}"
