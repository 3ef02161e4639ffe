"""Apply the fixes of findings to the files: as edits of their text, so that all else stays byte for byte."""

from __future__ import annotations

import io
import json
import tokenize
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from engine.result import Place, Result, Safety, Status, TextEdit, UserError
from engine.source import SourceFile, absolute, decode, name_of, unsaved_first


def apply_fixes(
    results: Sequence[Result], safeties: Collection[Safety], paths: Sequence[Path], unsaved: Mapping[Path, bytes]
) -> tuple[list[Result], dict[Path, bytes]]:
    """Fix what can be fixed now; of fixes that overlap only the first lands.

    Args:
        results: findings, perhaps with an edit.
        safeties: how safe a fix must be.
        paths: the files that may be changed.
        unsaved: what files hold instead of what lies on disk, by absolute path.

    Returns:
        The findings whose fix landed, each with the diff of its file, and what the changed files hold then.

    Raises:
        UserError: a fix that would leave a file which does not compile.
    """
    fixable: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.edit and result.safety in safeties:
            fixable[result.place.file].append(result)
    landed: list[Result] = []
    texts: dict[Path, bytes] = {}
    read = unsaved_first(unsaved)
    for path in paths:
        if name_of(path) in fixable:
            fixed, texts[absolute(path)] = _fix(read(path, Path()), fixable[name_of(path)])
            landed += fixed
    return landed, texts


def _fix(source: SourceFile, results: Sequence[Result]) -> tuple[list[Result], bytes]:
    """The findings of a file whose fix lands, and the file after them."""
    from moreorless import unified_diff

    chosen = apart(results)
    before = source.document or source.text
    text = edited(before, [result.edit for result in chosen])
    content = text.encode(encoding_of(source))
    try:
        _ = decode(source.path, source.name, content).tree
    except UserError as error:
        raise UserError(f"the fixes of {source.name} do not compile ({error.message}); nothing was written") from None
    diff = unified_diff(before, text, source.name)
    return [result.with_status(Status.CHANGED, diff) for result in chosen], content


def encoding_of(source: SourceFile) -> str:
    """The encoding of a file."""
    if source.notebook:
        return json.detect_encoding(source.notebook)
    return tokenize.detect_encoding(io.BytesIO(source.raw).readline)[0]


def apart(results: Iterable[Result]) -> list[Result]:
    """The findings whose edits do not overlap, in the order of the file: of two that do, the one that starts first."""
    kept: list[Result] = []
    for result in sorted(results, key=lambda each: (each.edit.start, each.code)):
        if not kept or kept[-1].edit.end <= result.edit.start:
            kept.append(result)
    return kept


def edited(text: str, edits: Sequence[TextEdit]) -> str:
    """A text after edits that do not overlap."""
    offset = offsets(text)
    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        text = text[: offset(edit.start)] + edit.text + text[offset(edit.end) :]
    return text


def merged(text: str, edits: Sequence[TextEdit]) -> TextEdit:
    """One edit that does what several do which do not overlap."""
    offset = offsets(text)
    start, end = min(edit.start for edit in edits), max(edit.end for edit in edits)
    new = edited(text, edits)
    return TextEdit(start, end, new[offset(start) : len(new) - (len(text) - offset(end))])


def offsets(text: str) -> Callable[[Place], int]:
    """Gives the offset of a place in a text."""
    starts = [0]
    for line in io.StringIO(text, newline=""):
        starts.append(starts[-1] + len(line))
    return lambda place: starts[place.line - 1] + place.column
