"""The data the program trains on: the data set, its loader, and every path that is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from engine.facts.arrays import ArrayTraining
from engine.facts.library import DATA_READERS, made_of
from engine.facts.paths import beside_script, first_joined, is_path, path_class
from engine.facts.program import DataFact, Expression, LoaderFact, PathFact
from engine.facts.source_text import expression, names_bound, names_read, own_nodes, positional_parameters
from engine.facts.trace import Context, Event, Trace, is_default
from engine.facts.training import PASSED_THROUGH, TrainingLoop
from engine.facts.values import (
    CONFIG,
    EnvironmentVariable,
    External,
    Function,
    Literal,
    Object,
    Sequence,
    Unknown,
    Value,
    objects,
    options,
    plain,
    plain_key,
    source_of,
    written_parts,
)
from engine.facts.writing import writes, written_files

DERIVED = ("Subset", "random_split", "ConcatDataset", "TensorDataset", "train_test_split", "DataLoader")
ITERATES = (*PASSED_THROUGH, "builtins.range", "builtins.len", "builtins.next", "?.iter", "itertools.")
PATH_KEYWORDS = (
    "root", "path", "data_dir", "data_path", "directory", "folder", "img_dir", "csv_file", "filename", "file",
    "filepath_or_buffer", "fname", "img_folder", "data_root", "image_dir", "root_dir", "image_files",
    "data_files",
)  # fmt: skip
NO_GRADIENT = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad")
NOT_DATA = re.compile(
    r"save|ckpt|checkpoint|resume|config|model|weight|pretrain|output|out_|log|snapshot", re.IGNORECASE
)
PATH_PARAMETER = re.compile(r"dir|path|root|folder|file|csv", re.IGNORECASE)
NOT_DATA_FOLDER = re.compile(
    r"^\W*(runs?|logs?|results?|outputs?|checkpoints?|ckpts?|models?|weights|pretrained|experiments?|snapshots?|~|\*.*)\W*$"
)
LISTS = ("os.listdir", "os.scandir", "glob.glob", "glob.iglob", ".glob", ".rglob", ".iterdir")
CHECKPOINTS = re.compile(r"ckpt|check_?point|snapshot|\.pth\b", re.IGNORECASE)
SETTINGS_FILE = re.compile(r"\.(py|ya?ml|toml|ini|cfg)$|conf\w*\.json$")
DIRECTORY_READERS = (
    "torchvision.datasets.",
    "os.listdir",
    "os.scandir",
    "os.walk",
    "monai.apps.",
    "datasets.load_from_disk",
)
FILE_READERS = (
    "builtins.open", "numpy.", "pandas.read_", "scipy.io.", "h5py.File", "torch.load", "nibabel.", "PIL.Image.", "cv2.",
    "csv.",
)  # fmt: skip


def training_data(trace: Trace, training: TrainingLoop, weights: list[Event]) -> DataFact:
    """The data that the training batch loop runs over.

    Args:
        trace: what the program does.
        training: the epoch loop.
        weights: the calls that read the weights that training always starts from.
    """
    loop = training.batch or training.epoch
    loader = _loader(loop.iterable) or _loader_in(trace, training)
    others = _others(trace, training, loader) if loader is not None else []
    chosen = any(_chosen_anew(trace, training, one) for one in filter(None, (loader, *others)))
    source = _source(loader.argument(0, "dataset")) if loader is not None else _source(loop.iterable)
    paths = (*read_paths(trace, partial(_reads_data, trace)), *read_paths(trace, weights.__contains__))
    known = {path.value for path in paths}
    paths += tuple(path for path in read_paths(trace, _looks_for) if path.option is None and path.value in known)
    written = next((part.value for part in _texts(source)), None)
    return DataFact(
        source=source.kind if source is not None else next((path.reader for path in paths), None),
        path=written if written is not None else next((path.value for path in paths if path.value), None),
        paths=paths,
        loader=expression(loader.node, loader.scope) if loader is not None and loader.scope is not None else None,
        dataset=_handed(loader),
        loop=training.batch,
        others=tuple(LoaderFact(expression(one.node, one.scope), _handed(one)) for one in others),
        chosen_anew=chosen,
        numbered=not any(map(_reads_stream, filter(None, (loader, *others)))),
    )


def array_data(trace: Trace, training: ArrayTraining) -> DataFact:
    """The data that arrays are trained on: read from paths, or handed out by a library."""
    paths = tuple(read_paths(trace, partial(_reads_data, trace)))
    handed_out = (event.name for event in trace.events if event.name.startswith("sklearn.datasets."))
    source = next((path.reader for path in paths), next(handed_out, None))
    path = next((path.value for path in paths if path.value), None)
    return DataFact(source, path, paths, loader=None, dataset=None, loop=training.loop.batch)


def _loader(value: Value | None) -> Object | None:
    """The loader behind what a loop runs over; the first, where it runs over several at once."""
    return next(iter(_loaders(value)), None)


def _loaders(value: Value | None, depth: int = 0) -> list[Object]:
    """The loaders that a loop runs over at once, or one after the other: those of ``zip`` or ``itertools.chain``."""
    for one in objects(value):
        if one.short_kind.endswith("DataLoader") or (one.cls and one.cls.derives_from("torch.utils.data.DataLoader")):
            return [one]
        if depth < 6 and one.kind.startswith(ITERATES):
            found = [loader for part in one.args for loader in _loaders(part, depth + 1)]
            if found:
                return found
    return []


def _loader_in(trace: Trace, training: TrainingLoop) -> Object | None:
    """The loader that the epoch loop takes batches from by ``next``, or measures by ``len``, or from which came what it
    gives to the model; none of those that only another choice of the script's options would build."""
    for event in trace.events:
        if event.name in ("builtins.next", "builtins.len", "builtins.iter") and event.within_node(training.epoch.node):
            found = next(filter(None, map(_loader, event.args)), None)
            if found is not None and _built_by_default(trace, found):
                return found
    modules = (event for event in trace.events if event.name == "()" and event.within(training.batch or training.epoch))
    given = (argument for event in modules for argument in event.args)
    found = filter(None, (_loader(part) for argument in given for part in made_of(argument)))
    return next((loader for loader in found if _built_by_default(trace, loader)), None)


