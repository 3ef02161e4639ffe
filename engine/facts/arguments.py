"""The script's own command line."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts.configuration import Option, command_of, declared_by, options_of, parser_of
from engine.facts.program import ArgumentsFact, Expression
from engine.facts.source_text import expression, text_of
from engine.facts.trace import Context, Event, Trace
from engine.facts.values import Object, Value, plain

DECLARES = "add_argument"
OPENING = {"parents", "prefix_chars", "fromfile_prefix_chars"}  # of a parser that takes more than it declares


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
        closed = not word and _is_closed(trace, namespace.receiver)
        line = _line(event, namespace)
        found.append(ArgumentsFact("argparse", parser, variable, parse, options, word, before, closed, line))
    return max(found, key=lambda fact: len(fact.options), default=_of_fire(trace))


def _is_closed(trace: Trace, parser: Value | None) -> bool:
    """True for a parser of the standard library's, the only one, of which every option is known."""
    if not isinstance(parser, Object) or parser.kind != "argparse.ArgumentParser" or trace.exhausted:
        return False
    if parser.kwargs.keys() & OPENING or len(parser.args) > len(("prog", "usage", "description", "epilog")):
        return False
    parsed = list(trace.named(".parse_args", ".parse_known_args"))
    if {event.name for event in parsed} != {".parse_args"} or any(event.receiver is not parser for event in parsed):
        return False
    declared = {event.node for event in trace.named(".add_argument") if _is_understood(event, parser)}
    if any(call not in declared for call in _declarations(trace)):
        return False
    return not any(_is_of(part, parser) for event in trace.events if event.function is None for part in _given(event))


def _declarations(trace: Trace) -> Iterator[ast.Call]:
    """The calls of the program that declare options, followed or not."""
    for module in trace.modules.values():
        if module.file is not None and DECLARES in module.file.text:
            for node in ast.walk(module.file.tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == DECLARES:
                    yield node


def _is_understood(event: Event, parser: Object) -> bool:
    """True where it is known which option a call declares: once, by names that are written, with so many values."""
    names = bool(event.args) and all(isinstance(plain(name), str) for name in event.args)
    values = plain(event.kwargs.get("nargs")) if "nargs" in event.kwargs else None
    counted = values is None or isinstance(values, int) or values in ("?", "*", "+")
    return _is_of(event.receiver, parser) and names and counted and not event.loops


def _is_of(value: Value | None, parser: Object) -> bool:
    """True for a parser and its groups."""
    return isinstance(value, Object) and parser_of(value) is parser


def _given(event: Event) -> tuple[Value, ...]:
    return (*event.args, *event.kwargs.values())


def _line(event: Event, namespace: Object) -> Expression | None:
    """The command line that the script writes itself, where it is handed to ``parse_args``."""
    given = [*event.node.args, *(keyword.value for keyword in event.node.keywords if keyword.arg == "args")]
    return expression(given[0], event.scope) if given and plain(namespace.attributes.get("#written")) else None


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
