"""The scaffolded digits script against scikit-learn's MLP and against a minimal loop written by hand.

``python -m benchmarks.trainer_digits`` prints the validation accuracy of script and MLP on the same split, and the
processor seconds per epoch of script and loop, which take turns on one thread.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from engine import trainer
from engine.trainer.reading import load
from engine.trainer.script import render

FOLDER = Path(__file__).parent.parent / "fixtures/specifications"
EPOCHS = 30


def scaffolded(folder: Path, specification: Path) -> dict[str, Any]:
    """The functions of the scaffolded script, imported into this process."""
    namespace: dict[str, Any] = {"__name__": "scaffolded"}
    sys.path.insert(0, str(FOLDER))
    text = render(load(specification), specification, folder / "train.py")
    exec(compile(text, "train.py", "exec"), namespace)
    return namespace


@dataclass(frozen=True)
class Run:
    """What one of the two ways to train works on."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    criterion: nn.Module
    train_loader: DataLoader
    val_loader: DataLoader


def start(model_class: type[nn.Module]) -> Run:
    """A model and its data, the same for both."""
    torch.manual_seed(0)
    model = model_class(channels=16)
    train_set, val_set = (TensorDataset(*map(torch.from_numpy, arrays(name))) for name in ("train", "val"))
    return Run(
        model,
        torch.optim.AdamW(model.parameters(), lr=0.002),
        nn.CrossEntropyLoss(),
        DataLoader(train_set, batch_size=32, shuffle=True),
        DataLoader(val_set, batch_size=32),
    )


def script_epoch(script: dict[str, Any], run: Run, folder: Path, epoch: int) -> None:
    """One epoch as the scaffolded script's ``main`` goes through it, its checkpoint included."""
    device = torch.device("cpu")
    trained = script["train_one_epoch"](run.model, run.train_loader, run.optimizer, run.criterion, device)
    metrics = script["evaluate"](run.model, run.val_loader, run.criterion, device)
    history = [{"epoch": epoch, "train": trained, "val": metrics, "seconds": 0.0}]
    script["save_checkpoint"](folder, epoch, metrics["loss"], history, run.model, run.optimizer)


def minimal_epoch(run: Run) -> float:
    """The least that an epoch needs: train with a running loss, then count what is right."""
    run.model.train()
    total = 0.0
    for inputs, targets in run.train_loader:
        run.optimizer.zero_grad()
        loss = run.criterion(run.model(inputs), targets)
        loss.backward()
        run.optimizer.step()
        total += loss.item()
    run.model.eval()
    with torch.no_grad():
        return sum((run.model(inputs).argmax(1) == targets).sum().item() for inputs, targets in run.val_loader)


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of one of the fixture's files."""
    with np.load(FOLDER / f"data/digits_{name}.npz") as data:
        return data["x"].astype("float32"), data["y"].astype("int64")


def epoch_seconds(script: dict[str, Any], folder: Path) -> tuple[float, float]:
    """Median seconds per epoch of the script and of the minimal loop, which take turns."""
    first, second = start(script["DigitNet"]), start(script["DigitNet"])
    turns = {
        "script": lambda epoch: script_epoch(script, first, folder, epoch),
        "minimal": lambda epoch: minimal_epoch(second),
    }
    times: dict[str, list[float]] = {name: [] for name in turns}
    for epoch in range(EPOCHS):
        for name in sorted(turns, reverse=epoch % 2 == 0):
            started = time.process_time()
            turns[name](epoch)
            times[name].append(time.process_time() - started)
    return statistics.median(times["script"]), statistics.median(times["minimal"])


def mlp_accuracy() -> float:
    """Validation accuracy of scikit-learn's MLP with its own settings."""
    train_inputs, train_labels = arrays("train")
    val_inputs, val_labels = arrays("val")
    model = MLPClassifier(random_state=0, max_iter=500)
    model.fit(train_inputs.reshape(len(train_inputs), -1), train_labels)
    return float(model.score(val_inputs.reshape(len(val_inputs), -1), val_labels))


def main() -> None:
    """Print the comparison."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("models", "data"):
            (folder / part).symlink_to(FOLDER / part)
        specification = folder / "digits.yaml"
        specification.write_text((FOLDER / "digits.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        document = trainer.train(specification, device="cpu")
        plain = folder / "plain.yaml"
        plain.write_text(
            "modelPath: models/digits.py\n"
            "dataConfig: {trainPath: data/digits_train.npz, valPath: data/digits_val.npz}\n"
            "trainingConfig: {epochs: 1, optimizer: AdamW}\n",
            encoding="utf-8",
        )
        script, minimal = epoch_seconds(scaffolded(folder, plain), folder)
    print(f"validation accuracy   scaffolded {document['metrics']['valAccuracy']:.4f}   MLP {mlp_accuracy():.4f}")
    print(f"seconds per epoch     scaffolded {script:.4f}   minimal {minimal:.4f}   ratio {script / minimal:.3f}")


if __name__ == "__main__":
    main()