def _built_by_default(trace: Trace, loader: Object) -> bool:
    """True for a loader that is built unless the user sets an option of the script."""
    return is_default(trace.events[loader.event].path)


def _others(trace: Trace, training: TrainingLoop, loader: Object) -> list[Object]:
    """The loaders, beside one, that are trained on: in the same loop, in another, or in its place in some epochs."""
    places, epoch = {event.node for event, _ in training.steps}, training.epoch.node
    steps = (event for event in trace.events if event.node in places and event.within_node(epoch))
    around = (loop for event in steps for loop in event.loops if loop.node is not epoch)
    found = [one for loop in around for one in _loaders(loop.iterable)]
    taken = (event for event in trace.named("builtins.next") if event.within(training.batch or training.epoch))
    found += [one for event in taken if not _is_measured(event) for value in event.args for one in _loaders(value)]
    found = [one for one in found if _built_by_default(trace, one)] + _rebuilt(trace, training, loader)
    by_place = {one.node: one for one in found if one.scope is not None and one.node is not loader.node}
    return list(by_place.values())


def _is_measured(event: Event) -> bool:
    """True for what happens where no gradients are kept."""
    return any(isinstance(entry, Context) and entry.name in NO_GRADIENT for entry in event.path)


def _rebuilt(trace: Trace, training: TrainingLoop, loader: Object) -> list[Object]:
    """The loaders that take the place of the training's, under its name, in the course of the epochs."""
    epoch = training.epoch.node
    if trace.events[loader.event].within_node(epoch):
        before = [one for one in objects((training.batch or training.epoch).iterable) if one is not loader]
        return [one for one in before if _loader(one) is one and one.node is not loader.node]
    names = set(loader.names)
    return [
        one
        for one in trace.objects
        if _loader(one) is one
        and one.node is not loader.node
        and any(one.scope is loader.scope or "." in name for name in names & set(one.names))
        and trace.events[one.event].within_node(epoch)
    ]


def _chosen_anew(trace: Trace, training: TrainingLoop, loader: Object) -> bool:
    """True for a loader that is built in every epoch, of samples that are chosen there."""
    epoch = training.epoch.node
    if not trace.events[loader.event].within_node(epoch):
        return False
    given = loader.argument(0, "dataset")
    built = [one for one in objects(given) if trace.events[one.event].within_node(epoch)]
    if any(one.short_kind in ("Subset", "random_split") for one in built):
        return True
    node = _dataset_node(loader)
    bound = names_bound(epoch) if loader.scope is training.epoch.scope else set()
    makes = [one.node for one in built] or [node] if node is not None else []
    return any(names_read(made) & bound - set(loader.names) for made in makes if isinstance(made, ast.AST))


def _reads_stream(loader: Object) -> bool:
    """True for a loader of an IterableDataset."""
    classes = (one.cls for one in objects(loader.argument(0, "dataset")))
    return any(cls is not None and cls.derives_from("torch.utils.data.IterableDataset") for cls in classes)


def _handed(loader: Object | None) -> Expression | None:
    """The expression of the data set that a loader is given, where it is written."""
    node = _dataset_node(loader)
    return expression(node, loader.scope) if node is not None and loader is not None and loader.scope else None


