"""Training specifications that cover the options of the trainer: pairwise for the tests, all of them for a long run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.trainer.torch_arguments import OPTIMIZERS, SCHEDULERS

# What torch's default learning rate of 0.001 would leave almost untrained in two epochs is given a larger one.
LEARNING_RATES = {"Adadelta": 1.0, "Adagrad": 0.05, "LBFGS": 0.1, "SGD": 0.05}

FACTORS: dict[str, list[Any]] = {
    "optimizer": list(OPTIMIZERS),
    "scheduler": [None, *SCHEDULERS],
    "mixedPrecision": [False, True],
    "gradientClipping": [None, 1.0],
    "gradientAccumulation": [1, 3],
    "earlyStopping": [None, {"patience": 5}],
    "saveEvery": [None, 1],
    "format": ["csv", "npz", "npy", "pt", "images"],
    "task": ["classification", "binary", "regression"],
    "valPath": [True, False],
    "workers": ["none", "plain", "persistent"],
    "parallel": [None, "DataParallel"],
    "deterministic": [False, True],
}

MODEL = '''"""A small network with batch normalisation and dropout, for rows and for images."""

from torch import nn


class Net(nn.Module):
    """Two linear layers."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, outputs)
        )

    def forward(self, inputs):
        return self.layers(inputs)
'''


def pairwise() -> list[dict[str, Any]]:
    """Combinations such that every two values of two factors meet in one of them. The same list each time."""
    generator = random.Random(0)
    uncovered = {pair for pair in _pairs() if _possible(dict(_unfrozen(pair)))}
    rows = []
    while uncovered:
        seed_pair = min(uncovered)
        candidates = [_complete(dict(seed_pair), generator) for _ in range(40)]
        best = max(candidates, key=lambda row: len(uncovered & set(_pairs_of(row))))
        uncovered -= set(_pairs_of(best))
        rows.append({name: FACTORS[name][index] for name, index in best.items()})
    return rows


def full() -> Iterator[dict[str, Any]]:
    """Every optimizer with every scheduler and every way to take a step, on CSV data."""
    names = ["optimizer", "scheduler", "mixedPrecision", "gradientClipping", "gradientAccumulation", "task"]
    rest = {name: values[0] for name, values in FACTORS.items() if name not in names}
    for values in itertools.product(*(FACTORS[name] for name in names)):
        yield rest | dict(zip(names, values, strict=True))


def specification(row: dict[str, Any], epochs: int = 2) -> dict[str, Any]:
    """The specification of one combination, on the data that :func:`write_data` writes."""
    classes = row["task"] == "classification"
    kind = row["task"] if row["format"] != "images" else "images"
    suffix = "" if row["format"] == "images" else f".{row['format']}"
    data: dict[str, Any] = {"trainPath": f"data/{kind}_train{suffix}", "batchSize": 4}
    if row["valPath"]:
        data["valPath"] = f"data/{kind}_val{suffix}"
    if row["format"] == "images":
        data |= {"imageSize": [4, 4], "imageChannels": 1}
    if row["workers"] != "none":
        data |= {"numWorkers": 1, "pinMemory": True}
    if row["workers"] == "persistent":
        data["persistentWorkers"] = True
    training = {
        "epochs": epochs,
        "optimizer": row["optimizer"],
        "learningRate": LEARNING_RATES.get(row["optimizer"], 0.01),
        "mixedPrecision": row["mixedPrecision"],
        "gradientAccumulation": row["gradientAccumulation"],
    }
    optional = ("scheduler", "gradientClipping", "earlyStopping", "parallel")
    training |= {name: row[name] for name in optional if row[name] is not None}
    if row["optimizer"] == "LBFGS":
        training["optimizerArgs"] = {"max_iter": 3}
    return {
        "modelPath": "net.py",
        "modelArgs": {"inputs": 16 if row["format"] == "images" else 6, "outputs": 3 if classes else 1},
        "task": row["task"],
        "deterministic": row["deterministic"],
        "dataConfig": data,
        "trainingConfig": training,
        "checkpointConfig": {"saveEvery": row["saveEvery"]} if row["saveEvery"] else {},
    }


def write_data(folder: Path) -> None:
    """Write the model and every data set the combinations name: 24 training and 10 validation examples each.

    Labels are balanced, and no part of the data for one, two or three sites leaves a batch of one example.
    """
    import numpy as np
    import torch

    (folder / "net.py").write_text(MODEL, encoding="utf-8")
    data = folder / "data"
    data.mkdir()
    generator = np.random.default_rng(0)
    for part, size in (("train", 24), ("val", 10)):
        inputs = generator.normal(size=(size, 6)).astype("float32")
        classes = np.arange(size) % 3
        inputs[np.arange(size), classes] += 2.0
        labels = {
            "classification": classes,
            "binary": np.arange(size) % 2,
            "regression": inputs[:, 0] + 0.5 * inputs[:, 1],
        }
        for task, values in labels.items():
            table = np.column_stack([inputs, values]).astype("float32")
            np.save(data / f"{task}_{part}.npy", table)
            np.savez(data / f"{task}_{part}.npz", x=inputs, y=values)
            torch.save({"x": torch.from_numpy(inputs), "y": torch.from_numpy(values)}, data / f"{task}_{part}.pt")
            header = "a,b,c,d,e,f,label"
            np.savetxt(data / f"{task}_{part}.csv", table, "%.6g", ",", header=header, comments="")
        _write_images(data / f"images_{part}", size, generator)


def _write_images(folder: Path, size: int, generator: Any) -> None:
    from PIL import Image

    for number in range(size):
        place = folder / ("dark" if number % 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 128, size=(5, 5), dtype="uint8") + (0 if number % 2 else 100)
        Image.fromarray(pixels.astype("uint8")).save(place / f"{number}.png")


def _possible(row: dict[str, Any]) -> bool:
    return not (row.get("format") == "images" and row.get("task") == "regression")


def _pairs() -> Iterator[tuple[tuple[str, int], ...]]:
    for first, second in itertools.combinations(FACTORS, 2):
        for one, two in itertools.product(range(len(FACTORS[first])), range(len(FACTORS[second]))):
            yield (first, one), (second, two)


def _pairs_of(row: dict[str, int]) -> Iterator[tuple[tuple[str, int], ...]]:
    return itertools.combinations(((name, row[name]) for name in FACTORS), 2)


def _unfrozen(pair: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, Any]]:
    return ((name, FACTORS[name][index]) for name, index in pair)


def _complete(row: dict[str, int], generator: random.Random) -> dict[str, int]:
    """The pair with a random value for every other factor, such that the whole is possible.

    Loader workers cost seconds in each run: a combination has them where a pair needs them, else by a small chance.
    """
    while True:
        whole = {name: row.get(name, generator.randrange(len(values))) for name, values in FACTORS.items()}
        if "workers" not in row and generator.random() < 0.8:
            whole["workers"] = 0
        if _possible(dict(_unfrozen(tuple(whole.items())))):
            return whole
