"""The command-line options of a scaffolded script, each with the key of the specification it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.trainer.specification import Specification
from engine.trainer.torch_arguments import TorchArguments

_SCHEDULER_FLAGS = {"patience": "lr-patience", "T_0": "cycle-epochs", "T_mult": "cycle-growth"}


@dataclass(frozen=True)
class Option:
    """One ``add_argument`` of the script.

    Attributes:
        flag: such as ``--batch-size``.
        field: JSON path of the key in the specification.
        default: its value there.
        help: what it is, for the script's own help.
        source: the default as source text, where the script computes it.
    """

    flag: str
    field: str
    default: object
    help: str
    source: str = ""

    @property
    def arguments(self) -> list[str]:
        """The arguments of ``add_argument`` as source text."""
        several = isinstance(self.default, list)
        kind = type(self.default[0] if isinstance(self.default, list) else self.default)
        return [
            literal(self.flag),
            *([f"type={kind.__name__}"] if kind in (int, float) else []),
            *(["nargs=2"] if several else []),
            *([f"default={self.source or literal(self.default)}"] if self.default is not None else []),
            f"help={literal(self.help)}",
        ]


def literal(value: object) -> str:
    """A JSON value as Python source, with double quotes as formatters write them."""
    match value:
        case str():
            text = repr(value)
            return text if '"' in value or "\\" in text else f'"{value}"'
        case list():
            return f"[{', '.join(literal(item) for item in value)}]"
        case dict():
            return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    return repr(value)


def options(specification: Specification) -> list[Option]:
    """The options of the script that does what a specification says, in the order of its help."""
    return [*_data(specification), *_training(specification), *_run(specification)]


def _data(specification: Specification) -> Iterator[Option]:
    data, at = specification.data_config, "$.dataConfig"
    yield Option("--train-path", f"{at}.trainPath", data.train_path, "training data")
    if data.val_path:
        yield Option("--val-path", f"{at}.valPath", data.val_path, "validation data")
    else:
        text = "part of the training data held out for validation"
        yield Option("--validation-fraction", f"{at}.validationFraction", data.held_out, text)
    if data.format == "csv":
        yield Option("--label-column", f"{at}.labelColumn", data.label_column, "column that holds the label")
    if data.format in ("npz", "pt"):
        yield Option("--input-key", f"{at}.inputKey", data.input_key, "array that holds the inputs")
        yield Option("--label-key", f"{at}.labelKey", data.label_key, "array that holds the labels")
    if data.format == "images":
        yield Option("--image-size", f"{at}.imageSize", data.image_size, "height and width of the images")
    yield Option("--batch-size", f"{at}.batchSize", data.batch_size, "examples per batch")
    if data.num_workers:
        yield Option("--num-workers", f"{at}.numWorkers", data.num_workers, "worker processes of each loader")


def _training(specification: Specification) -> Iterator[Option]:
    training, at = specification.training_config, "$.trainingConfig"
    yield Option("--epochs", f"{at}.epochs", training.epochs, "passes over the training data")
    yield Option("--lr", f"{at}.learningRate", training.learning_rate, "learning rate")
    for name, value in given(training.optimizer_arguments).items():
        if is_number(value):
            text = f"{name} of {training.optimizer_class}"
            yield Option(flag(name), f"{at}.optimizerArgs.{name}", value, text)
    for name, value in given(training.scheduler_arguments).items():
        if is_number(value):
            text = f"{name} of {training.scheduler_class}"
            yield Option(scheduler_flag(name), f"{at}.schedulerArgs.{name}", value, text)
    if training.gradient_clipping:
        text = "greatest norm of the gradient"
        yield Option("--clip-norm", f"{at}.gradientClipping", training.gradient_clipping, text)
    if training.gradient_accumulation > 1:
        text = "batches summed up for one step"
        yield Option("--accumulation", f"{at}.gradientAccumulation", training.gradient_accumulation, text)
    if stopping := training.early_stopping:
        text = "epochs without a better validation loss before stopping"
        yield Option("--patience", f"{at}.earlyStopping.patience", stopping.patience, text)
        text = "least decrease of the validation loss that counts"
        yield Option("--min-delta", f"{at}.earlyStopping.minDelta", stopping.min_delta, text)


def _run(specification: Specification) -> Iterator[Option]:
    checkpoint, at = specification.checkpoint_config, "$.checkpointConfig"
    yield Option("--save-dir", f"{at}.saveDir", checkpoint.save_dir, "folder of the checkpoints")
    if checkpoint.save_every:
        text = "epochs between the checkpoints that are kept"
        yield Option("--save-every", f"{at}.saveEvery", checkpoint.save_every, text)
    yield Option("--resume", f"{at}.resumeFrom", checkpoint.resume_from, "checkpoint to go on from")
    if tracking := specification.tracking_config:
        yield Option("--log-dir", "$.trackingConfig.tensorboardDir", tracking.tensorboard_dir, "TensorBoard folder")
    device = '"cuda" if torch.cuda.is_available() else "cpu"' if specification.device == "auto" else ""
    yield Option("--device", "$.device", specification.device, "cpu, cuda or another torch device", device)
    yield Option("--seed", "$.seed", specification.seed, "seed of every random choice")


def given(arguments: TorchArguments | None) -> dict[str, object]:
    """The arguments that are not left to torch."""
    return arguments.model_dump(exclude_none=True) if arguments else {}


def is_number(value: object) -> bool:
    """True for what is worth an option; flags and lists are written into the script."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def flag(name: str) -> str:
    """The option of an optimizer's argument."""
    return "--" + name.lower().replace("_", "-")


def scheduler_flag(name: str) -> str:
    """The option of a scheduler's argument, under a name that no other option has."""
    return flag(_SCHEDULER_FLAGS.get(name, name))


def attribute(option: str) -> str:
    """How the script refers to an option, such as ``args.batch_size``."""
    return "args." + option.removeprefix("--").replace("-", "_")
