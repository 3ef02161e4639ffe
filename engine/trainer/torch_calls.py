"""The arguments of the torch objects a script builds, as source text."""

from __future__ import annotations

from engine.trainer.options import attribute, flag, given, is_number, literal, scheduler_flag
from engine.trainer.specification import DataConfig, TrainingConfig

# These take no momentum that OneCycleLR could cycle.
_WITHOUT_MOMENTUM = ("Adagrad", "Adadelta", "LBFGS")


def loader(data: DataConfig, training: bool, distributed: bool) -> list[str]:
    """The arguments of a ``DataLoader`` after its data set."""
    arguments = ["batch_size=args.batch_size"]
    if training and distributed:
        arguments.append("sampler=DistributedSampler(train_set, seed=args.seed)")
    elif training:
        arguments.append("shuffle=True")
    if data.num_workers:
        arguments.append("num_workers=args.num_workers")
    if data.pin_memory:
        arguments.append('pin_memory=device.type == "cuda"')
    if data.persistent_workers:
        arguments.append("persistent_workers=args.num_workers > 0")
    if data.persistent_workers and not training:
        # Starting workers draws a random number: when that happens must not matter to the training.
        arguments.append("generator=torch.Generator()")
    return arguments


def optimizer(training: TrainingConfig) -> list[str]:
    """The arguments of the optimizer."""
    arguments = [
        f"{name}={attribute(flag(name)) if is_number(value) else literal(value)}"
        for name, value in given(training.optimizer_arguments).items()
    ]
    return ["model.parameters()", "lr=args.lr", *arguments]


def schedulers(training: TrainingConfig) -> list[tuple[str, str, list[str]]]:
    """What builds the scheduler: variable, class and arguments of each statement."""
    name = training.scheduler_class
    if name is None:
        return []
    if name == "WarmupCosine":
        return _warmup_then_cosine(training)
    arguments = [*_horizon(training), *_scheduler_arguments(training)]
    if name == "OneCycleLR" and not _has_momentum(training) and "cycle_momentum" not in training.scheduler_args:
        arguments.append("cycle_momentum=False")
    return [("scheduler", name, ["optimizer", *arguments])]


def scheduler_imports(training: TrainingConfig) -> list[str]:
    """The classes of ``torch.optim.lr_scheduler`` that the script needs."""
    if training.scheduler_class == "WarmupCosine":
        return ["CosineAnnealingLR", "LinearLR", "SequentialLR"]
    return [training.scheduler_class] if training.scheduler_class else []


def _horizon(training: TrainingConfig) -> list[str]:
    """The arguments that say how long the whole training is."""
    match training.scheduler_class:
        case "MultiStepLR" if "milestones" not in training.scheduler_args:
            return ["milestones=[args.epochs // 2, args.epochs * 3 // 4]"]
        case "CosineAnnealingLR":
            return ["T_max=args.epochs"]
        case "OneCycleLR":
            return ["max_lr=args.lr", "total_steps=args.epochs * steps_per_epoch"]
    return []


def _scheduler_arguments(training: TrainingConfig, *names: str) -> list[str]:
    """The given arguments of the scheduler, or those of the given names."""
    return [
        f"{name}={attribute(scheduler_flag(name)) if is_number(value) else literal(value)}"
        for name, value in given(training.scheduler_arguments).items()
        if not names or name in names
    ]


def _warmup_then_cosine(training: TrainingConfig) -> list[tuple[str, str, list[str]]]:
    start, end = _scheduler_arguments(training, "start_factor"), _scheduler_arguments(training, "eta_min")
    horizon = "T_max=max(1, args.epochs - args.warmup_epochs)"
    return [
        ("warmup", "LinearLR", ["optimizer", *start, "total_iters=args.warmup_epochs"]),
        ("cosine", "CosineAnnealingLR", ["optimizer", horizon, *end]),
        ("scheduler", "SequentialLR", ["optimizer", "[warmup, cosine]", "milestones=[args.warmup_epochs]"]),
    ]


def _has_momentum(training: TrainingConfig) -> bool:
    """Whether the optimizer has a momentum for OneCycleLR to cycle."""
    if training.optimizer_class in ("SGD", "RMSprop"):
        return bool(training.optimizer_args.get("momentum"))
    return training.optimizer_class not in _WITHOUT_MOMENTUM
