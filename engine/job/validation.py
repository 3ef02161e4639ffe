"""Validating what comes from outside of a job. Apart, because pydantic takes time to import."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from engine.result import UserError

T = TypeVar("T")
EXAMPLES = {
    "stop_cond": "accuracy >= 0.9",
    "aggregator": "my_module:MyAggregator",
    "optimizer_args.path": "torch.optim.Adam",
    "lr_scheduler_args.path": "torch.optim.lr_scheduler.StepLR",
}

adapter = cache(TypeAdapter)


def validated(kind: type[T], values: Mapping[str, Any], *within: str) -> T:
    """A dataclass of a job, from values that may be of any type.

    Args:
        kind: the dataclass; the metadata of its fields are constraints of pydantic's.
        values: its fields.
        within: the field of the job that it stands in, for messages.

    Raises:
        UserError: where one is missing, not known or not allowed.
    """
    try:
        return adapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where, message = ".".join(map(str, [*within, *first["loc"]])), first["msg"]
        if first["type"] == "string_pattern_mismatch" and where in EXAMPLES:
            message = f"{first['input']!r} is not written like {EXAMPLES[where]}"
        if first["type"] == "unexpected_keyword_argument":
            message = "Extra inputs are not permitted"
        raise UserError(f"{where} of the job: {message}") from None
