"""Send the trained arrays of a model in NumPy, the metrics of the received ones and the updates done."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan

LONGEST = 90  # characters of what is sent, on one line


def edits(plan: Plan) -> Iterator[Edit]:
    """Copy the arrays and send them: FLARE reads the payload after send() has returned."""
    if plan.arrays is None:
        return
    names = plan.names
    meta_key = "from nvflare.app_common.abstract.fl_model import MetaKey"
    yield AddImport(plan.frame.file, imported_as(meta_key, names.meta_key))
    metrics = f", metrics={names.metrics}" if plan.evaluation is not None else ""
    meta = f"{{{names.meta_key}.NUM_STEPS_CURRENT_ROUND: {names.steps}}}"
    key, pack, given = f"{names.numpy_constants}.NUMPY_KEY", f"{names.model_arrays}.pack", ", ".join(plan.arrays.names)
    packed = f"{{{key}: {pack}({given})}}"
    if len(packed) > LONGEST:
        given = "".join(f"        {name},\n" for name in plan.arrays.names)
        packed = f"{{\n    {key}: {pack}(\n{given}    )\n}}"
    text = (
        f"\n{names.params} = {packed}\n"
        f"{names.flare}.send({names.flare}.FLModel(params={names.params}{metrics}, meta={meta}))\n"
    )
    yield Insert(plan.frame.last, text, after=True, inside=True)


step = Step(
    "send_arrays",
    "sends copies of the trained arrays, with the metrics of the received ones and the updates done",
    "FLARE reads the payload after send() has returned, so live arrays would change under it",
    edits,
    needs=("wrap_in_is_running", "load_global_arrays"),
)
