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

from engine.result import Cell, Place, UserError
from engine.source import NEWLINE, NotPython3

TRANSPARENT = ("%%time", "%%timeit", "%%capture", "%%prun")  # the rest of such a cell is Python
TIMED = re.compile(r"^(\s*)(%time(?:it)?)\s+(?!-)(.*)$")
MAGIC = re.compile(r"^\s*(?:[%!?]|.*\?\s*$)")
RUNS = re.compile(r"^\s*%(?:run|load|loadpy|macro|recall)\b|^\s*%%(?:timeit|prun)?\s+-s")
VALUE = re.compile(r"^(\s*[\w.,\[\]\s]+=\s*)([!%].*)$")


def read(raw: bytes, name: str) -> tuple[str, tuple[tuple[int, int], ...], NotPython3 | None]:
    """The script of a notebook.

    Args:
        raw: the content of the file.
        name: what it is called in messages.

    Returns:
        Its text; for each code cell its first line in it and its number among all cells of the notebook, from 1; and
        why it cannot be run as that script, where something that stands elsewhere is brought in by a magic or a
        command. Such a text can be looked at nevertheless.

    Raises:
        UserError: it is no notebook of Python that can be read as a script.
    """
    lines: list[str] = []
    starts = []
    reasons: list[NotPython3] = []
    for number, source in _code_cells(_document(raw, name), name):
        if lines:
            lines.append("")
        starts.append((len(lines) + 1, number))
        python, elsewhere = _python(source)
        for line, message in elsewhere:
            place = Place(name, len(lines) + line, 0, Cell(number, line))
            reasons.append(NotPython3(message, place, NEWLINE.split(source)[line - 1].strip()))
        lines += python
    return "\n".join(lines) + "\n", tuple(starts), reasons[0] if reasons else None


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


def _python(source: str) -> tuple[list[str], list[tuple[int, str]]]:
    """The lines of a cell, with what is no Python as comments; and what brings in something else, with its line."""
    lines = NEWLINE.split(source.rstrip())
    elsewhere: list[tuple[int, str]] = []
    first = lines[0].strip()
    if first.startswith("%%"):
        elsewhere += [(1, _runs(first))] * bool(RUNS.match(first))
        if first.split()[0] not in TRANSPARENT:
            return [f"# {line}" for line in lines], elsewhere
        lines[0] = f"# {lines[0]}"
    for _ in lines:
        line = _first_error(lines)
        if line is None or not 1 <= line <= len(lines):
            break
        text = lines[line - 1]
        indent = text[: len(text) - len(text.lstrip())]
        if text.rstrip().endswith("\\"):
            break
        if value := VALUE.match(text):
            elsewhere.append((line, "the result of a magic or shell command is used here; write it in Python"))
            lines[line - 1] = f"{value[1]}...  # {value[2]}"
            continue
        if not MAGIC.match(text):
            break
        elsewhere += [(line, _runs(text))] * bool(RUNS.match(text))
        timed = TIMED.match(text)
        lines[line - 1] = f"{indent}{timed[3]}  # {timed[2]}" if timed else f"{indent}pass  # {text.strip()}"
    return lines, elsewhere


def _runs(text: str) -> str:
    """What is told of a magic that runs other code."""
    return f"{text.split()[0]} runs code that stands elsewhere; write it in the notebook, or import it"


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
