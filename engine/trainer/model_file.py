"""Find the model in a model definition file from its text alone; nothing of it is run."""

from __future__ import annotations

import ast
from pathlib import Path

from engine.result import UserError


def find_model(path: Path, wanted: str | None) -> str:
    """The name of the ``nn.Module`` class or factory function that builds the model.

    Args:
        path: the Python file.
        wanted: the name the specification gives, or ``None`` when the file should hold only one candidate.

    Raises:
        UserError: the file cannot be read or parsed, or it is not clear which definition is meant.
    """
    body = _parse(path).body
    definitions = [node for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    names = [node.name for node in definitions]
    if wanted:
        if wanted not in names:
            raise UserError(f"$.modelClass: {path} defines no {wanted}; choose from {_listed(names)}.")
        return wanted
    modules = module_classes(definitions)
    candidates = modules or [node.name for node in definitions if isinstance(node, ast.FunctionDef)]
    outermost = [name for name in candidates if name not in _used_by_others(definitions, candidates)]
    if len(outermost) == 1:
        return outermost[0]
    if not candidates:
        raise UserError(f"$.modelPath: {path} defines no nn.Module class and no function that builds one; add one.")
    raise UserError(f"$.modelClass is missing: {path} defines {_listed(candidates)}, say which is the model.")


def module_classes(definitions: list[ast.ClassDef | ast.FunctionDef]) -> list[str]:
    """Names of the classes that inherit from a torch module, directly or through a class of the same file."""
    modules: list[str] = []
    for node in definitions:
        bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
        if any(base in modules or base.split(".")[-1] in ("Module", "Sequential") for base in bases):
            modules.append(node.name)
    return modules


def _parse(path: Path) -> ast.Module:
    if path.suffix != ".py":
        raise UserError(f"$.modelPath: {path} is not a Python file; give the .py file that defines the model.")
    try:
        return ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"$.modelPath: {path} cannot be read ({error.strerror}); correct the path.") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserError(f"$.modelPath: {path} does not parse in line {line}; correct the model file.") from error


def _used_by_others(definitions: list[ast.ClassDef | ast.FunctionDef], candidates: list[str]) -> set[str]:
    """Candidates that another candidate builds itself from: its blocks, not the model."""
    return {
        name.id
        for node in definitions
        if node.name in candidates
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and name.id in candidates and name.id != node.name
    }


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
