"""Where each file of the project comes to lie in the converted folder, so that its imports still hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from engine.source import Project, SourceFile

CLIENT = "client.py"


def lay_out(project: Project) -> dict[str, tuple[str, ...]]:
    """Where each file of the project goes, by its name: the entry becomes ``client.py``, a module lies where its
    importers look for it (in two places, where it is imported by two names)."""
    placed: dict[str, list[str]] = {project.entry.name: [CLIENT]}
    placed |= {file.name: [file.name] for file in project.named_modules}
    pending = [(project.entry, CLIENT), *((file, file.name) for file in project.named_modules)]
    while pending:
        file, at = pending.pop(0)
        for module, target in _imports(project, file, at):
            places = placed.setdefault(module.name, [])
            if target not in places and module is not project.entry:
                places.append(target)
                pending.append((module, target))
    return {name: tuple(places) for name, places in placed.items()}


def _imports(project: Project, file: SourceFile, at: str) -> Iterator[tuple[SourceFile, str]]:
    """The local files a file imports, each with where it has to lie when the importer lies at ``at``."""
    here = PurePosixPath(at).parent
    for node in file.nodes:
        if isinstance(node, ast.Import):
            wanted = [("", None, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            folder = file.path.parents[node.level - 1] if 0 < node.level <= len(file.path.parents) else None
            base = here
            for _ in range(node.level - 1):
                base = base.parent
            prefix = "" if folder is None else base.as_posix()
            dotted = node.module or ""
            names = [alias.name for alias in node.names if alias.name != "*"]
            wanted = [(prefix, folder, dotted)] if dotted or folder else []
            wanted += [(prefix, folder, f"{dotted}.{name}".strip(".")) for name in names]
        else:
            continue
        for prefix, folder, dotted in wanted:
            parts = dotted.split(".") if dotted else []
            for length in range(0 if folder else 1, len(parts) + 1):
                path = project.find_module(".".join(parts[:length]), folder)
                if path is None:
                    continue
                target = PurePosixPath(prefix, *parts[:length])
                is_package = path.name == "__init__.py"
                yield (
                    project.read(path),
                    (target / "__init__.py" if is_package else target.with_suffix(".py")).as_posix(),
                )


def dotted_name(target: str) -> str:
    """The module name of a file of the converted folder."""
    return target.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
