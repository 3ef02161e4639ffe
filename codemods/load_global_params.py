"""Load the received parameters into the model, strictly."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import Edit, Insert
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Receive, answer a request for the trained model, load; arrays are left to `load_global_arrays`."""
    if plan.arrays is not None:
        return
    names = plan.names
    flare, received = names.flare, names.received
    text = (
        f"{received} = {flare}.receive()\n"
        f"if {flare}.is_submit_model():\n"
        f"    {flare}.send({flare}.FLModel(params={names.params}))\n"
        "    continue\n"
        f"{plan.model_name.bare}.load_state_dict({received}.params)\n"
    )
    yield Insert(plan.frame.place, text, inside=True)


step = Step(
    "load_global_params",
    "loads the received parameters into the model, strictly, past DataParallel, DDP and compile wrappers",
    "a round starts from the global model; a missing or a strange key has to fail rather than train something else",
    edits,
    needs=("wrap_in_is_running",),
)
