"""FLR105: a training loop that another framework owns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.values import Class, Value, options
from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

LIGHTNING = (
    "PyTorch Lightning",
    "patch the trainer: `import nvflare.client.lightning as flare` and `flare.patch(trainer)`, then train in the "
    "`while flare.is_running()` loop",
)
HUGGING_FACE = (
    "the Hugging Face Trainer",
    "patch the trainer: `import nvflare.client.hf as flare` and `flare.patch(trainer)`, then train in the "
    "`while flare.is_running()` loop",
)
BY_HAND = (
    "write its loop out in plain PyTorch, or exchange weights by hand with `nvflare.client` around its training call"
)
OWNERS = {
    "pytorch_lightning.Trainer": LIGHTNING,
    "pytorch_lightning.cli.LightningCLI": LIGHTNING,
    "lightning.Trainer": LIGHTNING,
    "lightning.pytorch.Trainer": LIGHTNING,
    "lightning.pytorch.cli.LightningCLI": LIGHTNING,
    "transformers.Trainer": HUGGING_FACE,
    "transformers.Seq2SeqTrainer": HUGGING_FACE,
    "trl.": HUGGING_FACE,
    "sentence_transformers.SentenceTransformerTrainer": HUGGING_FACE,
    "fastai.": ("fastai", BY_HAND),
    "ignite.engine.": ("PyTorch Ignite", BY_HAND),
    "monai.engines.": (
        "MONAI's engines (PyTorch Ignite)",
        "use NVIDIA FLARE's MONAI integration (`monai.fl.client.MonaiAlgo`)",
    ),
    "catalyst.": ("Catalyst", BY_HAND),
    "composer.Trainer": ("Composer", BY_HAND),
    "skorch.": ("skorch", BY_HAND),
    "mmengine.runner.": ("MMEngine", BY_HAND),
    "mmcv.runner.": ("MMCV", BY_HAND),
    "detectron2.engine.": ("Detectron2", BY_HAND),
    "ultralytics.YOLO": ("Ultralytics", BY_HAND),
    "poutyne.Model": ("Poutyne", BY_HAND),
    "torchbearer.Trial": ("Torchbearer", BY_HAND),
}
TRAINS = (".fit", ".train")
HELPERS = (
    "fastai.data", "fastai.vision.data", "fastai.vision.augment", "ignite.metrics", "ignite.engine.Events",
    "trl.core", "monai.engines.utils", "detectron2.engine.default_argument_parser",
)  # fmt: skip


class OtherFrameworkTrains(ProgramRule):
    """
    ## What it does
    Refuses a program whose training loop belongs to a framework on top of PyTorch: Lightning, the Hugging Face Trainer,
    fastai, Ignite, MONAI's engines, Catalyst, Composer, skorch, OpenMMLab, Detectron2, Ultralytics and others.

    ## Why is this bad
    Rounds go into the training loop, and the loop is not in the script. For some of them NVIDIA FLARE has a way in of
    its own, which is better than rewriting.

    ## Example
    ```python
    trainer = pl.Trainer(max_epochs=5)
    trainer.fit(model, train_loader)
    ```

    ## Remedy
    The message names the way for the framework at hand: `flare.patch(trainer)` for Lightning and Hugging Face, MONAI's
    own client for its engines, a plain PyTorch loop for the others.

    ## Fix safety
    There is no fix.

    ## References
    - [FLARE with PyTorch Lightning](https://nvflare.readthedocs.io/en/main/user_guide/data_scientist_guide/client_api_usage.html)
    """

    CODE = "FLR105"
    MESSAGE = "Another framework owns the training loop."
    REMEDY = "Use the way NVIDIA FLARE offers for this framework, or write the loop out in plain PyTorch."
    VALID = [
        "import torch\nfrom ignite.metrics import Accuracy\naccuracy = Accuracy()",
        """
        import torch, transformers
        model = transformers.AutoModel.from_pretrained("bert-base-uncased")
        optimizer = torch.optim.AdamW(model.parameters())
        for batch in loader:
            model(**batch).loss.backward()
            optimizer.step()
        """,
        "import pytorch_lightning as pl\ndef unused():\n    pl.Trainer().fit(model)",
        """
        import torch
        from transformers import Trainer
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in loader:
            model(x).sum().backward()
            optimizer.step()
        Trainer(model=model).evaluate(loader)
        """,
    ]
    INVALID = [
        Invalid("import pytorch_lightning as pl\ntrainer = pl.Trainer(max_epochs=5)\ntrainer.fit(model, loader)"),
        Invalid("from transformers import Trainer\ntrainer = Trainer(model=model)\ntrainer.train()"),
        Invalid("from ignite.engine import create_supervised_trainer as make\nmake(model, optimizer, loss).run(data)"),
        Invalid(
            """
            import torch
            from transformers import Trainer
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
            Trainer(model=model).train()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Where the framework's trainer is built; beside a training loop of the program's own, where it trains, too."""
        trainers: list[tuple[Value | None, tuple[str, str]]] = []
        for event in facts.trace.events:
            owner = owner_of(event)
            if owner and facts.loop is None:
                framework, way = owner
                message = f"The training loop belongs to {framework}; {way}."
                yield cls.found(event.scope.file, event.node, message)
                return
            if owner and any(name.endswith("Trainer") for name in names_of(event)):
                trainers.append((event.result, owner))
            trained = [framework for trainer, (framework, _) in trainers if event.receiver is trainer]
            if trained and event.name in TRAINS:
                message = f"Besides its own loop, the program trains by {trained[0]}; leave one of the two in it."
                yield cls.found(event.scope.file, event.node, message)
                return


def owner_of(event: Event) -> tuple[str, str] | None:
    """The framework whose trainer a call builds, and the way to federate it."""
    for name in names_of(event):
        for prefix, owner in OWNERS.items():
            whole = name == prefix or (prefix.endswith(".") and name.startswith(prefix))
            if whole and not name.startswith(HELPERS):
                return owner
    return None


def names_of(event: Event) -> list[str]:
    """The qualified names of what a call builds: its own, and those of the library's classes it derives from."""
    built = [getattr(option, "cls", None) for option in options(event.result)]
    return [event.name, *(base.name for cls in built if isinstance(cls, Class) for base in externals(cls))]


def externals(cls: Class) -> list:
    """The classes of libraries that a class of the project derives from."""
    return [base for base in cls.ancestry() if not isinstance(base, Class) and hasattr(base, "name")]
