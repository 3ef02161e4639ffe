"""A pass of an epoch loop, followed over some lines that stand in its batch loop."""

from __future__ import annotations

from pathlib import Path

from engine.facts import gather
from engine.facts.epoch_pass import Pass
from engine.facts.locations import BATCH, OUTPUT, Location
from engine.facts.training import training_loops
from engine.source import Project

SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Keeper:
    def __init__(self):
        self.value = torch.zeros(3)

    def keep(self, x):
        self.value += x.mean(0)


def twice(x, train=True):
    if train:
        return 2 * x
    else:
        return model(x)


data = TensorDataset(torch.randn(12, 3), torch.arange(12) % 3)
loader = DataLoader(data, batch_size=4)
model, criterion, keeper = nn.Linear(3, 3), nn.CrossEntropyLoss(), Keeper()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept, found, other = torch.zeros(3), torch.zeros(3), torch.zeros(3)

for epoch in range(3):
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        {lines}
"""


def followed(folder: Path, lines: str) -> Pass:
    """The pass, after it was followed."""
    script = folder / "train.py"
    script.write_text(SCRIPT.replace("{lines}", lines.replace("\n", "\n        ")))
    facts = gather(Project(script))
    done = Pass(facts.trace, training_loops(facts.trace)[0], [one.value for one in facts.models], facts.evaluations)
    done.run()
    return done


def origins(done: Pass, name: str) -> set[str]:
    """What a variable of the script comes from after the pass: locations by their names, but those of the model and of
    the data where that is said already."""
    place = Location(done.training.epoch.scope, name)
    names = {one if isinstance(one, str) else one.name for one in done.locations.read(place)}
    names -= {"loader", "data"} if BATCH in names else set()
    return names - {"model"} if OUTPUT in names else names


def changed(done: Pass) -> set[str]:
    """The names of the locations that live on and keep something learned."""
    return {place.name for place in done.locations.changes}
