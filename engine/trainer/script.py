"""Write the plain PyTorch script that does what a specification says, and nothing it does not say."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from engine.result import UserError
from engine.trainer import torch_calls
from engine.trainer.document import specification_name
from engine.trainer.model_file import find_model
from engine.trainer.options import attribute, literal, options
from engine.trainer.reading import load
from engine.trainer.specification import Specification, TrainingConfig

WIDTH = 120


@dataclass(frozen=True)
class Task:
    """What differs from task to task: the loss, the second metric, and how a script sums it up."""

    criterion: str
    outputs: str
    metric: str
    score: str
    expression: str


TASKS = {
    "classification": Task(
        criterion="nn.CrossEntropyLoss()",
        outputs="model(inputs)",
        metric="accuracy",
        score="correct",
        expression="(outputs.argmax(dim=1) == targets).sum().item()",
    ),
    "binary": Task(
        criterion="nn.BCEWithLogitsLoss()",
        outputs="model(inputs).view_as(targets)",
        metric="accuracy",
        score="correct",
        expression="((outputs > 0) == targets.bool()).sum().item()",
    ),
    "regression": Task(
        criterion="nn.MSELoss()",
        outputs="model(inputs).view_as(targets)",
        metric="mae",
        score="total_error",
        expression="nn.functional.l1_loss(outputs, targets).item() * len(targets)",
    ),
}


def write(specification: Path, out: Path | None, force: bool) -> Path:
    """Write the script of a specification; see :func:`engine.trainer.scaffold`."""
    out = out or specification.parent / "train.py"
    text = render(load(specification), specification, out)
    if out.exists() and not force and not specification_name(out.read_text(encoding="utf-8", errors="replace")):
        raise UserError(f"{out} stands there and was not scaffolded; choose another --out, or overwrite it by --force.")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def render(specification: Specification, path: Path, out: Path) -> str:
    """The text of the script.

    Args:
        specification: what the script does.
        path: the file the specification came from; its paths are relative to that folder.
        out: where the script will stand and be started; the paths in it are relative to that folder.

    Raises:
        UserError: the model cannot be found in its file or imported by the script.
    """
    root, target = path.parent.resolve(), out.parent.resolve()
    model_path = root / specification.model_path
    model_name = find_model(model_path, specification.model_class)
    module, folder = _import_of(model_path, target)
    moved = specification if root == target else _moved(specification, root, target)
    return (
        _environment()
        .get_template("train.py.j2")
        .render(
            **_context(moved),
            name=path.name,
            script_name=out.name,
            summary=_summary(specification, model_name),
            model_name=model_name,
            model_import=f"from {module} import {model_name}",
            model_folder=folder,
            standard_imports=list(_standard_imports(specification, bool(folder))),
            library_imports=list(_library_imports(specification)),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engine.trainer", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["call"] = call
    environment.filters["literal"] = literal
    return environment


def call(function: str, arguments: list[str], suffix: str = "", level: int = 0) -> str:
    """A call or a function's head, wrapped as formatters wrap it.

    Args:
        function: all before the bracket.
        arguments: the arguments as source text.
        suffix: all after the bracket.
        level: columns that the statement is indented by.
    """
    flat = ", ".join(arguments)
    if level + len(f"{function}({flat}){suffix}") <= WIDTH:
        return f"{function}({flat}){suffix}"
    inside = flat if level + 4 + len(flat) <= WIDTH else ",\n".join(arguments) + ","
    return f"{function}(\n" + textwrap.indent(inside, " " * (level + 4)) + f"\n{' ' * level}){suffix}"


def _import_of(model_path: Path, target: Path) -> tuple[str, str]:
    """The module of the model file, and the folder to add to ``sys.path`` when it is not below the script."""
    parts = model_path.relative_to(target).with_suffix("").parts if model_path.is_relative_to(target) else ()
    if parts and all(part.isidentifier() for part in parts):
        return ".".join(parts), ""
    if model_path.stem.isidentifier():
        return model_path.stem, str(model_path.parent)
    raise UserError(f"$.modelPath: {model_path.name} cannot be imported; rename it to a Python identifier.")


def _moved(specification: Specification, root: Path, target: Path) -> Specification:
    """The same specification with its paths relative to the folder of the script."""

    def move(place: str | None) -> str | None:
        return os.path.relpath(root / place, target) if place and not Path(place).is_absolute() else place

    data, checkpoint = specification.data_config, specification.checkpoint_config
    changes: dict[str, Any] = {
        "data_config": data.model_copy(update={"train_path": move(data.train_path), "val_path": move(data.val_path)}),
        "checkpoint_config": checkpoint.model_copy(update={"resume_from": move(checkpoint.resume_from)}),
    }
    return specification.model_copy(update=changes)


def _summary(specification: Specification, model_name: str) -> str:
    training = specification.training_config
    schedule = f" and {training.scheduler_class}" if training.scheduler_class else ""
    tasks = {"classification": "classification", "binary": "binary classification", "regression": "regression"}
    return f"Train {model_name} for {tasks[specification.task]}, with {training.optimizer_class}{schedule}."


def _context(specification: Specification) -> dict[str, Any]:
    """What the templates need besides the names of files."""
    data, training, task = specification.data_config, specification.training_config, TASKS[specification.task]
    is_ddp = training.parallel == "DistributedDataParallel"
    return {
        "spec": specification,
        "data": data,
        "training": training,
        "checkpoint": specification.checkpoint_config,
        "tracking": specification.tracking_config,
        "stopping": training.early_stopping,
        "ddp": is_ddp,
        "options": options(specification),
        "dataset": lambda path: f"{_loader_name(specification)}({', '.join(_load_arguments(specification, path))})",
        "train_loader_arguments": torch_calls.loader(data, training=True, distributed=is_ddp),
        "val_loader_arguments": torch_calls.loader(data, training=False, distributed=is_ddp),
        "model_arguments": [f"{name}={literal(value)}" for name, value in specification.model_args.items()],
        "criterion": task.criterion,
        "optimizer_arguments": torch_calls.optimizer(training),
        "schedulers": torch_calls.schedulers(training),
        "model_outputs": task.outputs,
        "model_state": "model.module" if training.parallel else "model",
        "to_device": "inputs.to(device{0}), targets.to(device{0})".format(
            ", non_blocking=True" if data.pin_memory else ""
        ),
        "metric": task.metric,
        "metric_words": "mean absolute error" if task.metric == "mae" else "accuracy",
        "score": task.score,
        "score_expression": task.expression,
        **_epoch_context(training),
    }


def _epoch_context(training: TrainingConfig) -> dict[str, Any]:
    """What the templates need to train an epoch, to take a step, and to keep and load a checkpoint."""
    lbfgs, per_step = training.optimizer_class == "LBFGS", training.scheduler_class == "OneCycleLR"
    scaled, accumulate = training.mixed_precision and not lbfgs, training.gradient_accumulation > 1
    clip = [("clip_norm", "args.clip_norm")] if training.gradient_clipping else []
    extra = [
        *([("scheduler", "scheduler")] if per_step else []),
        *([("scaler", "scaler")] if scaled else []),
        *clip,
        *([("accumulation", "args.accumulation")] if accumulate else []),
    ]
    shared = ["model", "loader", "optimizer", "criterion", "device"]
    scheduled, scaling = ["scheduler"] if training.scheduler_class else [], ["scaler"] if scaled else []
    return {
        "lbfgs": lbfgs,
        "per_step": per_step,
        "scaled": scaled,
        "accumulate": accumulate,
        "steps_per_epoch": "math.ceil(len(train_loader) / args.accumulation)" if accumulate else "len(train_loader)",
        "epoch_parameters": shared + [name for name, _ in extra],
        "epoch_arguments": [shared[0], "train_loader", *shared[2:], *(value for _, value in extra)],
        "step_parameters": ["model", "optimizer", "criterion", "device", *(name for name, _ in clip)],
        "progress": ["best_loss", *(["bad_epochs"] if training.early_stopping else []), "history"],
        "stateful": ["model", "optimizer", *scheduled, *scaling],
    }


def _loader_name(specification: Specification) -> str:
    return "ImageFolder" if specification.data_config.format == "images" else "load_data"


def _load_arguments(specification: Specification, path: str) -> list[str]:
    flags = {
        "csv": ["--label-column"],
        "npz": ["--input-key", "--label-key"],
        "npy": [],
        "pt": ["--input-key", "--label-key"],
        "images": ["--image-size"],
    }
    return [f"args.{path}", *map(attribute, flags[specification.data_config.format])]


def _standard_imports(specification: Specification, model_elsewhere: bool) -> Iterator[str]:
    """The imports from the standard library, in the order that import sorters give them."""
    data, training = specification.data_config, specification.training_config
    yield "import argparse"
    if data.format == "csv":
        yield "import csv"
    yield from ("import json", "import math", "import os", "import shutil")
    if model_elsewhere:
        yield "import sys"
    yield "import time"
    if training.optimizer_class == "LBFGS" and training.gradient_accumulation > 1:
        yield "from itertools import islice"
    yield "from pathlib import Path"


def _library_imports(specification: Specification) -> Iterator[str]:
    """The imports from installed packages, in the order that import sorters give them."""
    data, training = specification.data_config, specification.training_config
    distributed = training.parallel == "DistributedDataParallel"
    if data.format in ("npz", "npy"):
        yield "import numpy as np"
    yield "import torch"
    if distributed:
        yield "import torch.distributed as dist"
    if data.format == "images":
        yield "from PIL import Image"
    yield "from torch import nn"
    if distributed:
        yield "from torch.nn.parallel import DistributedDataParallel"
    if names := torch_calls.scheduler_imports(training):
        yield f"from torch.optim.lr_scheduler import {', '.join(names)}"
    names = ["DataLoader", "Dataset" if data.format == "images" else "TensorDataset"]
    names += [] if data.val_path else ["random_split"]
    names += ["DistributedSampler"] if distributed else []
    yield f"from torch.utils.data import {', '.join(sorted(names, key=lambda name: (name.islower(), name)))}"
    if specification.tracking_config:
        yield "from torch.utils.tensorboard import SummaryWriter"
