"""Draw the facts from what the program does."""

from __future__ import annotations

from dataclasses import dataclass

from engine.facts.arguments import command_line
from engine.facts.data import training_data
from engine.facts.evaluation import evaluations
from engine.facts.features import features
from engine.facts.interpreter import Interpreter
from engine.facts.loops import loop_fact
from engine.facts.models import construction, trained_models
from engine.facts.optimizers import stepped_name
from engine.facts.program import Facts, OptimizerFact
from engine.facts.schedules import schedules
from engine.facts.training import TrainingLoop, training_loops
from engine.facts.values import objects
from engine.source import Project


@dataclass(frozen=True)
class Choices:
    """What the user pinned by options.

    Attributes:
        model: the variable or class of the model to train, where several are.
        loop: the epoch loop as ``FILE:LINE``.
    """

    model: str | None = None
    loop: str | None = None


def gather(project: Project, choices: Choices = Choices()) -> Facts:
    """The facts of a program.

    Args:
        project: the entry script and its local modules.
        choices: what the user pinned.

    Raises:
        UserError: the entry cannot be read as Python 3.
    """
    trace = Interpreter(project).run()
    loops = training_loops(trace)
    arguments = command_line(trace)
    if not loops:
        return Facts(project, trace, arguments=arguments)
    chosen = loops[0]
    models = trained_models(trace, chosen)
    model = models[0] if models else None
    found = evaluations(trace, chosen, [model.value, *model.alternatives] if model else [])
    return Facts(
        project,
        trace,
        models=models,
        optimizers=optimizers(trace, chosen),
        schedulers=schedules(trace, chosen),
        loops=tuple(loop_fact(loop) for loop in loops),
        train_function=chosen.function,
        evaluation=found[0] if found else None,
        evaluations=found,
        data=training_data(trace, chosen),
        arguments=arguments,
        features=features(trace, chosen),
    )


def optimizers(trace, training: TrainingLoop) -> tuple[OptimizerFact, ...]:
    """The optimizers that step in an epoch loop."""
    found = []
    for event, optimizer in training.steps:
        value = next(iter(objects(optimizer)), None)
        built = trace.events[value.event] if value is not None else None
        found.append(
            OptimizerFact(
                variable=stepped_name(event, optimizer),
                name=value.kind if value is not None else "?",
                construction=construction(value) if value is not None else None,
                step=event.place,
                built_in_loop=built is not None and built.within_node(training.epoch.node),
                value=value,
                step_event=event,
            )
        )
    return tuple(found)