def _dataset_node(loader: Object | None) -> ast.AST | None:
    """The data set in the call that builds a loader; None where it is not written there, as where a loader of the
    project's own makes it of what it is given."""
    if loader is None or not isinstance(loader.node, ast.Call) or not _hands_on(loader):
        return None
    named = next((keyword.value for keyword in loader.node.keywords if keyword.arg == "dataset"), None)
    first = next(iter(loader.node.args), None)
    return named or (None if isinstance(first, ast.Starred) else first)


def _hands_on(loader: Object) -> bool:
    """True for a loader whose class, where it is the project's own, gives its first argument to that of torch."""
    constructor = loader.cls.find("__init__") if loader.cls is not None else None
    if not isinstance(constructor, Function):
        return True
    first = (positional_parameters(constructor.node)[1:] or [""])[0]
    calls = [node for node in own_nodes(constructor.node.body) if isinstance(node, ast.Call)]
    given = [
        value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"
        for value in (*call.args, *(keyword.value for keyword in call.keywords))
    ]
    return any(isinstance(value, ast.Name) and value.id == first for value in given)


def _source(value: Value | None, depth: int = 0) -> Object | None:
    """The data set or reader at the origin of a value; None for data that the script makes itself."""
    for one in objects(value):
        if depth < 8 and (one.short_kind.endswith(DERIVED) or "[" in one.kind or one.kind.startswith(ITERATES)):
            parts = [*one.args, *one.kwargs.values(), one.receiver]
            found = next(filter(None, (_source(part, depth + 1) for part in parts)), None)
            if found is not None:
                return found
            continue
        if _is_dataset(one):
            return one
    return None


def _is_dataset(value: Object) -> bool:
    """True for a data set or a reader of data."""
    if value.cls is not None:
        bases = [base.name for base in value.cls.ancestry() if isinstance(base, External)]
        return any(base.startswith("torch.utils.data.") or "dataset" in base.lower() for base in bases)
    return (
        value.kind.startswith(DATA_READERS) or "dataset" in value.short_kind.lower() or "dataset" in value.kind.lower()
    )


def read_paths(trace: Trace, reads: Callable[[Event], bool]) -> Iterator[PathFact]:
    """The paths that some calls read from, each place once, in the order of the program; not of the files that the
    program writes itself."""
    seen = set()
    own = {plain(value) for _, value in written_files(trace) if isinstance(plain(value), str)}
    for event in trace.events:
        if not reads(event) or event.result in trace.settings_files:
            continue
        for value in (path for path in _path_arguments(event) if plain_key(path) not in own):
            for found in _path_facts(event, value):
                key = (found.option.destination if found.option else None, found.expression.place)
                if key not in seen:
                    seen.add(key)
                    yield found


def _reads_data(trace: Trace, event: Event) -> bool:
    """True for a call that reads data from a path; what is opened for writing and checkpoints are not."""
    name = event.name
    if _builds_dataset(event):
        return True
    if _finds_checkpoint(trace, event):
        return False
    if is_path(event.receiver) and name in (".glob", ".rglob", ".iterdir", ".read_text", ".read_bytes"):
        return True
    if name.endswith(".open"):
        return not writes(event) and not restores(trace, event)
    if name == "torch.load":
        return not restores(trace, event)
    return name.startswith(DATA_READERS) and not name.startswith("torch.utils.data.")


def _finds_checkpoint(trace: Trace, event: Event) -> bool:
    """True for listing files of which one is loaded as a checkpoint, or whose pattern is that of checkpoints."""
    if event.name not in LISTS:
        return False
    given = [one for one in (event.receiver, *event.args[:1]) if one is not None]
    texts = (leaf.value for one in given for leaf in written_parts(one) if isinstance(leaf, Literal))
    if any(CHECKPOINTS.search(str(text)) for text in texts):
        return True
    chosen = [one for one in trace.named("builtins.max", "builtins.min") if _is_made_of(one.args, [event.result])]
    found = [event.result, *(one.result for one in chosen)]
    return any(_is_made_of(load.args[:1], found) for load in trace.named("torch.load") if restores(trace, load))


def _is_made_of(values: Iterable[Value], parts: list[Value | None]) -> bool:
    """True where one of some values is one of some others, or computed from it."""
    return any(part is one for value in values for part in made_of(value) for one in parts)


def _looks_for(event: Event) -> bool:
    """True for asking whether a path is there."""
    return event.name in ("os.path.exists", "os.path.isdir", "os.path.isfile")


def restores(trace: Trace, event: Event) -> bool:
    """True for reading a checkpoint: the script speaks of one, or of a model, where it reads, or loads it into one."""
    text = ast.unparse(event.statement).lower().replace("weights_only", "") if event.statement is not None else ""
    words = ("checkpoint", "ckpt", "state_dict", "resume", "pretrained", "weights", "model", "snapshot")
    loaded = (part for load in trace.named(".load_state_dict") for value in load.args for part in made_of(value))
    return any(word in text for word in words) or any(part is event.result for part in loaded)


