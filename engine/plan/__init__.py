"""Every decision of a conversion, taken in one place before the first edit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.facts import Facts
from engine.facts.optimizers import is_scaler
from engine.facts.source_text import contains
from engine.facts.trace import Branch
from engine.facts.values import ARGUMENTS, Object, objects, options, plain, source_of
from engine.plan.algorithm import decide_algorithm, refuse_algorithm
from engine.plan.arrays import ArraysPlan, array_decisions, plan_array_model, plan_arrays
from engine.plan.decision import Decision
from engine.plan.evaluation import EvaluationPlan, plan_evaluation
from engine.plan.first_weights import FirstWeightsPlan, plan_first_weights
from engine.plan.frame import Frame, ModelName, choose_frame, expression_for, name_model
from engine.plan.layout import lay_out
from engine.plan.model import passed_values, plan_model
from engine.plan.names import Names, free_names
from engine.plan.output_folders import output_folders
from engine.plan.packaging import SettingsFile, plan_settings_files
from engine.plan.parser import ParserPlan, first_code, parsed_at, plan_parser
from engine.plan.partition import PartitionPlan, plan_partition
from engine.plan.refusals import MODEL_NEEDS_SCRIPT, MODEL_OUT_OF_REACH, RELATIVE_IMPORT
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
)
from engine.result import Place, Result, UserError
from engine.source import SourceFile

IN_NUMPY = "fedavg-numpy"


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
class StepCount:
    """How the optimizer steps of a round are counted.

    Attributes:
        optimizer: the optimizer as written where it is hooked; empty where every optimizer is counted.
        may_be_none: True where a round that trains may take no step: a gradient scaler skips those that overflow, and
            an update of arrays may hang on a condition.
    """

    optimizer: str
    may_be_none: bool = False


@dataclass(frozen=True)
class InitPlan:
    """Where ``flare.init()`` goes.

    Attributes:
        file: the file.
        place: the statement it stands next to.
        after: after that statement rather than before it.
    """

    file: SourceFile
    place: Place
    after: bool


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
        decisions: the judgements taken.
        init: where ``flare.init()`` goes.
        partitions, num_rounds: options that tell the client how many parts of the data and how many rounds there are.
        settings_files: settings files of the project that travel with the client.
        arrays: how the arrays of a model in NumPy are exchanged; None for a model of PyTorch.
        torch_name: how the frame's file names the torch module; empty where it does not import it.
        recipe: the algorithm, by its name in FLARE's catalogue.
        output_folders: the folders the script writes to, which every site has to have.
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
    decisions: tuple[Decision, ...]
    init: InitPlan
    partitions: Setting | None
    num_rounds: Setting | None
    torch_name: str
    settings_files: tuple[SettingsFile, ...]
    recipe: str = "fedavg-pt"
    arrays: ArraysPlan | None = None
    output_folders: tuple[str, ...] = ()

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


def launches_processes(facts: Facts) -> bool:
    """True for a script that always trains in several processes."""
    started = facts.trace.named("torch.distributed.init_process_group")
    return any(all(entry.default for entry in event.path if isinstance(entry, Branch)) for event in started)


def make_plan(facts: Facts, choices: Choices | None = None) -> Plan | list[Result]:
    """Decide everything, or say in results with codes why the program cannot be converted.

    Args:
        facts: of a program that no blocking rule refuses.
        choices: what the user asked for.

    Raises:
        UserError: a constructor argument was pinned that the model is not built with.
    """
    choices = choices or Choices()
    refused = refuse_algorithm(facts, choices.recipe)
    if refused:
        return refused
    entry = facts.project.entry
    for node in entry.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            module = f"{entry.path.parents[node.level - 1].name}.{node.module or node.names[0].name}"
            return [RELATIVE_IMPORT.at(entry, entry.place(node), module)]
    frame = choose_frame(facts)
    names = free_names(facts.project.modules)
    model_name = name_model(facts, frame.scope)
    if model_name is None:
        return [MODEL_OUT_OF_REACH.at(frame.file, frame.place)]
    parser = plan_parser(facts, names)
    epochs = plan_epochs(facts, parser, names)
    round_plan = plan_rounds(facts, frame, names, epochs)
    if isinstance(round_plan, Result):
        return [round_plan]
    layout = lay_out(facts.project)
    plan_any_model = plan_model if facts.arrays is None else plan_array_model
    model = plan_any_model(facts, layout, choices.model_args)
    if model.problem:
        place = model.problem_place or frame.place
        return [MODEL_NEEDS_SCRIPT.at(facts.project.files.get(place.file), place, model.problem)]
    unknown = sorted(choices.model_args.keys() - model.args.keys() - model.sizes.keys())
    if unknown:
        known = ", ".join([*model.args, *model.sizes]) or "no arguments"
        raise UserError(f"--model-arg {unknown[0]}: {model.class_path} has no such argument; it is built with {known}")
    evaluation = plan_evaluation(facts, frame, names)
    taken = {option.destination for option in facts.arguments.options}
    rounds_name = free_option("num_rounds", taken)
    schedules = plan_schedules(facts, parser, names, rounds_name, epochs, bool(round_plan.shifts))
    paths = plan_paths(facts, parser, names, taken | {"epochs", "partitions", rounds_name})
    set_here = [setting.literal.place for setting in (epochs, *paths) if setting and setting.literal and setting.reader]
    model = leaving(model, entry, [*set_here, *(edit.place for edit in schedules.edits)])
    partition = plan_partition(facts)
    starts = plan_first_weights(facts.models, model, facts.project, choices.first_weights)
    decisions = [*round_plan.decisions, *schedules.decisions, *decide_algorithm(facts, choices.recipe)]
    decisions += array_decisions(facts.arrays) if facts.arrays else []
    decisions += [*starts.decisions, *_decisions(facts, evaluation, partition, paths, model)]
    return Plan(
        facts=facts,
        names=names,
        layout=layout,
        frame=frame,
        model_name=model_name,
        model=model,
        first_weights=starts,
        evaluation=evaluation if isinstance(evaluation, EvaluationPlan) else None,
        steps=plan_steps(facts, frame),
        parser=parser,
        epochs=epochs,
        paths=tuple(paths),
        partition=partition if isinstance(partition, PartitionPlan) else None,
        rounds=round_plan,
        schedules=schedules,
        decisions=tuple(decisions),
        init=plan_init(facts, parser),
        partitions=partitions_setting(taken) if isinstance(partition, PartitionPlan) else None,
        num_rounds=rounds_setting(rounds_name) if schedules.needs_rounds else None,
        torch_name=torch_name(frame),
        settings_files=plan_settings_files(facts, layout),
        recipe=recipe_for(facts, choices.recipe),
        arrays=plan_arrays(facts.arrays) if facts.arrays else None,
        output_folders=output_folders(facts),
    )


def _decisions(
    facts: Facts, evaluation: EvaluationPlan | str, partition: PartitionPlan | str, paths: list[Setting],
    model: ModelPlan,
) -> Iterator[Decision]:  # fmt: skip
    """The judgements about the command, the metrics, what stays at a site, the data, the processes and the model's
    arguments.

    Args:
        facts: of the program.
        evaluation: how the received model is measured, or why it is not.
        partition: how the training data is split in a simulation, or why it is not.
        paths: the options that say where the data lies.
        model: how the server builds it.
    """
    if facts.arguments.command:
        yield Decision(
            "command",
            f"the job starts the script with {facts.arguments.command}, which trains",
            "name another with --arg",
        )
    if isinstance(evaluation, str):
        yield Decision(
            "metrics",
            f"no metrics are sent: {evaluation}",
            "write the evaluation as a function that is called in the epoch loop",
        )
    local = [state.name for state in facts.local_state if not state.measures]
    if local:
        names = " and ".join(dict.fromkeys(local))
        yield Decision(
            "state beside the model",
            f"each site goes on with its own {names}: training changes and uses it, and no state_dict carries it",
            "make it a buffer of the model (self.register_buffer), to have it sent and averaged",
        )
    if isinstance(partition, str):
        yield Decision(
            "simulation data",
            f"every site of a simulation trains on all of the training data: {partition}",
            f"give each site data of its own, as `job FOLDER --site site-a:{paths[0].destination}=/data/a`"
            if paths
            else "make where the data lies an argument of the script, and give each site another",
        )
    yield from map(fixed_path, fixed_paths(facts, paths))
    if launches_processes(facts):
        yield Decision(
            "processes",
            "torchrun starts one process at every site, unless --launch says otherwise",
            'give the command, such as --launch "torchrun --standalone --nproc_per_node=2"',
        )
    for name, value in (model.args | model.defaults).items():
        passed = passed_values(facts.model.value, name) if facts.model else []
        if name in model.defaults or any(source_of(one) == ARGUMENTS and plain(one) == value for one in passed):
            place = model.file if name in model.defaults else "job.py"
            yield Decision(
                "model arguments",
                f"the server builds the model with {name}={value!r}, the default of the script's option",
                f"change it in {place} where the sites are given another value",
            )


def recipe_for(facts: Facts, chosen: str) -> str:
    """The recipe that the client is written for: one of the framework it trains with. The job refuses another."""
    if facts.arrays is not None:
        return IN_NUMPY
    return chosen if chosen not in ("", IN_NUMPY) else "fedavg-pt"


def plan_init(facts: Facts, parser: ParserPlan) -> InitPlan:
    """Right after the arguments are parsed, where that is before data is read; else before all code of the script."""
    entry = facts.project.entry
    if parser.existing and parser.bound_file is entry:
        parsed = parsed_at(facts, parser)
        loader = facts.data.loader if facts.data else None
        built = next((e.number for e in facts.trace.events if loader is not None and e.node is loader.node), None)
        if parsed is not None and (built is None or parsed < built):
            return InitPlan(entry, parser.bound_after, True)
    return InitPlan(entry, first_code(entry), False)


def plan_steps(facts: Facts, frame: Frame) -> StepCount:
    """Hook the one optimizer where it can be named; otherwise count the steps of every optimizer.

    What ``accelerator.prepare`` gives for an optimizer has no hooks: it passes its steps on to the optimizer itself.
    """
    if len(facts.optimizers) == 1:
        optimizer = facts.optimizers[0]
        values = [o for o in options(optimizer.value) if isinstance(o, Object)]
        prepared = {
            id(one) for event in facts.trace.named(".prepare") for value in event.args for one in options(value)
        }
        is_torch = len(values) == 1 and values[0].kind.startswith("torch.optim.") and id(values[0]) not in prepared
        if is_torch and not optimizer.built_in_loop:
            name = expression_for(values[0], frame.scope, optimizer.variable)
            if name and (name.split(".")[0] in frame.bound_outside):
                return StepCount(name, _may_skip_all(facts))
    return StepCount("", _may_skip_all(facts))


def _may_skip_all(facts: Facts) -> bool:
    """True where steps are skipped in training as it should be, perhaps all of a short round."""
    if facts.arrays is None or facts.loop is None:
        events = [optimizer.step_event for optimizer in facts.optimizers]
        return any(is_scaler(one) for event in events if event is not None for one in objects(event.receiver))
    update, nodes = facts.arrays.updates[-1].node, ast.walk(facts.loop.loop.node)
    return any(isinstance(node, ast.If) and contains(node, update) for node in nodes)


def torch_name(frame: Frame) -> str:
    """How a file names the torch module; empty where it does not import it."""
    for name, value in frame.scope.module.variables.items():
        if getattr(value, "name", "") == "torch" and not name.startswith("*"):
            return name
    return ""


__all__ = ["Choices", "Plan", "make_plan"]
