"""Draw the facts from what the program does."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from engine.facts.arguments import command_line
from engine.facts.array_evaluation import array_evaluations
from engine.facts.arrays import array_trainings
from engine.facts.data import array_data, training_data
from engine.facts.evaluation import evaluations
from engine.facts.features import features, stops_early
from engine.facts.first_weights import first_weights
from engine.facts.interpreter import Interpreter
from engine.facts.local_state import followed_epoch, local_state
from engine.facts.loops import loop_fact
from engine.facts.loose_layers import loose_layers
from engine.facts.models import construction, trained_models, unwrapped
from engine.facts.once import training_once
from engine.facts.optimizers import stepped_name
from engine.facts.program import ArgumentsFact, Facts, Features, ModelFact, OptimizerFact
from engine.facts.schedules import schedules
from engine.facts.trace import Event, Trace
from engine.facts.training import TrainingLoop, training_loops
from engine.facts.values import Value, objects
from engine.result import Place, UserError
from engine.source import Project


@dataclass(frozen=True)
class Choices:
    """What the user pinned by options.

    Attributes:
        model: the variable or class of the model to train, where several are.
        loop: the epoch loop as ``FILE:LINE``.
        arguments: what the script is given on its command line, one item per word.
    """

    model: str | None = None
    loop: str | None = None
    arguments: tuple[str, ...] = ()


def gather(project: Project, choices: Choices = Choices()) -> Facts:
    """The facts of a program.

    Args:
        project: the entry script and its local modules.
        choices: what the user pinned.

    Raises:
        UserError: the entry cannot be read as Python 3, or a choice names nothing that is there.
    """
    trace = Interpreter(project, choices.arguments).run()
    once = training_once(trace)
    if once is not None and not once.problem:
        trace = Interpreter(project, choices.arguments, once.statements).run()
    arguments = command_line(trace)
    trained = [(loop, trained_models(trace, loop)) for loop in training_loops(trace)]
    trained = [(loop, models) for loop, models in trained if models] or trained
    if not trained:
        return array_facts(project, trace, arguments, choices)
    trained = choose_model(trace, choose_loop(trained, choices.loop), choices.model)
    chosen, models = trained[0]
    chosen.epoch.restore()
    found = evaluations(trace, chosen, [models[0].value, *models[0].alternatives] if models else [])
    forward = forward_pass(trace, chosen, models)
    models = tuple(replace(m, first_weights=tuple(first_weights(trace, chosen, m.value))) for m in models)
    followed = followed_epoch(trace, chosen, models, found) if models else None
    return Facts(
        project,
        trace,
        models=models,
        optimizers=optimizers(trace, chosen, forward),
        schedulers=schedules(trace, chosen),
        loops=tuple(loop_fact(trace, loop) for loop in _each_once(trained)),
        train_function=chosen.function(forward),
        evaluation=found[0] if found else None,
        evaluations=found,
        data=training_data(trace, chosen, [w.read for m in models for w in m.first_weights if w.read and w.certain]),
        arguments=arguments,
        features=features(trace, chosen),
        local_state=tuple(local_state(followed)) if followed else (),
        local_state_limit=followed.limit if followed else "",
        loose_layers=tuple(loose_layers(followed)) if followed else (),
    )


def array_facts(project: Project, trace: Trace, arguments: ArgumentsFact, choices: Choices) -> Facts:
    """The facts of a program that trains no model of PyTorch: of one in NumPy, where it trains that."""
    trainings = array_trainings(trace)
    if not trainings:
        return Facts(project, trace, arguments=arguments)
    loops = choose_loop([(training.loop, ()) for training in trainings], choices.loop)
    chosen = next(training for training in trainings if training.loop is loops[0][0])
    chosen.loop.epoch.restore()
    found = array_evaluations(trace, chosen) if chosen.arrays else ()
    return Facts(
        project,
        trace,
        loops=tuple(loop_fact(trace, loop) for loop, _ in loops),
        train_function=chosen.function,
        evaluation=found[0] if found else None,
        evaluations=found,
        data=array_data(trace, chosen),
        arguments=arguments,
        features=Features(early_stopping=stops_early(trace, chosen.loop)),
        arrays=chosen.arrays,
        array_problem=chosen.problem,
    )


Trained = list[tuple[TrainingLoop, tuple[ModelFact, ...]]]


def _each_once(trained: Trained) -> list[TrainingLoop]:
    """The loops by their place, without further runs of the same one."""
    loops: dict[Place, TrainingLoop] = {}
    for loop, _ in trained:
        loops.setdefault(loop.epoch.place, loop)
    return list(loops.values())


def choose_loop(trained: Trained, wanted: str | None) -> Trained:
    """The loop that ``--loop FILE:LINE`` names; all where nothing is said.

    Raises:
        UserError: no training loop stands there.
    """
    if wanted is None:
        return trained
    named = wanted.replace("\\", "/")
    places = {loop.epoch.place: loop for loop, _ in trained}
    found = [place for place in places if f"/{place}".endswith(f"/{named}")]
    if not found:
        known = ", ".join(shlex.quote(str(place)) for place in places)
        raise UserError(f"no training loop stands at {wanted}; choose --loop {known}")
    return [(loop, models) for loop, models in trained if loop.epoch.place == found[0]]


def choose_model(trace: Trace, trained: Trained, wanted: str | None) -> Trained:
    """The trainings of the model that ``--model NAME`` names, by variable, class or factory; all where nothing is said.

    Raises:
        UserError: no model of that name is trained.
    """
    if wanted is None:
        return trained
    chosen = [(loop, trained_models(trace, loop, wanted)) for loop, _ in trained]
    chosen = [(loop, models) for loop, models in chosen if models]
    if not chosen:
        models = [model for _, models in trained for model in models]
        known = ", ".join(dict.fromkeys(name for model in models for name in model.undecided or [model.variable]))
        raise UserError(f"no model {wanted} is trained; choose --model {known}")
    return chosen


def forward_pass(trace: Trace, training: TrainingLoop, models: tuple[ModelFact, ...]) -> Event | None:
    """The first forward pass of a trained model in the pass that steps."""
    values = [value for model in models for value in (model.value, *model.alternatives)]
    inside = (event for event in trace.events if event.name == "()" and event.within(training.batch or training.epoch))
    return next((event for event in inside if any(unwrapped(one) in values for one in objects(event.receiver))), None)


def optimizer_name(event: Event, optimizer: Value, training: TrainingLoop, forward: Event | None) -> str:
    """What the training calls an optimizer: as it is stepped, unless a helper of its own does that."""
    written = stepped_name(event, optimizer)
    helpers = [call for call in event.calls if forward is not None and not forward.within(call)]
    if not helpers:
        return written
    for name, value in (training.batch or training.epoch).scope.variables.items():
        for one in objects(value):
            if one in objects(optimizer) or any(part in objects(optimizer) for part in one.attributes.values()):
                return name
    return written


def optimizers(trace: Trace, training: TrainingLoop, forward: Event | None) -> tuple[OptimizerFact, ...]:
    """The optimizers that step in an epoch loop."""
    found = []
    built_in_loop = any(
        event.name.startswith("torch.optim.") and not event.name.startswith("torch.optim.lr_scheduler.")
        for event in trace.where(lambda event: event.within_node(training.epoch.node))
    )
    for event, optimizer in training.steps:
        value = next(iter(objects(optimizer)), None)
        found.append(
            OptimizerFact(
                variable=optimizer_name(event, optimizer, training, forward),
                name=value.kind if value is not None else "?",
                construction=construction(value) if value is not None else None,
                step=event.place,
                built_in_loop=built_in_loop,
                value=value,
                step_event=event,
            )
        )
    return tuple(found)
