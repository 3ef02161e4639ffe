"""What can be said about a specification's files before anything is run."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from engine.result import UserError
from engine.trainer.specification import Specification


def check_files(specification: Specification, root: Path) -> None:
    """Refuse a specification whose files or packages are not there.

    Args:
        specification: what to check.
        root: the folder its paths are relative to.

    Raises:
        UserError: one sentence with every fault.
    """
    faults = [*_data_faults(specification, root), *_other_faults(specification, root)]
    if faults:
        raise UserError("; ".join(faults) + ".")


def _data_faults(specification: Specification, root: Path) -> Iterator[str]:
    data = specification.data_config
    missing = False
    for key, place in (("trainPath", data.train_path), ("valPath", data.val_path)):
        path = root / (place or "")
        if not place:
            continue
        if not path.exists():
            missing = True
            yield f"$.dataConfig.{key}: {path} does not exist; correct the path"
        elif path.is_dir() != (data.format == "images"):
            missing = True
            yield f"$.dataConfig.{key}: {path} is none of a .csv, .npz, .npy or .pt file and a folder of image folders"
        elif key == "valPath" and path.suffix.lower() != Path(data.train_path).suffix.lower():
            yield f"$.dataConfig.valPath: {path} has another format than trainPath; give both in one format"
    if data.format == "csv" and data.val_path and not missing:
        yield from _header_faults(root / data.train_path, root / data.val_path)


def _header_faults(train_path: Path, val_path: Path) -> Iterator[str]:
    train_header, val_header = _header(train_path), _header(val_path)
    if train_header != val_header:
        different = sorted(set(train_header) ^ set(val_header)) or ["their order"]
        yield (
            f"$.dataConfig.valPath: the columns of {val_path} are not those of {train_path}, "
            f"different: {', '.join(different)}; give both the same columns"
        )


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return next(csv.reader(file), [])


def _other_faults(specification: Specification, root: Path) -> Iterator[str]:
    resume = specification.checkpoint_config.resume_from
    if resume and not (root / resume).is_file():
        yield f"$.checkpointConfig.resumeFrom: {root / resume} is no file; correct the path or leave it out"
    if specification.data_config.format == "images" and not importlib.util.find_spec("PIL"):
        yield "$.dataConfig.trainPath: image folders need Pillow, which is not installed; run `pip install pillow`"
    if specification.tracking_config and not importlib.util.find_spec("tensorboard"):
        yield "$.trackingConfig: TensorBoard is not installed; run `pip install tensorboard` or leave the key out"
