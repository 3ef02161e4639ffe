"""Count the optimizer steps really completed in a round."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Hook the optimizer once; start every round at zero, and let one fail that ends there for lack of data. Updates of
    arrays are counted where they stand."""
    if plan.arrays is not None:
        yield from count_updates(plan)
        return
    names, counter = plan.names, plan.names.counter
    yield AddImport(plan.frame.file, imported_as("from collections import Counter", counter))
    if plan.steps.optimizer:
        hook = f"{plan.steps.optimizer}.register_step_post_hook"
    else:
        hook = "register_optimizer_step_post_hook"
        yield AddImport(plan.frame.file, f"from torch.optim.optimizer import {hook}")
    text = f"{names.steps} = {counter}()  # optimizer steps really done: the weight of this site\n"
    yield Insert(plan.frame.place, f"{text}{hook}(lambda *_: {names.steps}.update(done=1))\n")
    yield Insert(plan.frame.place, f"\n{names.steps}.clear()\n", inside=True)
    yield from fail_without(plan, f'{names.steps}["done"]', "optimizer step")


def count_updates(plan: Plan) -> Iterator[Edit]:
    """A counter beside the updates of arrays."""
    steps = plan.names.steps
    yield Insert(plan.frame.place, f"\n{steps} = 0  # updates really done: the weight of this site\n", inside=True)
    yield Insert(plan.arrays.update, f"{steps} += 1\n", after=True)
    yield from fail_without(plan, steps, "update")


def fail_without(plan: Plan, count: str, counted: str) -> Iterator[Insert]:
    """An error at the end of a round that has trained nothing, which FLARE would weigh like one with a single step."""
    if plan.steps.may_be_none:
        return
    site = f"{{{plan.names.flare}.get_site_name()}}"
    text = (
        f"\nif not {count}:  # FLARE would weigh it as one\n"
        f'    raise RuntimeError(f"{site} did no {counted}: too little data?")\n'
    )
    yield Insert(plan.frame.last, text, after=True, inside=True)


step = Step(
    "count_steps",
    "counts the optimizer steps really completed in a round, by a hook on the optimizer, or the updates of arrays; a "
    "round without any fails, unless a gradient scaler or a condition may have skipped them all",
    "the server weighs a site by its steps; skipped AMP steps, accumulation tails, early stops make other counts "
    "wrong, and it takes none for one",
    edits,
    needs=("wrap_in_is_running",),
)
