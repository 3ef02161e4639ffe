"""Load the received arrays into those of a model in NumPy."""

from __future__ import annotations

from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport, Edit, Insert, imported_as
from engine.pipeline import Step
from engine.plan import Plan
from engine.plan.arrays import ArraysPlan

LONGEST = 100  # characters of a line, without its indentation


def edits(plan: Plan) -> Iterator[Edit]:
    """Receive, answer a request for the trained model, load."""
    if plan.arrays is None:
        return
    names, arrays = plan.names, plan.arrays
    flare, received, module, constants = names.flare, names.received, names.model_arrays, names.numpy_constants
    yield AddImport(plan.frame.file, imported_as("import model_arrays", module))
    constants_import = "from nvflare.app_common.np.constants import NPConstants"
    yield AddImport(plan.frame.file, imported_as(constants_import, constants))
    text = (
        f"{received} = {flare}.receive()\n"
        f"if {flare}.is_submit_model():\n"
        f"    {flare}.send({flare}.FLModel(params={names.params}))\n"
        "    continue\n"
    )
    text += _unpacked(arrays, f"{module}.unpack", f"{received}.params[{constants}.NUMPY_KEY]")
    yield Insert(plan.frame.place, text, inside=True)


def _unpacked(arrays: ArraysPlan, unpack: str, received: str) -> str:
    """The assignment to the arrays, each on a line of its own where one is too long."""
    given = (received, *arrays.names)
    if len(arrays.names) == 1:
        return f"{arrays.targets[0]} = {unpack}({', '.join(given)})[0]\n"
    line = f"{', '.join(arrays.targets)} = {unpack}({', '.join(given)})\n"
    if len(line) <= LONGEST:
        return line
    return f"({_lines(arrays.targets)}) = {unpack}({_lines(given)})\n"


def _lines(names: tuple[str, ...]) -> str:
    """The inside of brackets, a name on a line."""
    return "\n" + "".join(f"    {name},\n" for name in names)


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
