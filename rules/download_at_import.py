"""FLR302: downloads that happen when a module is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.trace import Branch, Call
from engine.facts.values import plain
from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

DOWNLOADS = (
    "urllib.request.urlretrieve", "urllib.request.urlopen", "wget.download", "gdown.download", "requests.get",
    "torch.hub.load", "torch.hub.download_url_to_file", "torchvision.datasets.utils.download_url",
    "huggingface_hub.snapshot_download", "huggingface_hub.hf_hub_download", "nltk.download",
)  # fmt: skip


class DownloadAtImport(ProgramRule):
    """
    ## What it does
    Warns of data or weights that are downloaded by statements at module level.

    ## Why is this bad
    They run whenever the file is imported. In the simulator all sites start at once and write the same files side by
    side, and a hospital's server may have no way out to the network at all.

    ## Example
    ```python
    train_set = datasets.MNIST("data", download=True)  # at module level
    ```

    ## Remedy
    Download once, before the job starts, and pass `download=False`; or move the download into a function that only a
    preparation script calls.

    ## Fix safety
    There is no fix: without the download the data may not be there.
    """

    CODE = "FLR302"
    MESSAGE = "This downloads whenever the file is imported, at every site at once."
    REMEDY = "Download once before the job starts, and pass download=False."
    VALID = [
        """
        import torch
        from torchvision import datasets
        def main():
            datasets.MNIST("data", download=True)
        if __name__ == "__main__":
            main()
        """,
        "from torchvision import datasets\ndatasets.MNIST('data', download=False)",
    ]
    INVALID = [
        Invalid("from torchvision import datasets\ntrain_set = datasets.MNIST('data', download=True)"),
        Invalid("import torch\nmodel = torch.hub.load('pytorch/vision', 'resnet18')"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every download at module level, outside of the ``__main__`` block."""
        for event in facts.trace.events:
            downloads = event.name in DOWNLOADS or plain(event.kwargs.get("download")) is True
            if downloads and at_import(event):
                yield cls.found(event.scope.file, event.node)


def at_import(event: Event) -> bool:
    """True for a call that happens when its file is imported."""
    branches = (entry.node for entry in event.path if isinstance(entry, Branch) and isinstance(entry.node, ast.If))
    guarded = any("__name__" in ast.unparse(node.test) for node in branches)
    return not guarded and not any(isinstance(entry, Call) for entry in event.path)
