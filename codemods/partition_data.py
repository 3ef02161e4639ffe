"""Give each site of a simulation its own part of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files as resources

from engine.edit import AddImport, Edit, Insert, Replace
from engine.pipeline import Step
from engine.plan import Plan


def edits(plan: Plan) -> Iterator[Edit]:
    """Hand the training loader this site's part of the data set."""
    partition, parser, module = plan.partition, plan.parser, plan.names.site_data
    if partition is None or plan.partitions is None:
        return
    dataset = partition.dataset
    holders = {dataset.scope.file.name: dataset.scope.file, parser.bound_file.name: parser.bound_file}
    for file in holders.values():
        yield AddImport(file, "import site_data" if module == "site_data" else f"import site_data as {module}")
    yield Replace(dataset.place, dataset.end, f"{module}.part({{}})")
    line = f"{module}.partitions = {parser.variable}.{plan.partitions.destination}\n"
    yield Insert(parser.bound_after, line, after=parser.existing, apart=True)


def files(plan: Plan) -> dict[str, str]:
    """The helper that chooses the part."""
    if plan.partition is None:
        return {}
    return {"site_data.py": resources("codemods").joinpath("templates/site_data.py").read_text()}


step = Step(
    "partition_data",
    "gives each site of a simulation a seeded, label-stratified part of the training data; a single site has the whole",
    "in a simulation all sites read the same files, and would otherwise all train on the same data",
    edits,
    files,
)
