"""Each shape of training code that people write, with the facts that must come out.

The scripts in ``shapes/`` mark their epoch loop and the call that steps by comments: ``# epoch loop``, ``# step``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.facts import Facts, gather
from engine.result import Place
from engine.source import Project

SHAPES = Path(__file__).parent / "shapes"


@dataclass(frozen=True)
class Expected:
    """What is expected of a shape; most train ``model = Net()`` by SGD at module level.

    Attributes:
        model, variable: class or factory of the model and its name.
        args, source: constructor arguments and where they come from.
        optimizer: class of the optimizer, ``optimizer_variable`` its name.
        train, evaluate: the functions that hold the batch loops.
        where: where the evaluation stands.
        metrics: what it computes, most telling first.
        returns: how it gives that back.
        scheduler: cadence of the schedule.
        loop: kind of the epoch loop; epochs its length.
        features: names of the features that are there.
        wrappers: wrappers of the model.
    """

    model: str = "Net"
    variable: str = "model"
    args: dict[str, Any] = field(default_factory=dict)
    source: str = "none"
    optimizer: str = "SGD"
    optimizer_variable: str = "optimizer"
    train: str | None = None
    evaluate: str | None = None
    where: str | None = None
    metrics: tuple[str, ...] = ()
    returns: str = "none"
    scheduler: str | None = None
    loop: str = "range"
    epochs: int | None = 3
    features: frozenset[str] = frozenset()
    wrappers: tuple[str, ...] = ()


def features(*names: str) -> frozenset[str]:
    return frozenset(names)


TABLE = {
    "module_level": Expected(args={"hidden": 16}, source="literal"),
    "main_block": Expected(train="train", evaluate="test", where="loop", metrics=("accuracy",), epochs=9),
    "main_function": Expected(
        train="train", evaluate="evaluate", where="loop", metrics=("accuracy",), returns="value", optimizer="AdamW"
    ),
    "nested_functions": Expected(train="train"),
    "builds_inside": Expected(
        train="train_model", optimizer="RMSprop", epochs=2, features=features("amp", "gradient_clipping")
    ),
    "trainer_class": Expected(
        variable="self.model", optimizer_variable="self.optimizer", train="Trainer.run_epoch",
        evaluate="Trainer.validate", where="loop", metrics=("loss",), returns="value",
    ),
    "trainer_in_module/train": Expected(
        variable="self.model", args={"hidden": 9}, source="literal", optimizer_variable="self.optimizer",
        train="Trainer.train_epoch",
    ),
    "loop_outside_trainer": Expected(optimizer="Adam", optimizer_variable="self.opt", train="Trainer.train_epoch"),
    "entry_below_root/tools/train": Expected(args={"hidden": 11}, source="literal"),
    "while_epochs": Expected(loop="while", epochs=5),
    "tqdm_range": Expected(),
    "trange": Expected(),
    "count_loop": Expected(loop="count", epochs=None),
    "iteration_loop": Expected(
        loop="while", epochs=None, scheduler="manual", features=features("gradient_accumulation")
    ),
    "steps_over_data": Expected(loop="other", epochs=None),
    "steps_per_slice": Expected(),
    "steps_per_epoch": Expected(),
    "second_model_by_option": Expected(),
    "phase_loop": Expected(train="train_model", where="loop", metrics=("accuracy",), scheduler="epoch"),
    "flag_function": Expected(
        train="run_epoch", evaluate="run_epoch", where="loop", metrics=("loss",), returns="value"
    ),
    "optimizer_flag": Expected(
        train="run_epoch", evaluate="run_epoch", where="loop", metrics=("accuracy",), returns="value"
    ),
    "folds": Expected(),
    "model_alias": Expected(args={"hidden": 4}, source="literal"),
    "model_factory": Expected(args={"hidden": 32}, source="constant"),
    "model_registry": Expected(model="Small", args={"hidden": 2}, source="literal"),
    "model_dict": Expected(model="resnet34", args={"num_classes": 2}, source="literal"),
    "model_getattr": Expected(model="resnet18", args={"num_classes": 2}, source="literal"),
    "model_eval": Expected(args={"hidden": 3}, source="literal"),
    "model_elif": Expected(args={"hidden": 64}, source="literal"),
    "model_sequential": Expected(model="Sequential", source="literal"),
    "layer_replaced": Expected(model="resnet18"),
    "wrapped_data_parallel": Expected(features=features("distributed"), wrappers=("DataParallel",)),
    "wrapped_ddp": Expected(features=features("distributed"), wrappers=("DistributedDataParallel",)),
    "wrapped_compile": Expected(wrappers=("compile",)),
    "accelerator": Expected(features=features("distributed")),
    "optimizer_factory": Expected(optimizer="Adam"),
    "optimizer_dict": Expected(optimizer="Adam"),
    "optimizer_getattr": Expected(optimizer="Adagrad"),
    "optimizer_wrapper": Expected(optimizer="Adam", scheduler="manual"),
    "optimizer_misnamed": Expected(),
    "optimizer_own": Expected(optimizer="optimizer_own.SignDescent"),
    "optimizer_around_another": Expected(optimizer_variable="optimizer"),
    "native_scaler": Expected(features=features("amp", "gradient_clipping")),
    "lbfgs_closure": Expected(optimizer="LBFGS"),
    "parameter_groups": Expected(),
    "accumulation": Expected(features=features("gradient_accumulation", "gradient_clipping")),
    "scheduler_epoch": Expected(scheduler="epoch"),
    "scheduler_batch": Expected(scheduler="step"),
    "scheduler_plateau": Expected(scheduler="plateau"),
    "scheduler_manual": Expected(scheduler="manual"),
    "evaluation_float": Expected(evaluate="validate", where="loop", metrics=("loss",), returns="value"),
    "evaluation_predicts": Expected(
        evaluate="test", where="loop", metrics=("accuracy",), returns="value"
    ),
    "evaluation_tuple": Expected(evaluate="test", where="loop", metrics=("accuracy", "loss"), returns="tuple"),
    "evaluation_tuple_reversed": Expected(evaluate="test", where="loop", metrics=("accuracy", "loss"), returns="tuple"),
    "evaluation_dict": Expected(evaluate="evaluate", where="loop", metrics=("accuracy",), returns="dict"),
    "evaluation_print": Expected(evaluate="test", where="loop", metrics=("accuracy", "loss")),
    "evaluation_inline": Expected(where="loop", metrics=("accuracy",)),
    "evaluation_in_batch_loop": Expected(evaluate="evaluate", where="batch_loop", metrics=("dice",), returns="value"),
    "evaluation_after": Expected(evaluate="test", where="after", metrics=("accuracy",), returns="value"),
    "loader_factory": Expected(),
    "generator_data": Expected(),
    "sliced_arrays": Expected(),
    "full_batch": Expected(epochs=500),
    "resume": Expected(features=features("checkpoint_save", "checkpoint_resume")),
    "early_stopping": Expected(features=features("checkpoint_save", "early_stopping")),
    "old_api": Expected(),
    "config_namespace": Expected(args={"hidden": 24}, source="constant"),
    "config_dict": Expected(args={"hidden": 12}, source="literal"),
    "config_dataclass": Expected(args={"hidden": 20}, source="constant"),
    "config_json": Expected(args={"hidden": 5}, source="config"),
    "config_yaml": Expected(args={"hidden": 6}, source="config"),
    "config_toml": Expected(args={"hidden": 7}, source="config"),
    "config_click": Expected(args={"hidden": 40}, source="arguments", train="main"),
    "config_argparse": Expected(args={"hidden": 48}, source="arguments"),
    "config_hydra": Expected(args={"hidden": 6}, source="config", train="main"),
    "model_import_module": Expected(args={"hidden": 14}, source="literal"),
    "evaluation_in_train_function": Expected(train="fit_one_epoch", where="loop", metrics=("loss",)),
    "size_from_data": Expected(args={"hidden": ...}, source="dataset"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_shape(name: str) -> None:
    facts = gather(Project(SHAPES / f"{name}.py"))
    assert seen(facts) == TABLE[name]


@pytest.mark.parametrize("name", TABLE)
def test_loop_and_step(name: str) -> None:
    facts = gather(Project(SHAPES / f"{name}.py"))
    assert facts.loop is not None and facts.optimizer is not None
    assert facts.loop.place == marked(facts, "# epoch loop")
    assert facts.optimizer.step == marked(facts, "# step")


def test_every_shape_is_in_the_table() -> None:
    entries = {path.relative_to(SHAPES).with_suffix("").as_posix() for path in SHAPES.glob("*.py")}
    assert entries == {name for name in TABLE if "/" not in name}


def seen(facts: Facts) -> Expected:
    """What the facts say, in the terms of the table."""
    model, optimizer, evaluation, loop = facts.model, facts.optimizer, facts.evaluation, facts.loop
    assert model is not None and optimizer is not None and loop is not None
    positional = all(name.isdigit() for name in model.arguments)
    return Expected(
        model=model.name,
        variable=model.variable,
        args={} if positional else model.arguments,
        source=model.arguments_source,
        optimizer=optimizer.name.removeprefix("torch.optim."),
        optimizer_variable=optimizer.variable,
        train=facts.train_function,
        evaluate=evaluation.function if evaluation else None,
        where=evaluation.where if evaluation else None,
        metrics=tuple(metric.name for metric in evaluation.metrics) if evaluation else (),
        returns=evaluation.returns if evaluation else "none",
        scheduler=facts.scheduler.cadence if facts.scheduler else None,
        loop=loop.kind,
        epochs=loop.epochs,
        features=features(*(name for name, value in vars(facts.features).items() if value)),
        wrappers=tuple(wrapper.kind for wrapper in model.wrappers),
    )


def marked(facts: Facts, comment: str) -> Place:
    """The place of the statement whose line carries a comment, in whichever file of the program that is."""
    for file in facts.project.modules:
        for number, line in enumerate(file.lines, 1):
            if line.endswith(comment):
                return Place(file.name, number, len(line) - len(line.lstrip()))
    raise AssertionError(f"no line is marked {comment}")
