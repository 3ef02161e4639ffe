"""The script's own command line."""

from __future__ import annotations

import ast

from engine.facts.configuration import Option, command_of, declared_by, options_of
from engine.facts.program import ArgumentsFact
from engine.facts.source_text import expression, text_of
from engine.facts.trace import Context, Trace
from engine.facts.values import Object


def command_line(trace: Trace) -> ArgumentsFact:
    """What the script declares with argparse, the parser with the most options where there are several; else what Fire
    makes of the function that trains."""
    found = []
    for event in trace.named(".parse_args", ".parse_known_args"):
        result = event.result
        namespace = result if isinstance(result, Object) else getattr(result, "items", [None])[0]
        if not isinstance(namespace, Object) or namespace.kind != "argparse.Namespace":
            continue
        parser = text_of(event.node.func.value) if isinstance(event.node.func, ast.Attribute) else ""
        parse = expression(event.statement, event.scope) if event.statement is not None else None
        variable = namespace.names[-1] if namespace.names else ""
        word, chosen = command_of(namespace) or ("", None)
        if chosen is not None:
            parser = chosen.names[-1] if chosen.names and chosen.scope is event.scope else ""
        options = tuple(options_of(namespace))
        after = [option.destination for option in (declared_by(chosen) if chosen is not None else options)]
        before = tuple(option.destination for option in options if option.destination not in after)
        found.append(ArgumentsFact("argparse", parser, variable, parse, options, word, before))
    return max(found, key=lambda fact: len(fact.options), default=_of_fire(trace))


def _of_fire(trace: Trace) -> ArgumentsFact:
    """What ``fire.Fire`` has to be given: the function's name where it offers several, and what has no default."""
    for event in trace.events:
        around = event.path[-1] if event.path else None
        if event.function is None or not isinstance(around, Context) or around.name != "fire.Fire":
            continue
        name, spec = event.function.name, event.function.node.args
        needed = spec.args[: len(spec.args) - len(spec.defaults)]
        options = [Option((f"--{one.arg}",), one.arg, ..., True, "", event.place) for one in needed]
        return ArgumentsFact("fire", options=tuple(options), command="" if event.node.args else name)
    return ArgumentsFact("none")
