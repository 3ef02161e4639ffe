"""The files that a program writes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from engine.facts.trace import Event, Trace, is_default
from engine.facts.values import Value, plain

WRITERS = {
    "builtins.open": 0, "logging.FileHandler": 0, "matplotlib.pyplot.savefig": 0, ".savefig": 0, "numpy.save": 0,
    "numpy.savez": 0, "numpy.savez_compressed": 0, "numpy.savetxt": 0, ".to_csv": 0, ".to_pickle": 0, ".to_parquet": 0,
    "cv2.imwrite": 0, "torch.save": 1, "torchvision.utils.save_image": 1, "joblib.dump": 1,
}  # fmt: skip
"""Calls that write a file and make no folder for it, with the position of the path."""
LOGS = {
    "torch.utils.tensorboard.SummaryWriter": 0, "tensorboardX.SummaryWriter": 0,
    "logging.handlers.RotatingFileHandler": 0, "logging.basicConfig": 0,
}  # fmt: skip
"""Calls that make the folder they write to, or are given the path by name only, with its position."""
PATH_KEYWORDS = ("file", "filename", "fname", "f", "path_or_buf", "path", "log_dir", "logdir")
WRITES_ITSELF = (".write_text", ".write_bytes")


def writes(event: Event) -> bool:
    """True for opening a file to write it."""
    position = 0 if event.name == ".open" else 1
    mode = plain(event.args[position]) if len(event.args) > position else plain(event.kwargs.get("mode"))
    return isinstance(mode, str) and bool(set(mode) & set("wax+"))


def writes_a_file(event: Event) -> bool:
    """True for a call that writes a file by the path it is given."""
    return event.name in WRITERS and (event.name != "builtins.open" or writes(event))


def written_files(trace: Trace) -> Iterator[tuple[Event, Value]]:
    """The calls that write a file unless the user sets an option, with its path."""
    for event in trace.events:
        if not is_default(event.path):
            continue
        if writes_a_file(event) or event.name in LOGS:
            position = (WRITERS | LOGS)[event.name]
            named = (event.kwargs[name] for name in PATH_KEYWORDS if name in event.kwargs)
            given = next(chain(event.args[position : position + 1], named), None)
        elif event.name in WRITES_ITSELF or (event.name == ".open" and writes(event)):
            given = event.receiver
        else:
            continue
        if given is not None:
            yield event, given
