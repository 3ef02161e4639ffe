"""Measure the received model before training, with the script's own evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Evaluate, leaving the training undisturbed; answer evaluation-only tasks."""
    names, evaluation = plan.names, plan.evaluation
    flare = names.flare
    text, metrics, comment = "", "{}", "  # there are none to send"
    if evaluation is not None:
        yield from evaluation.edits
        body = "".join(f"    {line}\n" for line in evaluation.lines)
        if plan.arrays is not None:
            text = "".join(f"{line}\n" for line in evaluation.lines)
        elif evaluation.guarded:
            yield AddImport(plan.frame.file, imported_as("from undisturbed import undisturbed", names.undisturbed))
            kept = ", ".join((plan.model_name.wrapped, *evaluation.generators))
            text = f"with {names.undisturbed}({kept}):\n{body}"
        else:
            if not plan.frame.torch_name:
                yield AddImport(plan.frame.file, "import torch")
            torch = plan.frame.torch_name or "torch"
            text = f"with {torch}.random.fork_rng():  # evaluating leaves the training's random stream alone\n{body}"
        metrics, comment = names.metrics, ""
    answer = f"    {flare}.send({flare}.FLModel(metrics={metrics})){comment}\n    continue\n"
    yield Insert(plan.frame.place, f"{text}if {flare}.is_evaluate():\n{answer}", inside=True)


def files(plan: Plan) -> dict[str, str]:
    """The context manager, where ``torch.random.fork_rng`` alone is not enough."""
    if plan.evaluation is None or not plan.evaluation.guarded:
        return {}
    return {"undisturbed.py": template("undisturbed.py")}


step = Step(
    "evaluate_global_model",
    "evaluates the received model before training, with the script's own evaluation",
    "the server chooses the best global model by what the sites measure of it before they train on it",
    edits,
    files,
    needs=("wrap_in_is_running",),
)
