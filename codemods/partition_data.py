"""Give each site of a simulation its own part of the training data."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods import template
from engine.edit import AddImport, Edit, Insert, Replace, imported_as
from engine.pipeline import Step
from engine.plan import Plan

SHARED = ("site_index", "shares", "dealt", "skewed", "_discrete")


def edits(plan: Plan) -> Iterator[Edit]:
    """Hand the training loader this site's part of the data set."""
    partition, parser, module = plan.partition, plan.parser, plan.names.site_data
    if partition is None or plan.partitions is None:
        return
    dataset, split = partition.dataset, partition.split
    holder = dataset.scope.file if dataset is not None else split.file
    holders = {file.name: file for file in (holder, parser.bound_file, *(one.scope.file for one in partition.others))}
    for file in holders.values():
        yield AddImport(file, imported_as("import site_data", module))
    if split is not None:
        names = ", ".join(split.names)
        yield Insert(split.place, f"{names} = {module}.part({names})\n", after=split.after)
    if partition.named is not None:
        yield Insert(partition.named, f"{dataset.text} = {module}.part({dataset.text})\n", after=True)
    handed = dataset if partition.named is None else None
    for given in filter(None, (handed, partition.sampled, *partition.others)):
        yield Replace(given.place, given.end, f"{module}.part({{}})")
    line = f"{module}.partitions = {parser.variable}.{plan.partitions.destination}\n"
    yield Insert(parser.bound_after, line, after=parser.existing, apart=True)


def files(plan: Plan) -> dict[str, str]:
    """The helper that chooses the part."""
    if plan.partition is None:
        return {}
    text = template("site_data.py")
    if plan.arrays is not None:
        text = template("site_arrays.py") + shared_functions(text)
    return {"site_data.py": text}


def shared_functions(text: str) -> str:
    """The functions of the helper for data sets that the one for arrays calls, too."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name in SHARED]
    return "".join(f"\n\n{ast.get_source_segment(text, node)}\n" for node in functions)


step = Step(
    "partition_data",
    "gives each site of a simulation a seeded, label-stratified part of the training data; a single site has the whole",
    "in a simulation all sites read the same files, and would otherwise all train on the same data",
    edits,
    files,
)
