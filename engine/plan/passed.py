"""What a call gives a function of the project: as it is written there, and as the function sees it."""

from __future__ import annotations

import ast
from collections.abc import Collection

from engine.facts.source_text import positional_parameters
from engine.facts.trace import Event
from engine.facts.values import Function, Scope

Written = dict[str, tuple[ast.expr, Scope]]
"""For parameters of a function, what a call gives them, with the scope in which it is written."""


def arguments_written(function: Function, call: ast.Call, given_before: int = 0) -> dict[str, ast.expr]:
    """What a call writes for the parameters of a function, by their names; the object of a method is not among them.

    Args:
        function: what is called.
        call: the call.
        given_before: how many positional arguments ``functools.partial`` has given before.
    """
    names = positional_parameters(function.node)[(function.owner is not None) + given_before :]
    return dict(zip(names, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}


def given_before(event: Event) -> int:
    """How many positional arguments ``functools.partial`` has given to what is called."""
    return max(len(event.args) - len(event.node.args), 0)


def written_in(event: Event) -> Written:
    """The arguments of a function as a call writes them; what ``functools.partial`` has given is not among them."""
    assert event.function is not None
    written = arguments_written(event.function, event.node, given_before(event))
    return {name: (node, event.scope) for name, node in written.items()}


def scope_in(event: Event, parameters: Collection[str] | None = None) -> Scope:
    """The scope of a function in one call: its object and its parameters, with what they are given.

    Args:
        event: the call.
        parameters: those to be known, beside the object; all by default.
    """
    function = event.function
    assert function is not None
    names = positional_parameters(function.node)
    is_method = function.owner is not None
    values = [event.receiver, *event.args] if is_method else list(event.args)
    bound = dict(zip(names, values, strict=False)) | event.kwargs
    if parameters is not None:
        bound = {name: value for name, value in bound.items() if name in (*names[:is_method], *parameters)}
    return Scope(function.file, function.qualified_name, function.scope, bound)
