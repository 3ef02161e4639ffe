"""The numbers an evaluation gives back, under the names the source gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from engine.facts.many_values import is_many_of, many_valued
from engine.facts.metric_names import classify, ordered, rank_by_data, words_of
from engine.facts.printed_metrics import is_count, is_ratio, printed_metrics
from engine.facts.program import MetricFact
from engine.facts.source_text import own_nodes, text_of


def returned_metrics(function: ast.AST, targets: list[str]) -> tuple[str, tuple[MetricFact, ...]]:
    """How a function gives back what it computes, and the metrics in it.

    Args:
        function: the evaluating function.
        targets: the names its caller binds the result to, in order.
    """
    node = _last_return(function)
    if node is None:
        return "none", printed_metrics(function.body)
    value = _written_out(function, node.value)
    if isinstance(value, ast.Tuple):
        found = [
            _metric(function, element, index, targets[index] if len(targets) == len(value.elts) else "")
            for index, element in enumerate(value.elts)
        ]
        if any(metric is not None and metric.name == "ndcg" for metric in found):
            found = [
                one or _hit_ratio(element, index)
                for index, (element, one) in enumerate(zip(value.elts, found, strict=True))
            ]
        named = [*targets, *[""] * len(value.elts)]  # another call of the function may take more than it returns here
        said = [f"{text_of(element)} {target}" for element, target in zip(value.elts, named, strict=False)]
        return "tuple", ordered(
            one for _, one in sorted(zip(said, found, strict=True), key=lambda p: rank_by_data(p[0]))
        )
    entries = _entries(function, value)
    if entries is not None:
        entries = sorted(entries, key=lambda entry: rank_by_data(str(entry[0])))
        return "dict", ordered([_metric(function, element, key, str(key)) for key, element in entries])
    single = _metric(function, node.value, None, *targets[:1], text_of(value), getattr(function, "name", ""))
    return "value", ordered([single])


def keyed_metrics(keys: Iterable[str]) -> tuple[MetricFact, ...]:
    """The metrics that keys of a dictionary name; what there is for each class is no number where there is a mean."""
    each = {key: bool({"class", "cls", "per"} & set(words_of(key))) for key in keys}
    named = ((key, classify(key)) for key in sorted(each, key=lambda key: (rank_by_data(key), each[key], key)))
    return ordered(MetricFact(*found, repr(key), key) for key, found in named if found is not None)


def unpacked_metrics(targets: list[str]) -> tuple[MetricFact, ...]:
    """The metrics that names stand for to which a result of several parts is bound: what a caller unpacks."""
    named = [(index, name, classify(name)) for index, name in enumerate(targets) if not is_count(name)]
    ranked = sorted(named, key=lambda one: rank_by_data(one[1]))
    return ordered(MetricFact(*found, name, index) for index, name, found in ranked if found is not None)


def spelled_by_caller(metrics: tuple[MetricFact, ...], returns: str, targets: list[str]) -> dict[str, MetricFact]:
    """The metrics that a function returns, by how the code that binds its result to targets writes them."""
    if returns == "tuple":
        keys = {metric: f"[{metric.key!r}]" if metric.key is not None else "" for metric in metrics}
        return {f"{targets[m.index]}{keys[m]}": m for m in metrics if m.index < len(targets)}
    if returns == "dict":
        return {f"{target}[{metric.index!r}]": metric for target in targets[:1] for metric in metrics}
    if returns == "object":
        return {f"{target}.{metric.index}": metric for target in targets[:1] for metric in metrics}
    return dict(zip(targets[:1], metrics, strict=False)) if returns == "value" else {}


def _hit_ratio(node: ast.AST, index: int) -> MetricFact | None:
    """The hit ratio that recommenders report beside NDCG, where ``HR`` means nothing else."""
    is_one = {"hr", "hit", "hits"} & set(words_of(text_of(node)))
    return MetricFact("hit_ratio", "max", text_of(node), index) if is_one else None


def _last_return(function: ast.AST) -> ast.Return | None:
    """The last ``return`` with a value in a function's own code."""
    found = [node for node in own_nodes(function.body) if isinstance(node, ast.Return)]
    found = [node for node in found if node.value is not None and not _is_none(node.value)]
    return max(found, key=lambda node: node.lineno, default=None)


