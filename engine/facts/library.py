"""What is known of libraries: what reads data, what only holds settings."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts.values import (
    DATASET,
    Choice,
    Mapping,
    Object,
    Sequence,
    Unknown,
    Value,
)

NAMESPACES = {
    "argparse.Namespace", "types.SimpleNamespace", "easydict.EasyDict", "munch.Munch", "addict.Dict",
    "attrdict.AttrDict", "ml_collections.ConfigDict", "omegaconf.OmegaConf.create",
}  # fmt: skip
DATA_READERS = (
    "builtins.open", "io.open", "gzip.open", "codecs.open", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt",
    "numpy.memmap", "numpy.fromfile",
    "pandas.read_", "pickle.load", "scipy.io.loadmat", "h5py.File", "os.listdir", "glob.glob", "csv.reader",
    "torchvision.datasets.", "torchtext.", "datasets.load_dataset", "sklearn.datasets.", "nibabel.load",
    "PIL.Image.open", "cv2.imread", "torch.utils.data.", "monai.data.ImageDataset",
)  # fmt: skip
MOST_ELEMENTS = 200
ENDS_PROGRAM = {"sys.exit", "builtins.exit", "builtins.quit", "os._exit"}


def is_namespace(value: Object) -> bool:
    """True for an object that only holds configuration values."""
    return value.kind in NAMESPACES


def comes_from_data(value: Value | None) -> bool:
    """True for what was read from files, and for what was computed from it."""
    return any(_is_read(part) for part in made_of(value))


def made_of(value: Value | None) -> Iterator[Value]:
    """A value and all it was computed from."""
    pending, seen = [value], set()
    while pending and len(seen) < MOST_ELEMENTS:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        pending.extend(_origins(part))


def _is_read(value: Value) -> bool:
    """True for what a reader of data gives back."""
    if isinstance(value, Unknown):
        return value.source == DATASET
    if not isinstance(value, Object):
        return False
    return value.kind.startswith((*DATA_READERS, "torch.load")) or (
        value.cls is not None and value.cls.derives_from("torch.utils.data.")
    )


def _origins(value: Value) -> list[Value | None]:
    """What a value was computed from."""
    if isinstance(value, Choice):
        return list(value.options)
    if isinstance(value, Sequence):
        return list(value.items)
    if isinstance(value, Mapping):
        return [*value.rest, *value.items.values()]
    if not isinstance(value, Object):
        return []
    whole = value.parent[0] if value.parent else None
    return [value.receiver, whole, *([] if value.is_module or value.cls is not None else value.args)]
