"""Where ``flare.init()`` goes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.facts import Facts
from engine.plan.parser import ParserPlan, first_code, parsed_at
from engine.result import Place
from engine.source import SourceFile


@dataclass(frozen=True)
class InitPlan:
    """Where ``flare.init()`` goes.

    Attributes:
        file: the file.
        place: the statement it stands next to.
        after: after that statement rather than before it.
    """

    file: SourceFile
    place: Place
    after: bool


def plan_init(facts: Facts, parser: ParserPlan) -> InitPlan:
    """Right after the arguments are parsed, where that is before data is read; else before all code of the script."""
    entry = facts.project.entry
    if parser.existing and parser.bound_file is entry:
        parsed = parsed_at(facts, parser)
        loader = facts.data.loader if facts.data else None
        built = next((e.number for e in facts.trace.events if loader is not None and e.node is loader.node), None)
        if parsed is not None and (built is None or parsed < built):
            return InitPlan(entry, parser.bound_after, True)
    return InitPlan(entry, first_code(entry), False)