def _is_none(node: ast.AST) -> bool:
    """True for the literal None."""
    return isinstance(node, ast.Constant) and node.value is None


def _metric(function: ast.AST, node: ast.AST, index: int | str | None, *hints: str) -> MetricFact | None:
    """The metric an expression of a function is; its own words count before the hints."""
    text = text_of(node)
    if is_many_of(node, many_valued(function.body)):
        return None
    spoken = (text, *hints[:1], text_of(_written_out(function, node)), *hints[1:])
    found = [(said, name) for said, name in zip(spoken, map(classify, spoken), strict=True) if name is not None]
    said, telling = next((one for one in found if one[1][0] != "score"), None) or next(iter(found), ("", None))
    if telling is None or is_count(said) and not _is_divided(function, node):
        return None
    return MetricFact(*telling, text, index)


def _is_divided(function: ast.AST, node: ast.AST) -> bool:
    """True for a ratio, for what a call makes of several numbers, and for a name made a ratio: ``correct /= total``."""
    divided = {
        text_of(part.target)
        for part in own_nodes(function.body)
        if isinstance(part, ast.AugAssign) and isinstance(part.op, (ast.Div, ast.Mult))
    }
    written = _written_out(function, node)
    calls = any(isinstance(part, ast.Call) and len(part.args) > 1 for part in ast.walk(written))
    return calls or is_ratio(node) or is_ratio(written) or text_of(node) in divided


def _written_out(function: ast.AST, node: ast.AST | None) -> ast.AST | None:
    """What a name was last assigned in a function; any other expression itself."""
    if not isinstance(node, ast.Name):
        return node
    assigned = [
        statement
        for statement in own_nodes(function.body)
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == node.id for target in statement.targets)
    ]
    return max(assigned, key=lambda statement: statement.lineno).value if assigned else node


def _entries(function: ast.AST, value: ast.AST | None) -> list[tuple[str, ast.AST]] | None:
    """The entries of a dictionary written out in a function; None for anything else."""
    if isinstance(value, ast.Dict):
        pairs = list(zip(value.keys, value.values, strict=True))
        named = [
            (key.value, item) for key, item in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
        return named + _stored_entries(function, value)
    if isinstance(value, ast.Call) and text_of(value.func) in ("dict", "OrderedDict", "collections.OrderedDict"):
        if value.args and isinstance(value.args[0], (ast.List, ast.Tuple)):
            pairs = [pair.elts for pair in value.args[0].elts if isinstance(pair, ast.Tuple) and len(pair.elts) == 2]
            return [(key.value, item) for key, item in pairs if isinstance(key, ast.Constant)]
        return [(keyword.arg, keyword.value) for keyword in value.keywords if keyword.arg] or _stored_entries(
            function, value
        )
    return None


def _stored_entries(function: ast.AST, value: ast.AST) -> list[tuple[str, ast.AST]]:
    """Entries stored by ``out["val"] = ...`` in a dictionary a function builds; those of a loop over keys as well."""
    names = {
        target.id
        for statement in own_nodes(function.body)
        if isinstance(statement, ast.Assign) and statement.value is value
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    keys = {
        node.target.id: [item.value for item in node.iter.elts if isinstance(item, ast.Constant)]
        for node in own_nodes(function.body)
        if isinstance(node, ast.For)
        and isinstance(node.target, ast.Name)
        and isinstance(node.iter, (ast.List, ast.Tuple))
    }
    found = []
    for statement in own_nodes(function.body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(target, ast.Subscript) or text_of(target.value) not in names:
            continue
        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
            found.append((target.slice.value, statement.value))
        elif isinstance(target.slice, ast.Name):
            found.extend((key, statement.value) for key in keys.get(target.slice.id, ()) if key != "train")
    return found
