"""Every decision of a conversion, taken in one place before the first edit."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.facts import Facts
from engine.plan.algorithm import check_algorithm, decide_algorithm, recipe_for
from engine.plan.arrays import ArraysPlan, decide_arrays, plan_array_model, plan_arrays
from engine.plan.counts import decide_counts
from engine.plan.decision import Decision
from engine.plan.evaluation import EvaluationPlan, decide_evaluation, plan_evaluation
from engine.plan.first_weights import FirstWeightsPlan, plan_first_weights
from engine.plan.followed import decide_followed
from engine.plan.frame import Frame, ModelName, choose_frame, name_model
from engine.plan.init_call import InitPlan, plan_init
from engine.plan.kept_values import counts
from engine.plan.layout import lay_out
from engine.plan.local_state import decide_local_state
from engine.plan.model import decide_arguments, plan_model
from engine.plan.model_by_function import exchange_format_for
from engine.plan.names import Names, free_names
from engine.plan.output_folders import folders_beside, output_folders
from engine.plan.packaging import SettingsFile, plan_settings_files
from engine.plan.parser import ParserPlan, plan_parser
from engine.plan.partition import PartitionPlan, decide_partition, plan_partition
from engine.plan.refusals import MODEL_NEEDS_SCRIPT, RELATIVE_IMPORT, Refused
from engine.plan.rounds import RoundPlan, plan_rounds
from engine.plan.schedules import SchedulePlan, plan_schedules
from engine.plan.server_model import ModelPlan, leaving
from engine.plan.settings import (
    Setting,
    fixed_path,
    fixed_paths,
    free_option,
    partitions_setting,
    plan_epochs,
    plan_paths,
    rounds_setting,
    variables_before,
)
from engine.plan.shared_files import decide_shared_files
from engine.plan.start import decide_command, decide_processes, launches_processes
from engine.plan.step_count import StepCount, count_steps
from engine.plan.whole_data import decide_whole_data
from engine.result import Place, Result, UserError
from engine.source import SourceFile


@dataclass(frozen=True)
class Choices:
    """What the user asked for.

    Attributes:
        model_args: constructor arguments pinned with ``--model-arg``.
        recipe: the algorithm, by its name in FLARE's catalogue; empty for FedAvg with what the script trains in.
        first_weights: the weights to start from were given with ``--initial-ckpt``.
    """

    model_args: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    first_weights: bool = False


@dataclass(frozen=True)
class Plan:
    """How a program is converted.

    Attributes:
        facts: what it is.
        names: the names of what is added.
        layout: where each file goes.
        frame: the statement that becomes a round.
        model_name: the model as written there.
        model: how the server builds it.
        first_weights: what the first round starts from.
        evaluation: how the received model is measured; None where the script measures nothing that can be used.
        steps: how optimizer steps are counted.
        parser: where options are declared.
        epochs, paths: what the job sets.
        partition: how the training data is split in a simulation.
        rounds: what must hold from round to round: counters and epoch numbers.
        schedules: how learning-rate schedules come to cover all rounds.
        init: where ``flare.init()`` goes.
        partitions, num_rounds: options that tell the client how many parts of the data and how many rounds there are.
        settings_files: settings files of the project that travel with the client.
        arrays: how the arrays of a model in NumPy are exchanged; None for a model of PyTorch.
        recipe: the algorithm, by its name in FLARE's catalogue.
        exchange_format: what the server keeps the weights in, ``numpy`` or ``pytorch``.
        output_folders: the folders the script writes to, which every site has to have.
        folders_beside: those that it writes to beside the file which calls ``flare.init()``.
        decisions: the judgements taken.
    """

    facts: Facts
    names: Names
    layout: dict[str, tuple[str, ...]]
    frame: Frame
    model_name: ModelName
    model: ModelPlan
    first_weights: FirstWeightsPlan
    evaluation: EvaluationPlan | None
    steps: StepCount
    parser: ParserPlan
    epochs: Setting | None
    paths: tuple[Setting, ...]
    partition: PartitionPlan | None
    rounds: RoundPlan
    schedules: SchedulePlan
    init: InitPlan
    partitions: Setting | None
    num_rounds: Setting | None
    settings_files: tuple[SettingsFile, ...]
    recipe: str = "fedavg-pt"
    exchange_format: str = "numpy"
    arrays: ArraysPlan | None = None
    output_folders: tuple[str, ...] = ()
    folders_beside: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def distributed(self) -> bool:
        """True where several processes of a site train together."""
        return self.facts.features.distributed not in (None, "DataParallel")

    @property
    def launches_processes(self) -> bool:
        """True where the script always trains in several processes, so that it has to be started by torchrun."""
        return launches_processes(self.facts)

    @property
    def client_api_files(self) -> list[SourceFile]:
        """The files that talk to FLARE."""
        return list({file.name: file for file in (self.init.file, self.frame.file)}.values())

    @property
    def settings(self) -> list[Setting]:
        """Everything the job sets on the client's command line."""
        found = [self.epochs, *self.paths, self.partitions, self.num_rounds]
        return [setting for setting in found if setting is not None]

    @property
    def new_settings(self) -> list[Setting]:
        """The options the script does not declare itself."""
        return [setting for setting in self.settings if not setting.declared]

    @property
    def shared_settings(self) -> list[Setting]:
        """The settings that are read through ``site_settings``, each once."""
        prefix = f"{self.names.site_settings}."
        used = [s.reader for s in self.settings] + [edit.template for edit in self.schedules.edits]
        return [s for s in self.new_settings if any(f"{prefix}{s.destination}" in text for text in used)]


