"""Training data drawn at random without a seed: every site of a simulation would draw other data, and split that."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.facts import Expression, Facts
from engine.facts.trace import Event, is_default
from engine.facts.values import plain

DRAWS = {
    "torch.utils.data.random_split": "torch",
    "torch.randperm": "torch",
    "sklearn.model_selection.train_test_split": "numpy",
    "numpy.random.permutation": "numpy",
    "numpy.random.shuffle": "numpy",
    "numpy.random.choice": "numpy",
    "random.shuffle": "random",
    "random.sample": "random",
}
SEEDED_BY = ("generator", "random_state")
SEEDS = {
    "torch": re.compile(r"^torch\.(random\.)?manual_seed$"),
    "numpy": re.compile(r"^numpy\.random\.seed$"),
    "random": re.compile(r"^random\.seed$"),
}
SEEDS_ALL = re.compile(r"(seed_everything|set_seed|set_determinism|seed_all|fix_seed)$")


def unseeded_draw(facts: Facts, loader: Expression) -> Event | None:
    """The first draw from an unseeded random stream before the training loader is built; None where there is none.

    Args:
        facts: of the program.
        loader: the construction of the training loader.
    """
    seeded: set[str] = set()
    for event in _until(facts, loader):
        seeded |= {stream for stream, seed in SEEDS.items() if seed.match(event.name) or SEEDS_ALL.search(event.name)}
        stream = DRAWS.get(event.name)
        if stream and stream not in seeded and not _has_seed(event):
            return event
    return None


def _until(facts: Facts, loader: Expression) -> Iterator[Event]:
    """The calls that happen by default, up to the one that builds the loader."""
    for event in facts.trace.events:
        if event.node is loader.node:
            return
        if is_default(event.path):
            yield event


def _has_seed(event: Event) -> bool:
    """True for a draw with a stream of its own, and for a split that does not draw."""
    given = [plain(event.kwargs[name]) for name in SEEDED_BY if name in event.kwargs]
    third = event.name.endswith("random_split") and len(event.args) > 2
    return third or any(value is not None for value in given) or plain(event.kwargs.get("shuffle")) is False
