"""Random draws that a site or an evaluation must not repeat as they come: training data drawn without a seed, of which
every site of a simulation would split another; generators and transforms that draw for the training and for others."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.library import made_of
from engine.facts.trace import Event, Trace, is_default
from engine.facts.values import Object, Value, objects, options, plain
from engine.plan.frame import Frame

DRAWS = {
    "torch": "torch.utils.data.random_split torch.randperm",
    "numpy": "sklearn.model_selection.train_test_split sklearn.model_selection.ShuffleSplit "
    "sklearn.model_selection.StratifiedShuffleSplit sklearn.model_selection.GroupShuffleSplit sklearn.utils.shuffle "
    "sklearn.utils.resample numpy.random.permutation numpy.random.shuffle numpy.random.choice",
    "random": "random.shuffle random.sample random.choices",
}
"""What chooses samples or their order, by the random stream that it draws from."""
NUMBERS = {
    "torch": "torch.rand torch.randn torch.normal torch.bernoulli torch.multinomial",
    "numpy": "numpy.random.rand numpy.random.randn numpy.random.random numpy.random.random_sample numpy.random.uniform "
    "numpy.random.normal numpy.random.standard_normal sklearn.datasets.make_classification sklearn.datasets.make_blobs "
    "sklearn.datasets.make_regression sklearn.datasets.make_moons sklearn.datasets.make_circles",
    "random": "random.random random.uniform random.gauss",
}
"""What gives numbers to choose samples by, or that are samples; but for what a model is made of."""
STREAM = {name: stream for table in (DRAWS, NUMBERS) for stream, names in table.items() for name in names.split()}
OF_NUMBERS = frozenset(" ".join(NUMBERS.values()).split())
FOLDS = ("sklearn.model_selection.KFold", "sklearn.model_selection.StratifiedKFold")
OWN_STREAMS = ("numpy.random.default_rng", "numpy.random.RandomState", "random.Random")
SEEDED_BY = ("generator", "random_state", "seed")
SEEDS = {
    "torch": re.compile(r"^torch\.(random\.)?manual_seed$"),
    "numpy": re.compile(r"^numpy\.random\.seed$"),
    "random": re.compile(r"^random\.seed$"),
}
SEEDS_ALL = re.compile(r"^(?!torch\.).*(seed_everything|set_seed|set_determinism|seed_all|fix_seed)$")
NEVER_THE_SAME = ("time.", "datetime.", "os.getpid", "os.urandom", "uuid.", "secrets.", "random.", "numpy.random.")


def unseeded_draw(facts: Facts, until: ast.AST) -> Event | None:
    """The first draw from an unseeded random stream before the training data is used; None where there is none.

    Args:
        facts: of the program.
        until: the construction of the training loader; for arrays, the epoch loop, before which numbers are drawn for
            the arrays, too, that are trained.
    """
    seeded: set[str] = set()
    for event in _until(facts, until):
        seeded |= {stream for stream in SEEDS if _seeds(event, stream)}
        stream = _stream(event)
        if facts.arrays is not None and event.name in OF_NUMBERS:
            continue
        if stream and stream not in seeded and not _has_seed(event):
            return event
    return None


def _until(facts: Facts, until: ast.AST) -> Iterator[Event]:
    """The calls that happen by default, up to a call or loop."""
    for event in facts.trace.events:
        if event.node is until or event.within_node(until):
            return
        if is_default(event.path):
            yield event


def _seeds(event: Event, stream: str) -> bool:
    """True for a call that gives a random stream a seed that is the same at every start; a function of the project that
    is called so does what the calls in it do."""
    if SEEDS[stream].match(event.name):
        return bool(event.args or event.kwargs) and _is_fixed(event)
    return event.function is None and bool(SEEDS_ALL.search(event.name)) and _is_fixed(event)


def _is_fixed(event: Event) -> bool:
    """True for arguments of which none is ``None``, the time or a random number."""
    given = [*event.args, *event.kwargs.values()]
    parts = (part for value in given for part in made_of(value) if isinstance(part, Object))
    return all(plain(value) is not None for value in given) and not any(
        p.kind.startswith(NEVER_THE_SAME) for p in parts
    )


def _stream(event: Event) -> str | None:
    """The random stream from which a call draws samples; None for any other call."""
    owner = event.receiver.kind if isinstance(event.receiver, Object) else ""
    if event.name in OWN_STREAMS:
        return event.name
    if event.name in OF_NUMBERS and any(_is_module(call.receiver) for call in event.calls):
        return None
    if event.name in FOLDS and plain(event.kwargs.get("shuffle")) is True:
        return "numpy"
    of_frame = event.name.endswith(".sample") and (owner.startswith("pandas.") or {"frac", "n"} & event.kwargs.keys())
    of_table = event.name in (".shuffle", ".train_test_split") and owner.startswith("datasets.")
    return "numpy" if of_frame or of_table else STREAM.get(event.name)


def _is_module(value: Value | None) -> bool:
    return isinstance(value, Object) and value.is_module


def _has_seed(event: Event) -> bool:
    """True for a draw with a stream of its own, and for a split that does not draw."""
    if event.name in OWN_STREAMS:
        return bool(event.args or event.kwargs) and _is_fixed(event)
    given = [plain(event.kwargs[name]) for name in SEEDED_BY if name in event.kwargs]
    third = event.name.endswith("random_split") and len(event.args) > 2
    does_not = plain(event.kwargs.get("shuffle")) is False and event.name.endswith("train_test_split")
    return third or any(value is not None for value in given) or does_not


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
