"""Random draws that a site or an evaluation must not repeat as they come: training data drawn without a seed, of which
every site of a simulation would split another; generators and transforms that draw for the training and for others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from engine.facts import Expression, Facts
from engine.facts.library import made_of
from engine.facts.trace import Event, Trace, is_default
from engine.facts.values import Object, objects, options, plain
from engine.plan.frame import Frame

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


def shared_generators(facts: Facts, frame: Frame) -> list[str | None]:
    """The random generators that the training's loader is given and another loader as well, as source for the frame.

    A loader draws from its generator whenever it is gone through, shuffled or not.

    Returns:
        One for each; None for one that no name of the frame leads to.
    """
    if facts.data is None or facts.data.loader is None:
        return []
    loaders = [one for one in facts.trace.objects if "generator" in one.kwargs]
    training = [one for one in loaders if one.node is facts.data.loader.node]
    given = {id(g): g for one in training for g in objects(one.kwargs["generator"])}
    own = {key: g for key, g in given.items() if g.kind.startswith("torch.Generator")}
    users = {key: [one for one in loaders if g in objects(one.kwargs["generator"])] for key, g in own.items()}
    return [_named(g, users[key], frame) for key, g in own.items() if len(users[key]) > 1]


def shares_random_transform(facts: Facts) -> bool:
    """True where the training data and other data are given one transform of MONAI that draws at random.

    Such a transform has a random stream of its own (``monai.transforms.Randomizable``), which no one else can put back.
    """
    node = facts.data.loader.node if facts.data is not None and facts.data.loader is not None else None
    loaders = [one for one in facts.trace.objects if node is not None and one.node is node]
    trained = {id(data) for loader in loaders for data in objects(loader.argument(0, "dataset"))}
    shown = {id(data) for data in _shown(facts.trace)}
    transformed = [one for one in facts.trace.objects if "transform" in one.kwargs and id(one) not in shown]
    own = {id(t) for one in transformed if id(one) in trained for t in objects(one.kwargs["transform"])}
    shared = [t for one in transformed if id(one) not in trained for t in objects(one.kwargs["transform"])]
    parts = (part for t in shared if id(t) in own for part in made_of(t) if isinstance(part, Object))
    return any(part.kind.startswith("monai.") and "Rand" in part.short_kind for part in parts)


def _shown(trace: Trace) -> Iterator[Object]:
    """The data sets of which the program looks at one batch and no more: ``first(check_loader)``."""
    uses: Counter[int] = Counter()
    for event in trace.events:
        given = (event.receiver, *event.args, *event.kwargs.values())
        uses.update({id(one) for value in given for one in objects(value)})
    for loop, _ in trace.loops:
        uses.update(id(one) for one in objects(loop.iterable))
    for event in trace.named("monai.utils.first", "monai.utils.misc.first"):
        for loader in (one for value in event.args[:1] for one in objects(value) if uses[id(one)] == 1):
            yield from (data for data in objects(loader.argument(0, "dataset")) if uses[id(data)] == 1)


def _named(generator: Object, loaders: list[Object], frame: Frame) -> str | None:
    """A generator as the frame can say it: by its own name, or as that of a loader."""
    for owner, attribute in [(generator, ""), *((loader, ".generator") for loader in loaders)]:
        for name in owner.names:
            root = name.partition(".")[0]
            is_it = "." in name or owner in options(frame.scope.look_up(name))
            if root in frame.bound_outside and is_it:
                return name + attribute
    return None
