"""SCAFFOLD: correct every gradient by the control variates, and send how these have changed."""

from __future__ import annotations

from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan

RECIPE = "scaffold-pt"


def edits(plan: Plan) -> Iterator[Edit | AddImport]:
    """Build the controls once, beside the model; give them the server's in every round. ``send_params`` sends them."""
    if plan.recipe != RECIPE:
        return
    names, built = plan.names, plan.names.scaffold_class
    yield AddImport(plan.frame.file, imported_as("from scaffold_controls import ScaffoldControls", built))
    comment = "  # SCAFFOLD: corrects the gradients"
    yield Insert(plan.frame.place, f"{names.controls} = {built}({plan.model_name.bare}){comment}\n")
    yield Insert(plan.frame.place, f"{names.controls}.start_round({names.received})\n", inside=True)


def files(plan: Plan) -> dict[str, str]:
    """The controls."""
    if plan.recipe != RECIPE:
        return {}
    return {"scaffold_controls.py": template("scaffold_controls.py")}


step = Step(
    "add_scaffold_controls",
    "corrects every gradient by SCAFFOLD's control variates and sends them, where --recipe is scaffold-pt",
    "sites with different data drift apart between two rounds; the controls tell each where the others go",
    edits,
    files,
    needs=("wrap_in_is_running", "load_global_params", "send_params"),
)
