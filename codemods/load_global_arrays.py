"""Load the received arrays into those of a model in NumPy."""

from __future__ import annotations

from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Receive, answer a request for the trained model, load."""
    if plan.arrays is None:
        return
    names, arrays = plan.names, plan.arrays
    flare, received, module, constants = names.flare, names.received, names.model_arrays, names.numpy_constants
    yield AddImport(plan.frame.file, imported_as("import model_arrays", module))
    constants_import = "from nvflare.app_common.np.constants import NPConstants"
    yield AddImport(plan.frame.file, imported_as(constants_import, constants))
    unpacked = f"{module}.unpack({received}.params[{constants}.NUMPY_KEY], {arrays.names})"
    text = (
        f"{received} = {flare}.receive()\n"
        f"if {flare}.is_submit_model():\n"
        f"    {flare}.send({flare}.FLModel(params={names.params}))\n"
        "    continue\n"
        f"{arrays.targets} = {unpacked}{'' if len(arrays.arrays) > 1 else '[0]'}\n"
    )
    yield Insert(plan.frame.place, text, inside=True)


def files(plan: Plan) -> dict[str, str]:
    """The helper that packs several arrays into the one that FLARE exchanges."""
    if plan.arrays is None:
        return {}
    return {"model_arrays.py": template("model_arrays.py")}


step = Step(
    "load_global_arrays",
    "loads the received arrays into those of a model in NumPy, each in its own shape and type",
    "a round starts from the global model; FLARE exchanges one array, so several travel end to end in one",
    edits,
    files,
    needs=("wrap_in_is_running",),
)
