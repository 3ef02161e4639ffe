"""Which data set is split between the sites of a simulation."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from engine.facts import Expression, Facts
from engine.facts.program import LoaderFact
from engine.facts.source_text import contains, expression, text_of
from engine.facts.trace import exclude
from engine.facts.values import plain, value_of
from engine.plan.arrays import Split, plan_split
from engine.plan.decision import Decision
from engine.plan.draws import unseeded_draw
from engine.plan.frame import bodies, function_node
from engine.plan.parser import ParserPlan
from engine.plan.set_orders import set_behind
from engine.plan.settings import Setting, runs_early
from engine.result import Place

DISTRIBUTED_SAMPLERS = (
    "torch.utils.data.distributed.DistributedSampler",
    "torch.utils.data.DistributedSampler",
    "monai.data.DistributedSampler",
)
SAMPLERS = {3: "sampler", 4: "batch_sampler"}
"""The arguments of a DataLoader that choose samples by their numbers, by position."""
MAKES_DATA = ("torch.utils.data.Subset", "torch.utils.data.random_split", "torch.utils.data.DataLoader")


@dataclass(frozen=True)
class PartitionPlan:
    """How the training data is split in a simulation.

    Attributes:
        dataset: the expression of the data set that the training loader is given; None for arrays.
        split: where arrays of samples are cut down to a site's part.
        sampled: the same data set where the loader's DistributedSampler is given it.
        others: those of other loaders that are trained on.
        named: where the data set gets the name by which the loader is given it, and the script asks for its length;
            None where it is split where the loader is given it.
    """

    dataset: Expression | None
    split: Split | None = None
    sampled: Expression | None = None
    others: tuple[Expression, ...] = ()
    named: Place | None = None


def plan_partition(facts: Facts, parser: ParserPlan) -> PartitionPlan | str:
    """The data set to split, or in words why the training data cannot be split.

    Args:
        facts: of the program.
        parser: where the arguments are read, of which one says how to split.
    """
    if facts.arrays is not None and facts.loop is not None:
        split = _drawn(facts, facts.loop.loop.node) or plan_split(facts)
        return split if isinstance(split, str) else PartitionPlan(None, split)
    data = facts.data
    if data is None or data.loader is None or data.dataset is None:
        return "the training data does not come from a DataLoader"
    if not data.numbered:
        return "its data set is a stream, whose samples have no numbers"
    if data.chosen_anew:
        return "its samples are chosen anew in every epoch, and each site would choose others"
    if any(other.dataset is None for other in data.others):
        return "another DataLoader is trained on, whose data set is not written where it is built"
    loaders = [LoaderFact(data.loader, data.dataset), *data.others]
    for one in loaders:
        problem = _problem(facts, parser, one.loader.node)
        if problem is not None:
            return problem
    again = _taken_up_again(facts, [one.loader.node for one in loaders])
    if again is not None:
        return f"{again} makes other data of what the training's DataLoader has"
    others = tuple(one.dataset for one in data.others if one.dataset is not None)
    for one in loaders:
        for name, written in _samplers(facts, one.loader.node):
            sampled = _distributed(facts, data.dataset, written) if written is not None else None
            if sampled is None or one is not loaders[0]:
                return f"its DataLoader has a {name} of its own"
            return PartitionPlan(data.dataset, sampled=sampled, others=others)
    return PartitionPlan(data.dataset, others=others, named=None if others else _measured_name(facts, parser))


def _measured_name(facts: Facts, parser: ParserPlan) -> Place | None:
    """The statement that gives the data set its name, where the script does nothing by that name but build the loader
    and ask for the length, which is to be that of the part."""
    given, loader = facts.data.dataset, facts.data.loader
    name = given.node.id if isinstance(given.node, ast.Name) else ""
    holder = function_node(given.scope) or given.scope.file.tree
    if not name or given.scope.parent is None and given.scope.file is not facts.project.entry:
        return None
    uses = [node for node in ast.walk(holder) if isinstance(node, ast.Name) and node.id == name]
    calls = (node for node in ast.walk(holder) if isinstance(node, ast.Call) and len(node.args) == 1)
    measured = [node.args[0] for node in calls if text_of(node.func) == "len"]
    lengths = [node for node in uses if node in measured]
    stored = [node for node in uses if isinstance(node.ctx, ast.Store)]
    if not lengths or len(stored) != 1 or {*uses} != {*lengths, *stored, given.node}:
        return None
    for body in bodies(holder.body):
        named = next((s for s in body if isinstance(s, ast.Assign) and contains(s, stored[0])), None)
        if named is not None and any(contains(s, loader.node) for s in body):
            events = [event for event in facts.trace.events if event.statement is named]
            late = events and not any(runs_early(event, parser, facts) for event in events)
            return given.scope.file.place(named) if late else None
    return None


def _problem(facts: Facts, parser: ParserPlan, loader: ast.AST) -> str | None:
    """Why the data set that a loader is given cannot be split where it is given to it."""
    drawn = _drawn(facts, loader)
    if drawn is not None:
        return drawn
    if _before_arguments(facts, parser, loader):
        return "its DataLoader is built before the script reads its arguments, of which one says how to split"
    built = next((event for event in facts.trace.events if event.node is loader), None)
    unordered = set_behind(facts, loader, built.scope) if built is not None else None
    if unordered is not None:
        return f"its order is that of the set at {unordered}, which every site would have in another order"
    ways = [event.path for event in facts.trace.events if event.node is loader]
    if any(not exclude(one, other) for one, other in combinations(ways, 2)):
        return "the function that builds its DataLoader builds those of other data too"
    return None


def _samplers(facts: Facts, loader: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """The samplers that a loader is given, each with its name and what is written there; None for one that is given by
    position or in ``**options``."""
    for position, name in SAMPLERS.items():
        built = (one.argument(position, name) for one in facts.trace.objects if one.node is loader)
        if any(value is not None and plain(value) is not None for value in built):
            keywords = loader.keywords if isinstance(loader, ast.Call) else []
            yield name, next((keyword.value for keyword in keywords if keyword.arg == name), None)


def _taken_up_again(facts: Facts, loaders: Sequence[ast.AST]) -> Place | None:
    """Where other data is made of ``loader.dataset``, which would be a part only."""
    for event in facts.trace.events:
        if event.name not in MAKES_DATA or event.node in loaders:
            continue
        for node in ast.walk(event.node):
            if isinstance(node, ast.Attribute) and node.attr == "dataset":
                owners = value_of(node.value, event.scope)
                if any(getattr(owner, "node", None) in loaders for owner in owners):
                    return event.place
    return None


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


def _drawn(facts: Facts, until: ast.AST) -> str | None:
    """Why data that is drawn without a seed, before a loader is built or a loop begins, is not split."""
    draw = unseeded_draw(facts, until)
    if draw is None:
        return None
    return f"{draw.place} draws it at random without a seed, so that every site would split other data"


def _before_arguments(facts: Facts, parser: ParserPlan, loader: ast.AST) -> bool:
    """True for a loader that is built before the arguments are read, as while a module is imported."""
    built = next((event for event in facts.trace.events if event.node is loader), None)
    return built is not None and runs_early(built, parser, facts)


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
