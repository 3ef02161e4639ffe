"""The script's own command line."""

from __future__ import annotations

import ast

from engine.facts.configuration import options_of
from engine.facts.program import ArgumentsFact
from engine.facts.source_text import expression, text_of
from engine.facts.trace import Trace
from engine.facts.values import Object


def command_line(trace: Trace) -> ArgumentsFact:
    """What the script declares with argparse; the parser with the most options where there are several."""
    found = []
    for event in trace.named(".parse_args", ".parse_known_args"):
        result = event.result
        namespace = result if isinstance(result, Object) else getattr(result, "items", [None])[0]
        if not isinstance(namespace, Object) or namespace.kind != "argparse.Namespace":
            continue
        parser = text_of(event.node.func.value) if isinstance(event.node.func, ast.Attribute) else ""
        parse = expression(event.statement, event.scope) if event.statement is not None else None
        variable = namespace.names[-1] if namespace.names else ""
        found.append(ArgumentsFact("argparse", parser, variable, parse, tuple(options_of(namespace))))
    return max(found, key=lambda fact: len(fact.options), default=ArgumentsFact("none"))
