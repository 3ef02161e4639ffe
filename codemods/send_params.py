"""Send the trained state, the metrics of the received model and the steps done."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan

LONGEST = 106  # characters of a line before its indentation


def edits(plan: Plan) -> Iterator[Edit]:
    """Copy the state to the CPU and send it: FLARE reads the payload after send() has returned; arrays are left to
    `send_arrays`."""
    if plan.arrays is not None:
        return
    names = plan.names
    meta_key = "from nvflare.app_common.abstract.fl_model import MetaKey"
    yield AddImport(plan.frame.file, imported_as(meta_key, names.meta_key))
    state = f"{plan.model_name.bare}.state_dict().items()"
    of_algorithm = f", **{names.controls}.end_round()" if plan.recipe == "scaffold-pt" else ""
    meta = f'{{{names.meta_key}.NUM_STEPS_CURRENT_ROUND: {names.steps}["done"]{of_algorithm}}}'
    copies = ["name: value.detach().cpu().contiguous().clone()", f"for name, value in {state}"]
    line = f"{names.params} = {{{' '.join(copies)}}}"
    if len(line) > LONGEST:
        line = f"{names.params} = {{\n    {copies[0]}\n    {copies[1]}\n}}"
    sent = [
        f"params={names.params}",
        *([f"metrics={names.metrics}"] if plan.evaluation is not None else []),
        f"meta={meta}",
    ]
    model = f"{names.flare}.FLModel({', '.join(sent)})"
    if len(model) > LONGEST:
        model = f"{names.flare}.FLModel(\n        " + ",\n        ".join(sent) + ",\n    )"
    text = f"\n{line}\n{names.flare}.send(\n    {model}\n)\n"
    yield Insert(plan.frame.last, text, after=True, inside=True)


step = Step(
    "send_params",
    "sends the trained state as copies on the CPU, with the metrics of the received model and the steps done",
    "FLARE reads the payload after send() has returned, so live parameters would change under it",
    edits,
    needs=("wrap_in_is_running",),
)