def _path_arguments(event: Event) -> list[Value]:
    """The arguments of a reading call that hold a path."""
    if _builds_dataset(event):
        return _path_parameters(event.result)
    if is_path(event.receiver) or event.name == ".open":
        return [event.receiver] if is_path(event.receiver) else []
    named = [event.kwargs[name] for name in PATH_KEYWORDS if name in event.kwargs]
    given = named[:1] or list(event.args[:1])
    if event.name == "datasets.load_dataset" and not named:
        given = [one for one in given if str(plain(one)).startswith((".", "/", "~"))]  # any other is a name on the hub
    return [item for value in given for item in (value.items if isinstance(value, Sequence) else [value])]


def _builds_dataset(event: Event) -> bool:
    """True for building a data set of the project."""
    built = event.result
    return isinstance(built, Object) and built.cls is not None and built.node is event.node and _is_dataset(built)


def _path_parameters(dataset: Object) -> list[Value]:
    """The constructor arguments of a local data set whose parameters are named like paths, defaults among them."""
    constructor = dataset.cls.find("__init__") if dataset.cls else None
    if not isinstance(constructor, Function):
        return []
    spec = constructor.node.args
    names = [parameter.arg for parameter in spec.args[1:]]
    defaults = zip(reversed(names), reversed(spec.defaults), strict=False)
    given: dict[str, Value] = {
        name: Literal(node.value, written=(node, constructor.scope))
        for name, node in defaults
        if isinstance(node, ast.Constant)
    }
    given |= dict(zip(names, dataset.args, strict=False)) | dataset.kwargs
    return [value for name, value in given.items() if PATH_PARAMETER.search(name)]


def _path_facts(event: Event, value: Value) -> Iterator[PathFact]:
    """The paths an argument may be: by an option of the script, or by the literal that starts it."""
    for option in options(value):
        if isinstance(option, Object) and option.kind.rpartition(".")[2] == "open":
            continue  # an open file: the call that opens it tells its path
        yield from _beside_script(event, option)
        first = next((part for part in written_parts(option) if not _is_template(part)), None)
        if isinstance(first, EnvironmentVariable) and not NOT_DATA.search(first.name):
            written = expression(*first.written)
            yield PathFact(None, written, event.name, "any", event, environment=first.name)
        if first is None or not _starts_path(first):
            continue
        known = plain(option)
        whole = isinstance(option, Literal) and not option.parts
        kind = _kind(event, whole)
        value = first.value if isinstance(first, Literal) and isinstance(first.value, str) else None
        value = known if whole and isinstance(known, str) else value
        if isinstance(first, Literal) and first.written is not None:
            yield PathFact(value, expression(*first.written), event.name, kind, event, first.option)
        elif event.node.args and (first.option is not None or source_of(first) == CONFIG):
            written = expression(event.node.args[0], event.scope)
            yield PathFact(value, written, event.name, kind, event, first.option, first.option is None)


def _beside_script(event: Event, value: Value) -> Iterator[PathFact]:
    """A path that starts at ``__file__``."""
    joined = first_joined(value)
    path = beside_script(joined)
    if joined is None or joined.scope is None or path is None or not _starts_path(Literal(path)):
        return
    written, kind = expression(joined.node, joined.scope), _kind(event, joined is value)
    yield PathFact(path, written, event.name, kind, event, path_class=path_class(joined))


def _is_template(part: Literal | Unknown) -> bool:
    """True for text that only formats what follows, such as ``{}/{}.csv``."""
    return isinstance(part, Literal) and isinstance(part.value, str) and part.value[:1] in ("{", "%", "")


def _starts_path(part: Literal | Unknown) -> bool:
    """True for what can begin a data path: an option of that meaning, or text that names no code or settings."""
    if part.option is not None:
        return not NOT_DATA.search(part.option.destination)
    text = part.value if isinstance(part, Literal) else None
    return isinstance(text, str) and text != "/" and not SETTINGS_FILE.search(text) and not NOT_DATA_FOLDER.search(text)


def _kind(event: Event, whole: bool) -> str:
    """Whether a path is a directory or a file; a piece that more is joined to is a directory."""
    if not whole or event.name.startswith((*DIRECTORY_READERS, ".glob", ".rglob", ".iterdir")):
        return "directory"
    return "file" if event.name.startswith(FILE_READERS) or event.name.endswith(".open") else "any"


def _texts(source: Object | None) -> Iterator[Literal]:
    """The paths written as a data set's own arguments."""
    if source is None:
        return
    named = [source.kwargs[name] for name in PATH_KEYWORDS if name in source.kwargs]
    for value in [*named, *source.args[:1]]:
        known = plain(value)
        if isinstance(known, str):
            yield Literal(known)
