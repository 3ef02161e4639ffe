"""Whether the server can import what it builds the model by: it has no data, and no command line of the script."""

from __future__ import annotations

import ast
from pathlib import Path

from engine.facts import Facts
from engine.facts.library import DATA_READERS
from engine.facts.trace import Event, Trace
from engine.plan.server_model import ModelPlan, unbuildable
from engine.plan.slicing import Slice
from engine.source import SourceFile, imported_files

SMALL_FILES = {"builtins.open", "io.open", "codecs.open", "os.listdir", "glob.glob"}
"""May read settings, which are packed into the job."""
NEEDS_THE_SITE = (*(name for name in DATA_READERS if name not in SMALL_FILES), "torch.load", "builtins.input")
NEEDS_THE_SCRIPT = {".parse_args", ".parse_known_args", ".backward", "sys.exit"}


def unliftable(facts: Facts, found: Slice) -> ModelPlan | None:
    """No plan, where statements cannot be lifted out of a file, or import what the server cannot."""
    if found.problem:
        return unbuildable(found.problem, found.problem_place)
    imports = _Imports(facts)
    events = (imports.reading(found.file, statement) for statement in found.statements)
    reading = next((event for event in events if event is not None), None)
    if reading is None:
        return None
    problem = f"the model needs a module that calls {ast.unparse(reading.node.func)}() when it is imported"
    return unbuildable(problem, reading.place)


def bound_by_reading(facts: Facts, file: SourceFile) -> set[str]:
    """The names that a file has from modules which read data or arguments when they are imported."""
    imports = _Imports(facts)
    names: set[str] = set()
    for node in file.tree.body:
        if isinstance(node, ast.ImportFrom) and imports.reading(file, node) is not None:
            names |= {alias.asname or alias.name for alias in node.names}
            for imported in imports.named(file, node) if "*" in names else ():
                names |= set(facts.trace.modules[imported.name].scope.variables)
    return names


class _Imports:
    """Which modules of the project an import runs, and what they read then.

    Args:
        facts: of the program.
    """

    def __init__(self, facts: Facts) -> None:
        project, run = facts.project, facts.trace.modules
        self.project = project
        self.files = {file.path: file for file in project.modules if file.name in run and file is not project.entry}
        self.first_readings = _first_readings(facts.trace)
        self.imported: dict[Path, list[SourceFile]] = {}

    def reading(self, file: SourceFile, within: ast.AST) -> Event | None:
        """The first call by which importing the modules that a part of a file imports would read data or arguments.

        Args:
            file: where the import statements stand.
            within: the part.
        """
        run = self.named(file, within)
        for one in run:
            run += [each for each in self._imported_by(one) if each not in run]
        return next((self.first_readings[one.name] for one in run if one.name in self.first_readings), None)

    def named(self, file: SourceFile, within: ast.AST) -> list[SourceFile]:
        """The files that the import statements of a part of a file name."""
        paths = dict.fromkeys(imported_files(self.project, file, within))
        return [self.files[path] for path in paths if path in self.files]

    def _imported_by(self, file: SourceFile) -> list[SourceFile]:
        """The files that a file imports, looked for once."""
        if file.path not in self.imported:
            self.imported[file.path] = self.named(file, file.tree)
        return self.imported[file.path]


def _first_readings(trace: Trace) -> dict[str, Event]:
    """The first call that reads data or arguments while a module is imported, by the name of the module's file."""
    names = {module.scope: name for name, module in trace.modules.items()}
    found: dict[str, Event] = {}
    for event in trace.events:
        if event.name in NEEDS_THE_SCRIPT or event.name.startswith(NEEDS_THE_SITE):
            for scope in (event.scope, *(call.caller for call in event.calls)):
                if scope in names:
                    found.setdefault(names[scope], event)
    return found
