"""Numbers of all of the training data, which a site of a simulation goes by though it trains on a part of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.source_text import assigned, contains, expression, names_read, own_nodes, text_of
from engine.facts.trace import Event, leads_through
from engine.facts.values import Function, Object, Scope, Value, objects
from engine.plan.decision import Decision
from engine.plan.frame import Frame, body_of
from engine.plan.partition import PartitionPlan
from engine.plan.written_before import set_from
from engine.result import Place

Names = set[tuple[int, str]]
STATISTICS = {
    "mean", "std", "var", "median", "quantile", "percentile", "nanmean", "nanstd", "std_mean", "var_mean", "average",
    "bincount", "unique", "Counter", "value_counts", "histogram", "describe", "corrcoef", "cov", "cumsum",
    "compute_class_weight", "compute_sample_weight", "fit", "fit_transform", "adapt", "build_vocab_from_iterator",
}  # fmt: skip
OF_ONE = {"sum", "min", "max", "amin", "amax", "count_nonzero"}
"""Statistics of what they are given alone; of several things they are something else."""
SHOWS = {"print", "info", "debug", "warning", "write"}
DEEPEST = 12
MOST_TOLD = 3


def decide_whole_data(facts: Facts, frame: Frame, partition: PartitionPlan | str) -> Iterator[Decision]:
    """The judgement on numbers of all of the training data, where the script goes by some and it is split.

    Args:
        facts: of the program.
        frame: what becomes a round.
        partition: how the data is split.
    """
    if isinstance(partition, str) or partition.dataset is None:
        return
    found: dict[tuple[str, int], str] = {}
    for place, text in _numbers(facts, frame, partition):
        found.setdefault((place.file, place.line), f"{text} ({place})")
    if found:
        told = list(found.values())
        more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        yield Decision(
            "simulation numbers",
            "in a simulation every site trains on its part and goes by these numbers of all the training data: "
            f"{', '.join(told[:MOST_TOLD])}{more}",
            "a site with data of its own computes them of that; in a simulation give each site other files, or compute "
            "them of the loader's dataset",
        )


def _numbers(facts: Facts, frame: Frame, partition: PartitionPlan) -> Iterator[tuple[Place, str]]:
    """Where such numbers are computed, and how it is written there."""
    given = partition.dataset
    built = [one for one in facts.trace.objects if facts.data and one.node is facts.data.loader.node]
    whole = [data for loader in built for data in objects(loader.argument(0, "dataset"))]
    names, scopes = _made_of_names(facts, given.node, given.scope)
    for event in facts.trace.events:
        inside = event.within_node(frame.node)
        if not isinstance(event.node, ast.Call):
            continue
        if event.name == "builtins.len" and _is_told(event) and not _sets(event, names):
            of_whole = _is_whole(event.args, whole)
            of_it = not of_whole and not inside and _reads(event.node, event.scope, names)
            if of_it or of_whole and partition.named is None:
                yield event.place, _written(event)
        elif not inside and _is_statistic(event) and not _is_shown(event):
            if id(event.scope) in scopes or _reads(event.node, event.scope, names):
                yield event.place, _written(event)
    for loop, path in facts.trace.loops:
        loaders = [one for one in objects(loop.iterable) if one not in built and one.short_kind == "DataLoader"]
        of_whole = [one for one in loaders if _is_whole([one.argument(0, "dataset")], whole)]
        within = leads_through(path, frame.node) or contains(frame.node, loop.node)
        if of_whole or not within and _is_whole([loop.iterable], whole):
            if isinstance(loop.node, (ast.For, ast.AsyncFor)):
                yield loop.place, f"the loop over {text_of(loop.node.iter)}"


def _made_of_names(facts: Facts, node: ast.AST, scope: Scope) -> tuple[Names, set[int]]:
    """The names that stand for the training data on its way to the loader, each with its scope, and the scopes of the
    functions of the project that make it."""
    names: Names = set()
    scopes: set[int] = set()
    pending: list[tuple[ast.AST, Scope, int]] = [(node, scope, DEEPEST)]
    while pending:
        one, holder, depth = pending.pop()
        for part in ast.walk(one) if depth else ():
            if isinstance(part, ast.Call):
                scopes |= {id(call.scope) for call in facts.trace.calls if call.node is part}
                pending += [(value, where, depth - 1) for value, where in set_from(facts, part, holder)]
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                owner = next((s for s in holder.chain() if part.id in s.variables), None)
                if owner is None or (id(owner), part.id) in names or not _may_be_data(owner.variables[part.id]):
                    continue
                names.add((id(owner), part.id))
                values = [(value, owner) for value in _set_to(owner, part.id)] or set_from(facts, part, holder)
                pending += [(value, where, depth - 1) for value, where in values]
    return names, scopes


def _set_to(scope: Scope, name: str) -> Iterator[ast.expr]:
    """What a name is set to in a scope; of a tuple, its own element where that is written."""
    for node in own_nodes(body_of(scope)):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                yield from (value for part, value in pairs if text_of(part) == name)
            elif name in {text_of(part) for part in getattr(target, "elts", [target])}:
                yield node.value


def _may_be_data(value: Value | None) -> bool:
    """False for functions, classes, settings and numbers, which are no samples."""
    if not objects(value):
        return type(value).__name__ in ("Unknown", "Sequence", "Mapping", "Choice")
    return not any(isinstance(one, Function) or one.is_module or "argparse" in one.kind for one in objects(value))


def _reads(node: ast.Call, scope: Scope, names: Names) -> bool:
    """True where a call is made on, or given, what stands for the training data."""
    method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
    for part in [*method, *node.args, *(keyword.value for keyword in node.keywords)]:
        for name in names_read(part):
            owner = next((s for s in scope.chain() if name in s.variables), None)
            if owner is not None and (id(owner), name) in names:
                return True
    return False


def _is_whole(values: object, whole: list[Object]) -> bool:
    """True where one of some values is the data set that is split."""
    return any(one in whole for value in values for one in objects(value))


def _is_statistic(event: Event) -> bool:
    name = event.name.rpartition(".")[2]
    return event.function is None and (name in STATISTICS or name in OF_ONE and len(event.node.args) < 2)


def _is_shown(event: Event) -> bool:
    """True for what a statement only prints or logs."""
    call = event.statement.value if isinstance(event.statement, ast.Expr) else None
    return isinstance(call, ast.Call) and text_of(call.func).rpartition(".")[2] in SHOWS


def _is_told(event: Event) -> bool:
    """True for a length that is computed with; one that is only printed is that of the whole, and says so."""
    operations = (node for node in ast.walk(event.statement or event.node) if isinstance(node, ast.BinOp))
    return not _is_shown(event) or any(contains(node, event.node) for node in operations)


def _sets(event: Event, names: Names) -> bool:
    """True for a number by which the training data itself is chosen."""
    targets = assigned(event.statement) if event.statement is not None else ()
    return any((id(event.scope), text_of(target)) in names for target in targets)


def _written(event: Event) -> str:
    return " ".join(expression(event.node, event.scope).text.split())