def make_plan(facts: Facts, choices: Choices | None = None) -> Plan | list[Result]:
    """Decide everything, or say in results with codes why the program cannot be converted.

    Args:
        facts: of a program that no blocking rule refuses.
        choices: what the user asked for.

    Raises:
        UserError: a constructor argument was pinned that the model is not built with.
    """
    try:
        return _plan(facts, choices or Choices())
    except Refused as refused:
        return list(refused.results)


def _plan(facts: Facts, choices: Choices) -> Plan:
    """Every decision, each after those it builds on.

    Raises:
        Refused, UserError: see :func:`make_plan`.
    """
    check_algorithm(facts, choices.recipe)
    _check_imports(facts.project.entry)
    names, layout, frame = free_names(facts.project.modules), lay_out(facts.project), choose_frame(facts)
    model_name = name_model(facts, frame)
    parser = plan_parser(facts, names)
    epochs = plan_epochs(facts, parser, names)
    rounds = plan_rounds(facts, frame, names, epochs)
    model = _server_model(facts, layout, frame, choices.model_args)
    evaluation, partition = plan_evaluation(facts, frame, names), plan_partition(facts, parser)
    taken = {option.destination for option in facts.arguments.options}
    rounds_name = free_option("num_rounds", taken)
    counted = set().union(*counts(facts, frame).values())
    anew = {reset.partition(" = ")[0] for reset in rounds.resets}
    schedules = plan_schedules(
        facts, parser, names, rounds_name, epochs, bool(rounds.shifts), counted, frame.is_loop, anew
    )
    paths = plan_paths(facts, parser, names, taken | {"epochs", "partitions", rounds_name})
    model = leaving(model, facts.project.entry, _changed_for_a_site(epochs, paths, schedules))
    splits, init = isinstance(partition, PartitionPlan), plan_init(facts, parser)
    plan = Plan(
        facts=facts, names=names, layout=layout, recipe=recipe_for(facts, choices.recipe),
        frame=frame, init=init, steps=count_steps(facts, frame), rounds=rounds, schedules=schedules,
        model_name=model_name, model=model, arrays=plan_arrays(facts.arrays) if facts.arrays else None,
        first_weights=plan_first_weights(facts.models, model, facts.project, choices.first_weights),
        exchange_format=exchange_format_for(facts),
        evaluation=evaluation if isinstance(evaluation, EvaluationPlan) else None,
        partition=partition if splits else None, partitions=partitions_setting(taken) if splits else None,
        parser=parser, epochs=epochs, num_rounds=rounds_setting(rounds_name) if schedules.needs_rounds else None,
        paths=tuple(paths), settings_files=plan_settings_files(facts, layout), output_folders=output_folders(facts),
        folders_beside=folders_beside(facts, init.file),
    )  # fmt: skip
    return replace(plan, decisions=tuple(_decisions(plan, evaluation, partition)))


def _check_imports(entry: SourceFile) -> None:
    """Raise Refused where the script imports its neighbours relatively: FLARE starts it outside its package."""
    for node in entry.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            module = f"{entry.path.parents[node.level - 1].name}.{node.module or node.names[0].name}"
            raise Refused([RELATIVE_IMPORT.at(entry, entry.place(node), module)])


def _server_model(facts: Facts, layout: dict[str, tuple[str, ...]], frame: Frame, given: dict[str, Any]) -> ModelPlan:
    """How the server builds the model, of PyTorch or of arrays.

    Args:
        facts: of the program.
        layout: where each file goes.
        frame: what becomes a round.
        given: the constructor arguments that the user has pinned.

    Raises:
        Refused: it cannot build it.
        UserError: it is built without an argument that was pinned.
    """
    model = (plan_model if facts.arrays is None else plan_array_model)(facts, layout, given)
    if model.problem:
        place = model.problem_place or frame.place
        raise Refused([MODEL_NEEDS_SCRIPT.at(facts.project.files.get(place.file), place, model.problem)])
    unknown = sorted(given.keys() - model.args.keys() - model.sizes.keys())
    if unknown:
        known = ", ".join([*model.args, *model.sizes]) or "no arguments"
        raise UserError(f"--model-arg {unknown[0]}: {model.class_path} has no such argument; it is built with {known}")
    return model


def _changed_for_a_site(epochs: Setting | None, paths: Sequence[Setting], schedules: SchedulePlan) -> list[Place]:
    """Where the script is changed to read what its site is given."""
    read = [setting for setting in (epochs, *paths) if setting is not None and setting.reader]
    return [*(each.literal.place for each in read if each.literal), *(edit.place for edit in schedules.edits)]


def _decisions(plan: Plan, evaluation: EvaluationPlan | str, partition: PartitionPlan | str) -> Iterator[Decision]:
    """The judgements taken.

    Args:
        plan: as it is without them.
        evaluation: how the received model is measured, or why it is not.
        partition: how the training data is split in a simulation, or why it is not.
    """
    facts = plan.facts
    yield from plan.rounds.decisions
    yield from plan.schedules.decisions
    yield from decide_counts(facts, plan.frame, plan.rounds.resets, plan.schedules.edits)
    yield from decide_algorithm(facts, plan.recipe)
    yield from decide_arrays(facts.arrays) if facts.arrays else ()
    yield from plan.first_weights.decisions
    yield from decide_followed(facts)
    yield from decide_command(facts)
    yield from decide_evaluation(evaluation)
    yield from decide_local_state(facts)
    yield from decide_partition(partition, plan.paths)
    yield from decide_whole_data(facts, plan.frame, partition)
    yield from map(fixed_path, fixed_paths(facts, plan.paths))
    yield from variables_before(facts, plan.paths)
    yield from decide_shared_files(facts, plan.paths)
    yield from decide_processes(facts)
    yield from decide_arguments(facts, plan.model)


__all__ = ["Choices", "Plan", "make_plan"]
