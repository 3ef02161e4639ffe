"""What `apply` says about the folder it wrote: the parts of conversion.json that the proofs need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.configuration import CONVERSION
from engine.result import UserError

FLARE_MU = 0.01  # of FedProxRecipe, where the job sets none


@dataclass(frozen=True)
class SourceRange:
    """A range of a source file. Lines are 1-based, columns 0-based code points; the end is exclusive.

    Attributes:
        file: path relative to the source root.
        line: first line.
        column: first column.
        end_line: line of the end; 0 where only the start is known.
        end_column: column of the end.
        beyond: by how much a number written there exceeds the number of epochs.
    """

    file: str
    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    beyond: int = 0


@dataclass(frozen=True)
class Conversion:
    """One converted project.

    Attributes:
        directory: the folder that `apply` wrote.
        source_root: the root of the source project.
        entry: the source's entry script, relative to ``source_root``.
        folder: where it is run, relative to ``source_root``.
        client: the converted entry, relative to ``directory``.
        class_path: what the server imports to build the model.
        model_args: the arguments it is called with.
        initial_ckpt: the file with the weights to start from; None for those that the server builds the model with.
        metric: name of the key metric, or None where the source evaluates nothing.
        epochs_option: option of the client that sets the local epochs of a round, or None.
        script_arguments: what both scripts are always given.
        given_files: the files of the source project among them, relative to ``folder``.
        epochs_beyond: by how much the value of that option exceeds the number of epochs.
        rounds_option: option of the client that takes the total number of rounds, or None.
        partitions_option: option of the client that splits the training data in simulation, or None.
        data: the client's data options, as (option, default).
        loop: the epoch loop of the source, or the statements that train where there is none.
        repeatable: True where the source trains once in its data, and can do so again as it stands.
        model: expression that names the model in the scope of the loop.
        epochs: the expression in the source that says how many epochs are trained, or None.
        lengths: the numbers in its schedules that repeat that number.
        evaluations: the statements of the source that evaluate the model.
        updates: the statements that update the arrays of a model in NumPy; empty for one of PyTorch.
        exchange_format: ``numpy`` or ``pytorch``.
        execution: ``in_process`` or ``external``.
        recipe: the algorithm, by its name in FLARE's catalogue.
        mu: weight of FedProx's proximal term in the job.
        exemptions: proof -> reason, for proofs that a decision of the conversion rules out.
    """

    directory: Path
    source_root: Path
    entry: str
    client: str
    class_path: str
    model_args: dict[str, Any]
    metric: str | None
    epochs_option: str | None
    rounds_option: str | None
    partitions_option: str | None
    data: tuple[tuple[str, str], ...]
    loop: SourceRange
    model: str
    epochs: SourceRange | None
    lengths: tuple[SourceRange, ...] = ()
    evaluations: tuple[SourceRange, ...] = ()
    updates: tuple[SourceRange, ...] = ()
    initial_ckpt: Path | None = None
    exchange_format: str = "numpy"
    execution: str = "in_process"
    recipe: str = "fedavg-pt"
    mu: float = FLARE_MU
    exemptions: dict[str, str] = field(default_factory=dict)
    epochs_beyond: int = 0
    repeatable: bool = False
    script_arguments: tuple[str, ...] = ()
    given_files: tuple[str, ...] = ()
    folder: str = "."


def read_conversion(directory: Path) -> Conversion:
    """Read conversion.json of a converted folder.

    Args:
        directory: the folder that `apply` wrote.

    Returns:
        The conversion.

    Raises:
        UserError: the folder is no conversion, or its description cannot be read.
    """
    path = directory / CONVERSION
    if not path.is_file():
        raise UserError(f"{directory} holds no {CONVERSION}; give the folder that `apply` wrote")
    try:
        return _conversion(directory.resolve(), json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} cannot be read ({type(error).__name__}: {error}); run `apply` again to write it"
        raise UserError(message) from error


def _conversion(directory: Path, document: dict[str, Any]) -> Conversion:
    arguments, original = document["arguments"], document["original"]
    conversion = Conversion(
        directory=directory,
        source_root=(directory / document["source"]["root"]).resolve(),
        entry=document["source"]["entry"],
        folder=document["source"].get("folder", "."),
        client=document.get("client", "client.py"),
        class_path=document["model"]["class_path"],
        model_args=document["model"].get("args") or {},
        initial_ckpt=_checkpoint(directory, document),
        metric=(document.get("metric") or {}).get("name"),
        epochs_option=_option(arguments.get("epochs")),
        rounds_option=_option(arguments.get("rounds")),
        partitions_option=_option(arguments.get("partitions")),
        data=tuple((item["option"], item["default"]) for item in arguments.get("data") or ()),
        loop=_range(original["loop"]),
        repeatable=original.get("repeatable", False),
        model=original["model"],
        epochs=_range(original["epochs"]) if original.get("epochs") else None,
        lengths=tuple(_range(item) for item in original.get("lengths") or ()),
        evaluations=tuple(_range(item) for item in original.get("evaluations") or ()),
        updates=tuple(_range(item) for item in original.get("updates") or ()),
        exchange_format=document.get("exchange_format", "numpy"),
        execution=document.get("execution", "in_process"),
        recipe=document.get("recipe", "fedavg-pt"),
        mu=(document.get("job") or {}).get("fedprox_mu", FLARE_MU),
        given_files=tuple(arguments.get("files") or ()),
        script_arguments=tuple((document.get("job") or {}).get("script_arguments") or ()),
        epochs_beyond=(arguments.get("epochs") or {}).get("beyond", 0),
        exemptions={
            proof: item["decision"] for item in document.get("decisions") or () for proof in item.get("exempts") or ()
        },
    )
    for place in (conversion.directory / conversion.client, conversion.source_root / conversion.entry):
        if not place.is_file():
            raise ValueError(f"{place} is missing")
    return conversion


def _checkpoint(directory: Path, document: dict[str, Any]) -> Path | None:
    chosen = (document.get("job") or {}).get("initial_ckpt") or document.get("initial_ckpt")
    return directory / chosen if chosen else None


def _option(argument: dict[str, Any] | None) -> str | None:
    return argument["option"] if argument else None


def _range(place: dict[str, Any]) -> SourceRange:
    known = ("file", "line", "column", "end_line", "end_column", "beyond")
    return SourceRange(**{name: place[name] for name in known if place.get(name) is not None})
