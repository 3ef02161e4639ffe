"""Move the model class, with what it needs, to a file that the server can import without running the script."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, ReplaceStatement
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Take the moved definitions out of the script and import them back."""
    model = plan.model
    for place in model.moved:
        yield ReplaceStatement(place, "")
    if model.imported:
        module = model.file.removesuffix(".py")
        yield AddImport(plan.facts.project.entry, f"from {module} import {', '.join(sorted(model.imported))}")


def files(plan: Plan) -> dict[str, str]:
    """The file the definitions move to."""
    return {plan.model.file: plan.model.text} if plan.model.file else {}


step = Step(
    "extract_model",
    "moves the model to a file of its own where the server could not import it without running the training script",
    "FLARE's server builds the initial model from class_path and args; importing the script there would train",
    edits,
    files,
)
