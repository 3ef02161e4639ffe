"""FedProx: keep the trained weights near the received ones."""

from __future__ import annotations

from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan

RECIPE = "fedprox-pt"


def edits(plan: Plan) -> Iterator[Edit | AddImport]:
    """Build the term once, beside the model; give it the received weights in every round."""
    if plan.recipe != RECIPE:
        return
    names, built = plan.names, plan.names.proximal_class
    yield AddImport(plan.frame.file, imported_as("from proximal_term import ProximalTerm", built))
    comment = "  # FedProx: keeps the weights near the received ones"
    yield Insert(plan.frame.place, f"{names.proximal_term} = {built}({plan.model_name.bare}){comment}\n")
    yield Insert(plan.frame.place, f"{names.proximal_term}.start_round({names.received})\n", inside=True)


def files(plan: Plan) -> dict[str, str]:
    """The term."""
    if plan.recipe != RECIPE:
        return {}
    return {"proximal_term.py": template("proximal_term.py")}


step = Step(
    "add_fedprox_term",
    "adds the gradient of FedProx's proximal term before every optimizer step, where --recipe is fedprox-pt",
    "a client without the term trains FedAvg in a FedProx job, and FLARE says nothing of it",
    edits,
    files,
    needs=("wrap_in_is_running", "load_global_params"),
)
