"""The data the program trains on."""

from __future__ import annotations

import ast

from engine.facts.program import DataFact, Expression
from engine.facts.source_text import expression
from engine.facts.trace import Trace
from engine.facts.training import PASSED_THROUGH, TrainingLoop
from engine.facts.values import Object, Value, objects, plain

DERIVED = (
    "Subset", "random_split", "ConcatDataset", "TensorDataset", "train_test_split", "CacheDataset", "DataLoader",
)  # fmt: skip
PATH_KEYWORDS = ("root", "path", "data_dir", "data_path", "directory", "folder", "img_dir", "csv_file", "filename")


def training_data(trace: Trace, training: TrainingLoop) -> DataFact:
    """The data that the training batch loop runs over."""
    loop = training.batch or training.epoch
    loader = _loader(loop.iterable)
    dataset = loader.argument(0, "dataset") if loader is not None else None
    source = _source(dataset if dataset is not None else loop.iterable)
    node = _dataset_node(loader)
    return DataFact(
        source=source.kind if source is not None else None,
        path=_path(source),
        paths=(),
        loader=expression(loader.node, loader.scope) if loader is not None and loader.scope is not None else None,
        dataset=expression(node, loader.scope) if node is not None else None,
        loop=training.batch,
    )


def _loader(value: Value | None, depth: int = 0) -> Object | None:
    """The loader behind what a loop runs over."""
    for one in objects(value):
        if one.short_kind.endswith("DataLoader"):
            return one
        if depth < 6 and one.args and one.kind.startswith(PASSED_THROUGH):
            found = _loader(one.args[0], depth + 1)
            if found is not None:
                return found
    return None


def _dataset_node(loader: Object | None) -> ast.AST | None:
    """The data set in the call that builds a loader."""
    if loader is None or not isinstance(loader.node, ast.Call):
        return None
    named = next((keyword.value for keyword in loader.node.keywords if keyword.arg == "dataset"), None)
    return named or next(iter(loader.node.args), None)


def _source(value: Value | None, depth: int = 0) -> Object | None:
    """The data set or reader at the origin of a value."""
    for one in objects(value):
        if depth < 8 and (one.short_kind.endswith(DERIVED) or "[" in one.kind):
            for part in [*one.args, *one.kwargs.values(), one.receiver]:
                found = _source(part, depth + 1)
                if found is not None:
                    return found
        return one
    return None


def _path(source: Object | None) -> str | None:
    """The path a data set is read from, where it is written out."""
    if source is None:
        return None
    named = [source.kwargs[name] for name in PATH_KEYWORDS if name in source.kwargs]
    return next((value for value in map(plain, [*named, *source.args[:1]]) if isinstance(value, str)), None)


def loader_expression(loader: Object) -> Expression | None:
    """The call that builds a loader."""
    return expression(loader.node, loader.scope) if loader.scope is not None else None
