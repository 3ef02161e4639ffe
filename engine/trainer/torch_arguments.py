"""The optimizers and schedulers a specification may name, and the arguments each takes under torch's own names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Betas = Annotated[list[Fraction], Field(min_length=2, max_length=2)]


class TorchArguments(BaseModel):
    """Keyword arguments of one torch class; what is left out keeps torch's default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OptimizerArguments(TorchArguments):
    """Arguments of every optimizer but LBFGS."""

    weight_decay: NotNegative | None = None


class SGDArguments(OptimizerArguments):
    """Arguments of ``torch.optim.SGD``."""

    momentum: NotNegative | None = None
    dampening: NotNegative | None = None
    nesterov: bool | None = None


class AdamArguments(OptimizerArguments):
    """Arguments of ``torch.optim.Adam`` and ``torch.optim.AdamW``."""

    betas: Betas | None = None
    eps: Positive | None = None
    amsgrad: bool | None = None


class RMSpropArguments(OptimizerArguments):
    """Arguments of ``torch.optim.RMSprop``."""

    alpha: Fraction | None = None
    eps: Positive | None = None
    momentum: NotNegative | None = None
    centered: bool | None = None


class AdagradArguments(OptimizerArguments):
    """Arguments of ``torch.optim.Adagrad``."""

    lr_decay: NotNegative | None = None
    initial_accumulator_value: NotNegative | None = None
    eps: Positive | None = None


class AdadeltaArguments(OptimizerArguments):
    """Arguments of ``torch.optim.Adadelta``."""

    rho: Fraction | None = None
    eps: Positive | None = None


class NAdamArguments(OptimizerArguments):
    """Arguments of ``torch.optim.NAdam``."""

    betas: Betas | None = None
    eps: Positive | None = None
    momentum_decay: NotNegative | None = None


class RAdamArguments(OptimizerArguments):
    """Arguments of ``torch.optim.RAdam``."""

    betas: Betas | None = None
    eps: Positive | None = None


class LBFGSArguments(TorchArguments):
    """Arguments of ``torch.optim.LBFGS``."""

    max_iter: Count | None = None
    history_size: Count | None = None
    tolerance_grad: NotNegative | None = None
    tolerance_change: NotNegative | None = None
    line_search_fn: Literal["strong_wolfe"] | None = None


class StepLRArguments(TorchArguments):
    """Arguments of ``StepLR``."""

    step_size: Count = 10
    gamma: Positive = 0.1


class MultiStepLRArguments(TorchArguments):
    """Arguments of ``MultiStepLR``; without milestones it decays after one half and three quarters of the epochs."""

    milestones: Annotated[list[Count], Field(min_length=1)] | None = None
    gamma: Positive = 0.1


class ExponentialLRArguments(TorchArguments):
    """Arguments of ``ExponentialLR``."""

    gamma: Positive = 0.95


class CosineAnnealingLRArguments(TorchArguments):
    """Arguments of ``CosineAnnealingLR``; its horizon is the number of epochs."""

    eta_min: NotNegative | None = None


class CosineAnnealingWarmRestartsArguments(TorchArguments):
    """Arguments of ``CosineAnnealingWarmRestarts``."""

    T_0: Count = 10
    T_mult: Count | None = None
    eta_min: NotNegative | None = None


class OneCycleLRArguments(TorchArguments):
    """Arguments of ``OneCycleLR``; the learning rate is its peak, its horizon is every step of every epoch."""

    pct_start: Annotated[float, Field(gt=0, lt=1)] | None = None
    div_factor: Positive | None = None
    final_div_factor: Positive | None = None
    three_phase: bool | None = None
    cycle_momentum: bool | None = None


class ReduceLROnPlateauArguments(TorchArguments):
    """Arguments of ``ReduceLROnPlateau``, which watches the validation loss."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Field(ge=0)] = 10
    threshold: NotNegative | None = None
    cooldown: Annotated[int, Field(ge=0)] | None = None
    min_lr: NotNegative | None = None


class WarmupCosineArguments(TorchArguments):
    """Arguments of a linear warm-up (``LinearLR``) followed by ``CosineAnnealingLR`` over the remaining epochs."""

    warmup_epochs: Count = 1
    start_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    eta_min: NotNegative | None = None


OPTIMIZERS: dict[str, type[TorchArguments]] = {
    "SGD": SGDArguments,
    "Adam": AdamArguments,
    "AdamW": AdamArguments,
    "RMSprop": RMSpropArguments,
    "Adagrad": AdagradArguments,
    "Adadelta": AdadeltaArguments,
    "NAdam": NAdamArguments,
    "RAdam": RAdamArguments,
    "LBFGS": LBFGSArguments,
}

SCHEDULERS: dict[str, type[TorchArguments]] = {
    "StepLR": StepLRArguments,
    "MultiStepLR": MultiStepLRArguments,
    "ExponentialLR": ExponentialLRArguments,
    "CosineAnnealingLR": CosineAnnealingLRArguments,
    "CosineAnnealingWarmRestarts": CosineAnnealingWarmRestartsArguments,
    "OneCycleLR": OneCycleLRArguments,
    "ReduceLROnPlateau": ReduceLROnPlateauArguments,
    "WarmupCosine": WarmupCosineArguments,
}

OptimizerName = Literal[
    "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "LBFGS",
    "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "nadam", "radam", "lbfgs",
]  # fmt: skip

SchedulerName = Literal[
    "StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "OneCycleLR",
    "ReduceLROnPlateau", "WarmupCosine",
    "step", "multistep", "exponential", "cosine", "warm_restarts", "onecycle", "plateau", "warmup_cosine",
]  # fmt: skip

_CLASS_NAMES = {name.lower(): name for name in OPTIMIZERS} | {
    "step": "StepLR",
    "multistep": "MultiStepLR",
    "exponential": "ExponentialLR",
    "cosine": "CosineAnnealingLR",
    "warm_restarts": "CosineAnnealingWarmRestarts",
    "onecycle": "OneCycleLR",
    "plateau": "ReduceLROnPlateau",
    "warmup_cosine": "WarmupCosine",
}


def class_name(name: str) -> str:
    """The class an optimizer's or scheduler's short name stands for; a class name stands for itself."""
    return _CLASS_NAMES.get(name, name)


def names_of(name: str) -> list[str]:
    """Every name of an optimizer's or scheduler's class that a specification may use."""
    return [name, *(short for short, meant in _CLASS_NAMES.items() if meant == name)]
