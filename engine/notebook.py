"""A Jupyter notebook as the script that its code cells make, one after the other.

Lines that are no Python become comments, so that nothing is lost and lines stay where they are: ``%magic`` and
``!command``, and whole cells of another language (``%%bash``). What they did is not done by the script.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

from engine.result import UserError

TRANSPARENT = ("%%time", "%%timeit", "%%capture", "%%prun")  # the rest of such a cell is Python
TIMED = re.compile(r"^(\s*)(%time(?:it)?)\s+(?!-)(.*)$")
MAGIC = re.compile(r"^\s*(?:[%!?]|.*\?\s*$)")
RUNS = re.compile(r"^\s*%(?:run|load|loadpy|macro|recall)\b|^\s*%%(?:timeit|prun)?\s+-s")
VALUE = re.compile(r"^\s*[\w.,\[\]\s]+=\s*[!%]")


def read(raw: bytes, name: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The script of a notebook.

    Args:
        raw: the content of the file.
        name: what it is called in messages.

    Returns:
        Its text, and for each code cell its first line in it and its number among all cells of the notebook, from 1.

    Raises:
        UserError: it is no notebook of Python that can be read as a script.
    """
    lines: list[str] = []
    starts = []
    for number, source in _code_cells(_document(raw, name), name):
        if lines:
            lines.append("")
        starts.append((len(lines) + 1, number))
        lines += _python(source, f"{name}:cell {number}")
    return "\n".join(lines) + "\n", tuple(starts)


def _document(raw: bytes, name: str) -> dict[str, Any]:
    """The JSON document, which is a notebook of today's format."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise UserError(f"{name} is not JSON, as a notebook has to be; save it again in Jupyter") from None
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise UserError(f"{name} is no notebook of format 4; run `jupyter nbconvert --to notebook` on it first")
    return document


def _code_cells(document: dict[str, Any], name: str) -> list[tuple[int, str]]:
    """The code cells with their numbers."""
    metadata = document.get("metadata") or {}
    language = (metadata.get("kernelspec") or {}).get("language") or (metadata.get("language_info") or {}).get("name")
    if language and language.lower() not in ("python", "ipython", "python3"):
        raise UserError(f"{name} is a notebook in {language}; only Python can be converted")
    found = []
    for number, cell in enumerate(document["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        text = "".join(source) if isinstance(source, list) and all(isinstance(s, str) for s in source) else source
        if not isinstance(text, str):
            raise UserError(f"{name}:cell {number}: its source is no text; save the notebook again in Jupyter")
        found.append((number, text))
    if not any(text.strip() for _, text in found):
        raise UserError(f"{name} holds no code")
    return found


def _python(source: str, name: str) -> list[str]:
    """The lines of a cell, with what is no Python as comments."""
    lines = re.split(r"\r\n|\r|\n", source.rstrip())
    first = lines[0].strip()
    if first.startswith("%%"):
        _refuse_what_runs_code(first, f"{name}:1")
        if first.split()[0] not in TRANSPARENT:
            return [f"# {line}" for line in lines]
        lines[0] = f"# {lines[0]}"
    for _ in lines:
        line = _first_error(lines)
        if line is None or not 1 <= line <= len(lines):
            break
        text = lines[line - 1]
        indent = text[: len(text) - len(text.lstrip())]
        if VALUE.match(text):
            raise UserError(f"{name}:{line}: the result of a magic or shell command is used here; write it in Python")
        if not MAGIC.match(text) or text.rstrip().endswith("\\"):
            break
        _refuse_what_runs_code(text, f"{name}:{line}")
        timed = TIMED.match(text)
        lines[line - 1] = f"{indent}{timed[3]}  # {timed[2]}" if timed else f"{indent}pass  # {text.strip()}"
    return lines


def _refuse_what_runs_code(text: str, place: str) -> None:
    if RUNS.match(text):
        raise UserError(
            f"{place}: {text.split()[0]} runs code that stands elsewhere; write it in the notebook, or import it"
        )


def _first_error(lines: list[str]) -> int | None:
    """The line at which Python stops reading; None where it reads all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("\n".join(lines))
    except SyntaxError as error:
        return error.lineno
    except (ValueError, RecursionError, MemoryError):
        return None
    return None
