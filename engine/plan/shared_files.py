"""Files that the sites of a simulation have in common, and all write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.facts import Facts
from engine.facts.library import made_of
from engine.facts.values import EnvironmentVariable, Literal, Object, Value, written_parts
from engine.facts.writing import written_files
from engine.plan.decision import Decision
from engine.plan.literals import Range
from engine.plan.settings import Setting, is_beside_the_script

OF_THE_MACHINE = ("tempfile.gettempdir", "pathlib.Path.home")


def decide_shared_files(facts: Facts, paths: Sequence[Setting]) -> Iterator[Decision]:
    """What is said of each place that writes a file which is the same for all sites of a simulation.

    Args:
        facts: of the program.
        paths: the options that say where the data lies, which the sites share.
    """
    places = set()
    for event, path in written_files(facts.trace):
        why = _shared(path, paths)
        if why and event.place not in places:
            places.add(event.place)
            yield Decision(
                "written files",
                f"the sites of a simulation all write the file at {event.place}: {why}",
                "write to a relative path, which lies in a folder of each site's own",
            )


def _shared(path: Value, paths: Sequence[Setting]) -> str:
    """Why a path is the same for all sites of a simulation; empty where it is not."""
    first = next(written_parts(path), None)
    place = Range.of(*first.written) if isinstance(first, Literal) and first.written is not None else None
    for setting in paths:
        named = first is not None and first.option is not None and first.option.destination == setting.destination
        if named or (place is not None and setting.literal == place):
            return f"it lies at {setting.option}, where they read their data"
    if isinstance(first, EnvironmentVariable):
        return f"they share the environment, where {first.name} is"
    text = first.value if isinstance(first, Literal) else None
    outside = isinstance(text, str) and not is_beside_the_script(text)
    found = any(isinstance(part, Object) and part.kind in OF_THE_MACHINE for part in made_of(path))
    return "its path is the same for all of them" if outside or found else ""
