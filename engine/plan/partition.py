"""Which data set is split between the sites of a simulation."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from engine.facts import Expression, Facts
from engine.facts.source_text import expression
from engine.facts.trace import exclude
from engine.plan.arrays import Split, plan_split
from engine.plan.decision import Decision
from engine.plan.draws import unseeded_draw
from engine.plan.settings import Setting

DISTRIBUTED_SAMPLERS = (
    "torch.utils.data.distributed.DistributedSampler",
    "torch.utils.data.DistributedSampler",
    "monai.data.DistributedSampler",
)


@dataclass(frozen=True)
class PartitionPlan:
    """How the training data is split in a simulation.

    Attributes:
        dataset: the expression of the data set that the training loader is given; None for arrays.
        split: where arrays of samples are cut down to a site's part.
        sampled: the same data set where the loader's DistributedSampler is given it.
        others: those of loaders that take the place of the training's in the course of the epochs.
    """

    dataset: Expression | None
    split: Split | None = None
    sampled: Expression | None = None
    others: tuple[Expression, ...] = ()


def plan_partition(facts: Facts) -> PartitionPlan | str:
    """The data set to split, or in words why the training data cannot be split."""
    if facts.arrays is not None:
        split = plan_split(facts)
        return split if isinstance(split, str) else PartitionPlan(None, split)
    data = facts.data
    if data is None or data.loader is None or data.dataset is None:
        return "the training data does not come from a DataLoader"
    if not data.numbered:
        return "its data set is a stream, whose samples have no numbers"
    if data.chosen_anew:
        return "its samples are chosen anew in every epoch, and each site would choose others"
    others = tuple(other for other in data.others if other is not None)
    if len(others) < len(data.others):
        return "another DataLoader takes its place, whose data set is not written where it is built"
    draw = unseeded_draw(facts, data.loader)
    if draw is not None:
        return f"{draw.place} draws it at random without a seed, so that every site would split other data"
    loader = data.loader.node
    if _before_arguments(facts, loader):
        return "its DataLoader is built before the script reads its arguments, of which one says how to split"
    ways = [event.path for event in facts.trace.events if event.node is loader]
    if any(not exclude(one, other) for one, other in combinations(ways, 2)):
        return "the function that builds its DataLoader builds those of other data too"
    if isinstance(loader, ast.Call):
        named = {keyword.arg: keyword.value for keyword in loader.keywords}
        for name in ("sampler", "batch_sampler"):
            given = named.get(name)
            if given is not None and not (isinstance(given, ast.Constant) and given.value is None):
                sampled = _distributed(facts, data.dataset, given)
                if sampled is None:
                    return f"its DataLoader has a {name} of its own"
                return PartitionPlan(data.dataset, sampled=sampled, others=others)
    return PartitionPlan(data.dataset, others=others)


def decide_partition(partition: PartitionPlan | str, paths: Sequence[Setting]) -> Iterator[Decision]:
    """The judgement that the training data is not split in a simulation, where that is so.

    Args:
        partition: how it is split, or why it is not.
        paths: the options that say where the data lies.
    """
    if isinstance(partition, str):
        yield Decision(
            "simulation data",
            f"every site of a simulation trains on all of the training data: {partition}",
            f"give each site data of its own, as `job FOLDER --site site-a:{paths[0].destination}=/data/a`"
            if paths
            else "make where the data lies an argument of the script, and give each site another",
        )


def _before_arguments(facts: Facts, loader: ast.AST) -> bool:
    """True for a loader that is built before the script's own parser reads the arguments."""
    built = next((event.number for event in facts.trace.events if event.node is loader), None)
    parse = facts.arguments.parse
    read = (event.number for event in facts.trace.events if parse is not None and event.statement is parse.node)
    return built is not None and built < next(read, built)


def _distributed(facts: Facts, dataset: Expression, sampler: ast.expr) -> Expression | None:
    """Where the DistributedSampler of a loader is given the loader's data set by the same name."""
    for event in facts.trace.events:
        if event.name not in DISTRIBUTED_SAMPLERS or event.scope is not dataset.scope:
            continue
        targets = event.statement.targets if isinstance(event.statement, ast.Assign) else []
        named = isinstance(sampler, ast.Name) and sampler.id in [getattr(target, "id", "") for target in targets]
        keywords = [keyword.value for keyword in event.node.keywords if keyword.arg == "dataset"]
        given = next(iter((*event.node.args, *keywords)), None)
        same = isinstance(given, ast.Name) and isinstance(dataset.node, ast.Name) and given.id == dataset.node.id
        if same and (named or event.node is sampler):
            return expression(given, event.scope)
    return None
