"""Say in one sentence, in the terms of the specification, why a script failed, from what it wrote to standard error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.trainer.options import options
from engine.trainer.specification import Specification

_FRAME = re.compile(r'^\s+File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)\n(?P<source>.*)', re.MULTILINE)
_EXCEPTION = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<message>(?:.+\n?)+))?", re.MULTILINE)

# What torch says, the key that it is about, and the remedy.
_TORCH_MESSAGES = (
    (r"Expected more than 1 value per channel", "$.dataConfig.batchSize", "choose a size that leaves no batch of one"),
    (r"out of memory", "$.dataConfig.batchSize", "make it smaller, and gradientAccumulation larger"),
    (r"Target -?\d+ is out of bounds", "$.modelArgs", "give the model one output per class"),
    (r"shape '.*' is invalid for input of size", "$.modelArgs", "give the model one output per number to predict"),
    (r"CUDA (?:enabled|GPUs|driver|error)|NVIDIA driver|invalid device", "$.device", "choose a device that is here"),
)


@dataclass(frozen=True)
class Frame:
    """One line of a traceback."""

    file: Path
    line: int
    function: str
    source: str


@dataclass(frozen=True)
class Failure:
    """A traceback, read back from text."""

    frames: list[Frame]
    kind: str
    message: str

    def __str__(self) -> str:
        first_sentence = re.split(r"\.(?:\s|$)", self.message)[0]
        return f"{self.kind}: {first_sentence}" if self.message else self.kind


def explain(stderr: str, specification: Specification, root: Path, script: Path) -> str:
    """One sentence that names the key of the specification and the remedy.

    Args:
        stderr: what the script wrote to its standard error.
        specification: what the script was scaffolded from.
        root: the folder its paths are relative to.
        script: the script that ran.
    """
    failure = read_failure(stderr, script)
    if failure is None:
        last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "it was killed")
        return f"The training script ended without a result: {last.strip()}; free memory or mend what it says."
    return (
        _said_by_script(failure, specification)
        or _said_by_torch(failure)
        or _by_place(failure, specification, root, script)
    )


def read_failure(stderr: str, script: Path) -> Failure | None:
    """The last traceback that goes through the script, as the launcher of several processes adds its own."""
    for text in reversed(stderr.split("Traceback (most recent call last):\n")[1:]):
        frames = [
            Frame(Path(found["file"]), int(found["line"]), found["function"], found["source"].strip())
            for found in _FRAME.finditer(text)
        ]
        raised = _EXCEPTION.search(text)
        if raised and any(frame.file == script for frame in frames):
            message = " ".join((raised["message"] or "").split())
            return Failure(frames, raised["kind"].split(".")[-1], message[:2000])
    return None


def _said_by_script(failure: Failure, specification: Specification) -> str | None:
    """A fault that the script found by itself; it names its options or starts with the path of the data."""
    data = specification.data_config
    named = [option for option in options(specification) if re.search(rf"{option.flag}\b", failure.message)]
    if failure.kind in ("ValueError", "FloatingPointError") and named:
        message = failure.message
        for option in named:
            message = re.sub(rf"{option.flag}\b", option.field.split(".")[-1], message)
        return f"{named[0].field}: {message}."
    for key, path in (("trainPath", data.train_path), ("valPath", data.val_path)):
        if path and failure.kind == "ValueError" and failure.message.startswith(f"{path}: "):
            return f"$.dataConfig.{key}: {failure.message}."
    return None


def _said_by_torch(failure: Failure) -> str | None:
    for pattern, field, remedy in _TORCH_MESSAGES:
        if re.search(pattern, failure.message):
            return f"{field}: {failure}; {remedy}."
    return None


def _by_place(failure: Failure, specification: Specification, root: Path, script: Path) -> str:
    """The key whose line of the script or file of the user raised the exception."""
    own = [frame for frame in failure.frames if frame.file == script]
    if own[-1].function == "load_checkpoint":
        remedy = "give a checkpoint of this specification"
        return f"$.checkpointConfig.resumeFrom: {specification.checkpoint_config.resume_from}: {failure}; {remedy}."
    for frame in reversed(failure.frames):
        if frame.file.is_relative_to(root) and frame.file != script and "site-packages" not in frame.file.parts:
            return f"$.modelPath: {frame.file} line {frame.line}: {failure}; correct the model, modelArgs or the data."
    for frame in own:
        for pattern, field, remedy in (
            ("args.train_path", "$.dataConfig.trainPath", "give a file of the format its name says"),
            ("args.val_path", "$.dataConfig.valPath", "give a file of the format its name says"),
            ("save_dir", "$.checkpointConfig.saveDir", "give a folder that can be written"),
            ("import ", "$.modelPath", "give a file that can be imported"),
            ("model = ", "$.modelArgs", "give the arguments that the model takes"),
            ("model(", "$.modelPath", "give a model that fits the data"),
        ):
            if pattern in frame.source:
                return f"{field}: {failure}; {remedy}."
    return (
        f"$: the script failed at `{own[-1].source}`: {failure}; see the traceback above and correct the specification."
    )
