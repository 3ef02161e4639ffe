"""What the server would do by importing a module of the project: it has no data, and no command line of the script."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.library import DATA_READERS
from engine.facts.trace import Event
from engine.plan.server_model import ModelPlan
from engine.plan.slicing import Slice
from engine.source import SourceFile, imported_files

SMALL_FILES = {"builtins.open", "io.open", "codecs.open", "os.listdir", "glob.glob"}
"""May read settings, which are packed into the job."""
NEEDS_THE_SITE = (*(name for name in DATA_READERS if name not in SMALL_FILES), "torch.load", "builtins.input")
NEEDS_THE_SCRIPT = {".parse_args", ".parse_known_args", ".backward", "sys.exit"}


def reading_at_import(facts: Facts, file: SourceFile, within: ast.AST) -> Event | None:
    """The first call by which importing the modules that a part of a file imports would read data or arguments.

    Args:
        facts: of the program.
        file: where the import statements stand.
        within: the part.
    """
    for imported in _closure(facts, file, within):
        module = facts.trace.modules.get(imported.name)
        for event in facts.trace.events if module is not None else ():
            here = event.scope is module.scope or any(call.caller is module.scope for call in event.calls)
            if here and (event.name in NEEDS_THE_SCRIPT or event.name.startswith(NEEDS_THE_SITE)):
                return event
    return None


def unimportable(facts: Facts, found: Slice) -> ModelPlan | None:
    """No plan, where lifted statements import what the server cannot."""
    events = (reading_at_import(facts, found.file, statement) for statement in found.statements)
    reading = next((event for event in events if event is not None), None)
    if reading is None:
        return None
    problem = f"the model needs a module that calls {ast.unparse(reading.node.func)}() when it is imported"
    return ModelPlan("", {}, problem=problem, problem_place=reading.place)


def bound_by_reading(facts: Facts, file: SourceFile) -> set[str]:
    """The names that a file has from modules which read data or arguments when they are imported."""
    names: set[str] = set()
    for node in file.tree.body:
        if isinstance(node, ast.ImportFrom) and reading_at_import(facts, file, node) is not None:
            names |= {alias.asname or alias.name for alias in node.names}
            for imported in _files(facts, file, node) if "*" in names else ():
                names |= set(facts.trace.modules[imported.name].scope.variables)
    return names


def _closure(facts: Facts, file: SourceFile, within: ast.AST) -> list[SourceFile]:
    """The files that are imported, and those that these import."""
    found = list(_files(facts, file, within))
    for one in found:
        found += [each for each in _files(facts, one, one.tree) if each not in found]
    return found


def _files(facts: Facts, file: SourceFile, within: ast.AST) -> Iterator[SourceFile]:
    known = {one.path: one for one in facts.project.modules if one.name in facts.trace.modules}
    paths = dict.fromkeys(imported_files(facts.project, file, within))
    return (known[path] for path in paths if path in known and known[path] is not facts.project.entry)
