"""The training specification: what the document may say.

The names of the keys are those of the schema the specification follows; the keys added to it are optional and say so in
their descriptions, which the published JSON Schema (``docs/schemas/training-input.schema.json``) carries too.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from engine.trainer.torch_arguments import (
    OPTIMIZERS,
    SCHEDULERS,
    OptimizerName,
    Positive,
    SchedulerName,
    TorchArguments,
    class_name,
)

Text = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
DataFormat = Literal["csv", "npz", "npy", "pt", "images"]


class Section(BaseModel):
    """An object of the specification: unknown keys and wrong types are refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class DataConfig(Section):
    """Where the examples are and how they are loaded."""

    train_path: Text = Field(
        description="Training data: a .csv, .npz, .npy or .pt file, or a folder with one folder of images per class"
    )
    val_path: Text | None = Field(
        None, description="Validation data in the same format; without it a part of the training data is held out"
    )
    batch_size: int = Field(32, ge=1, description="Examples per batch")
    num_workers: int = Field(0, ge=0, description="Worker processes of each DataLoader; 0 loads in the main process")
    label_column: Text = Field("label", description="Extension: the column of a CSV file that holds the label")
    input_key: Text = Field("x", description="Extension: the array of an .npz or .pt file that holds the inputs")
    label_key: Text = Field("y", description="Extension: the array of an .npz or .pt file that holds the labels")
    image_size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)] = Field(
        [32, 32], description="Extension: height and width every image of an image folder is resized to"
    )
    image_channels: Literal[1, 3] = Field(3, description="Extension: 1 reads images in grey, 3 in colour")
    validation_fraction: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Extension: the part of the training data held out without valPath; 0.2 if not given",
    )
    pin_memory: bool = Field(False, description="Extension: pinned memory for faster copies to a GPU")
    persistent_workers: bool = Field(False, description="Extension: keep the workers from one epoch to the next")

    @property
    def format(self) -> DataFormat:
        """How the data is read, by the suffix of ``trainPath``; a path without a known suffix is an image folder."""
        suffix = PurePosixPath(self.train_path).suffix.lower()
        formats: dict[str, DataFormat] = {".csv": "csv", ".npz": "npz", ".npy": "npy", ".pt": "pt", ".pth": "pt"}
        return formats.get(suffix, "images")

    @property
    def held_out(self) -> float:
        """The part of the training data that is held out when there is no ``valPath``."""
        return 0.2 if self.validation_fraction is None else self.validation_fraction


class EarlyStopping(Section):
    """When to stop before the last epoch."""

    patience: int = Field(ge=1, description="Epochs in a row without a better validation loss before training stops")
    min_delta: float = Field(0.0, ge=0, description="The least decrease of the validation loss that counts as better")


class TrainingConfig(Section):
    """How the model is trained."""

    epochs: int = Field(10, ge=1, description="Passes over the training data")
    learning_rate: Positive = Field(0.001, description="Learning rate; the peak of OneCycleLR")
    optimizer: OptimizerName = Field("Adam", description="Class of torch.optim, or its name in lower case")
    scheduler: SchedulerName | None = Field(
        None, description="Class of torch.optim.lr_scheduler or its short name; WarmupCosine is LinearLR, then cosine"
    )
    mixed_precision: bool = Field(False, description="bfloat16 on the CPU, float16 with a gradient scaler on a GPU")
    gradient_clipping: Positive | None = Field(None, description="The greatest norm of the gradient")
    gradient_accumulation: int = Field(1, ge=1, description="Batches whose gradients are summed up for one step")
    optimizer_args: dict[Text, JsonValue] = Field({}, description="Extension: further arguments of the optimizer")
    scheduler_args: dict[Text, JsonValue] = Field({}, description="Extension: further arguments of the scheduler")
    early_stopping: EarlyStopping | None = Field(None, description="Extension: stop when validation gets no better")
    parallel: Literal["DataParallel", "DistributedDataParallel"] | None = Field(
        None, description="Extension: train on several devices; DistributedDataParallel starts by torchrun"
    )
    processes: int = Field(2, ge=1, description="Extension: processes that `train` starts for DistributedDataParallel")

    @property
    def optimizer_class(self) -> str:
        """The optimizer's class name."""
        return class_name(self.optimizer)

    @property
    def scheduler_class(self) -> str | None:
        """The scheduler's class name, if there is one."""
        return class_name(self.scheduler) if self.scheduler else None

    @property
    def optimizer_arguments(self) -> TorchArguments:
        """The checked arguments of the optimizer."""
        return OPTIMIZERS[self.optimizer_class].model_validate(self.optimizer_args)

    @property
    def scheduler_arguments(self) -> TorchArguments | None:
        """The checked arguments of the scheduler, if there is one."""
        return SCHEDULERS[self.scheduler_class].model_validate(self.scheduler_args) if self.scheduler_class else None


class CheckpointConfig(Section):
    """Where the state of the training is kept. ``last.pt`` and ``best.pt`` are always written."""

    save_dir: Text = Field("checkpoints", description="Folder of the checkpoints")
    save_every: int | None = Field(None, ge=1, description="Also keep a checkpoint of every so many epochs")
    resume_from: Text | None = Field(None, description="Checkpoint to go on from, exactly")


class TrackingConfig(Section):
    """Where the curves are recorded besides the output document."""

    tensorboard_dir: Text = Field("runs", description="Folder of the TensorBoard event files")


class Specification(Section):
    """A PyTorch training run. Paths are relative to the folder of the specification."""

    model_path: Text = Field(description="Path to model definition file")
    data_config: DataConfig
    training_config: TrainingConfig
    checkpoint_config: CheckpointConfig = Field(default_factory=CheckpointConfig)
    tracking_config: TrackingConfig | None = Field(None, description="Extension: record the curves in TensorBoard")
    model_class: Identifier | None = Field(
        None, description="Extension: the nn.Module class or factory function, when the file defines several"
    )
    model_args: dict[Identifier, JsonValue] = Field({}, description="Extension: keyword arguments of the model")
    task: Literal["classification", "regression", "binary"] = Field(
        "classification",
        description="Extension: cross entropy and accuracy, mean squared error, or binary cross entropy on one logit",
    )
    seed: int = Field(0, ge=0, description="Extension: seed of every random choice")
    deterministic: bool = Field(False, description="Extension: only deterministic algorithms of torch")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")] = Field(
        "auto", description="Extension: auto, cpu, cuda, cuda:N or mps; auto takes a GPU if there is one"
    )
