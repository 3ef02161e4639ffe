"""What an algorithm other than FedAvg asks of the training: it has to be right for it, or the program is refused."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts import Facts, OptimizerFact
from engine.facts.optimizers import is_optimizer, is_scaler
from engine.facts.values import Literal, Object, Value, objects, options
from engine.plan.decision import Decision
from engine.plan.refusals import (
    ASCENT,
    CLOSURE_STEP,
    OPTIMIZER_IN_OPTIMIZER,
    SCAFFOLD_NEEDS_SGD,
    SCALED_GRADIENTS,
    Refusal,
    Refused,
)

CHANGE_GRADIENTS = {"fedprox-pt": "FedProx", "scaffold-pt": "SCAFFOLD"}
SGD = "torch.optim.SGD"
IN_NUMPY = "fedavg-numpy"


def check_algorithm(facts: Facts, recipe: str) -> None:
    """Let no algorithm through that changes the gradient before every optimizer step where that would be wrong.

    Args:
        facts: of the program.
        recipe: name of the recipe.

    Raises:
        Refused: it would be wrong here.
    """
    if recipe not in CHANGE_GRADIENTS:
        return
    found = ((fact, refusal) for fact in facts.optimizers for refusal in _refusals(fact, recipe))
    files = facts.project.files
    results = [r.at(files.get(fact.step.file), fact.step, CHANGE_GRADIENTS[recipe]) for fact, r in found]
    if results:
        raise Refused(results)


def _refusals(optimizer: OptimizerFact, recipe: str) -> Iterator[Refusal]:
    """What is wrong with an optimizer for an algorithm that changes its gradients."""
    event, built = optimizer.step_event, objects(optimizer.value)
    handed = [value for value in (*event.args, *event.kwargs.values()) if not any(map(is_optimizer, objects(value)))]
    if handed and not is_scaler(event.receiver):
        yield CLOSURE_STEP
    if any(
        is_optimizer(inner) for one in built for value in (*one.args, *one.kwargs.values()) for inner in objects(value)
    ):
        yield OPTIMIZER_IN_OPTIMIZER
    if any(_may_be_set(one, "maximize") for one in built):
        yield ASCENT
    if is_scaler(event.receiver) and any(_may_be_set(one, "fused") for one in built):
        yield SCALED_GRADIENTS
    if recipe == "scaffold-pt" and optimizer.name != SGD:
        yield SCAFFOLD_NEEDS_SGD


def decide_algorithm(facts: Facts, recipe: str) -> Iterator[Decision]:
    """The judgements taken for an algorithm."""
    title = CHANGE_GRADIENTS.get(recipe)
    if title and facts.features.gradient_clipping:
        yield Decision(
            title,
            f"the script clips its own gradient, and not what {title} adds to it before the optimizer step",
            "leave out the clipping",
        )
    built = [one for fact in facts.optimizers for one in objects(fact.value)]
    if recipe == "scaffold-pt" and any(_may_be_set(one, "momentum") for one in built):
        yield Decision(
            title or recipe,
            "SGD keeps its momentum, which follows the corrected gradients; the paper has SGD without momentum",
            "set momentum=0",
        )


def _may_be_set(optimizer: Object, name: str) -> bool:
    """Whether an option of an optimizer may be other than off."""
    value: Value | None = optimizer.kwargs.get(name)
    return value is not None and not all(isinstance(one, Literal) and not one.value for one in options(value))


def recipe_for(facts: Facts, chosen: str) -> str:
    """The recipe that the client is written for: one of the framework it trains with. The job refuses another."""
    if facts.arrays is not None:
        return IN_NUMPY
    return chosen if chosen not in ("", IN_NUMPY) else "fedavg-pt"
