"""The source as it is run for comparison: a scratch copy with its epoch count set and its epoch loop observed.

Nothing else of it changes: the count becomes a literal, and lines that call the probe (``engine.verify.probe.Probe``,
in the builtins under the name ``PROBE``) stand before and after the loop and the statements that evaluate.
"""

from __future__ import annotations

import ast
import tokenize
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from engine.result import Place, UserError
from engine.source import Project
from engine.verify.arrays import updates_in
from engine.verify.conversion import Conversion, SourceRange

PROBE = "_flare_verify_probe"


@dataclass(frozen=True)
class _Edit:
    """Text between two offsets of a file, replaced by another; the offsets are equal for an insertion."""

    start: int
    end: int
    text: str


def instrument(conversion: Conversion, root: Path, epochs: int, times: int = 1) -> None:
    """Make the copy of the source project observable.

    Args:
        conversion: says where loop, model, epoch count and evaluation stand.
        root: root of the scratch copy; its files are rewritten.
        epochs: how many epochs it shall train; ignored where the source gives no place to set them.
        times: how often the loop, or what trains without one, shall stand there.

    Raises:
        UserError: the places do not fit the source, which was edited since the conversion.
    """
    edits: defaultdict[str, list[_Edit]] = defaultdict(list)
    for place in (conversion.epochs, *conversion.lengths) if conversion.epochs else ():
        text = _Text.read(root, place.file)
        edits[place.file].append(_Edit(*text.offsets(place), f"{epochs + place.beyond}"))
    text = _Text.read(root, conversion.loop.file)
    begin, end = f"{PROBE}.loop_begins({conversion.model})", f"{PROBE}.loop_ends()"
    edits[conversion.loop.file] += _around(text, text.training(conversion.loop), begin, end, times)
    for place in conversion.evaluations:
        text = _Text.read(root, place.file)
        begin, end = f"{PROBE}.evaluation_begins(locals())", f"{PROBE}.evaluation_ends(locals())"
        edits[place.file] += _around(text, (place.line, place.end_line or place.line), begin, end)
    if conversion.updates:  # after all others, to stand before what is inserted at the same place
        first, last = conversion.updates[0], conversion.updates[-1]
        text = _Text.read(root, first.file)
        edits[first.file] += _around_updates(text, (first.line, last.end_line), conversion.model)
    for file, changes in edits.items():
        _Text.read(root, file).write(changes)


def instrument_client(conversion: Conversion, root: Path) -> None:
    """Make the updates of arrays in a scratch copy of the converted project observable.

    Args:
        conversion: says where they stand in the source.
        root: root of the scratch copy.

    Raises:
        UserError: they are not found there.
    """
    name = conversion.updates[0].file
    source = _Text.read(conversion.source_root, name)
    client = _Text.read(root, conversion.client if name == conversion.entry else name)
    trees = [ast.parse("".join(text.lines)) for text in (source, client)]
    lines = updates_in(trees[0], [update.line for update in conversion.updates], trees[1])
    if lines is None:
        raise UserError("the updates of the arrays are not found here; run `apply` again", Place(client.name, 1))
    client.write(_around_updates(client, lines, conversion.model))


def _around_updates(text: _Text, lines: tuple[int, int], arrays: str) -> list[_Edit]:
    """Calls of the probe before and after the updates of arrays."""
    return _around(text, lines, f"{PROBE}.step_begins({arrays})", f"{PROBE}.step_ends({arrays})")


def accepts(script: Path, option: str) -> bool:
    """True if a parser of the program has this option, so that it can be passed to the original too; those of other
    programs in its folder do not count.

    Args:
        script: the entry of the program.
        option: such as ``--epochs``.
    """
    if script.suffix == ".ipynb":  # the copy of a notebook holds its code
        return option in _declared_options(script)
    return any(option in _declared_options(file.path) for file in Project(script.resolve()).modules)


def _declared_options(path: Path) -> set[str]:
    """The options that `add_argument` and click's `option` declare in a file; none in one that cannot be read."""
    try:
        with tokenize.open(path) as stream:
            tree = ast.parse(stream.read())
    except (SyntaxError, UnicodeDecodeError):
        return set()
    return {
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", None) in ("add_argument", "option")
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


@dataclass(frozen=True)
class _Text:
    """A source file by lines, each with its ending."""

    path: Path
    name: str
    encoding: str
    lines: list[str]

    @classmethod
    def read(cls, root: Path, name: str) -> _Text:
        path = root / name
        with open(path, "rb") as stream:
            encoding = tokenize.detect_encoding(stream.readline)[0]
        with open(path, encoding=encoding, newline="") as stream:
            return cls(path, name, encoding, stream.readlines())

    def offset(self, line: int, column: int) -> int:
        """Offset of a 1-based line and 0-based column."""
        return sum(len(before) for before in self.lines[: line - 1]) + column

    def offsets(self, place: SourceRange) -> tuple[int, int]:
        """Offsets of the start and the end of a range."""
        return self.offset(place.line, place.column), self.offset(place.end_line, place.end_column)

    def training(self, place: SourceRange) -> tuple[int, int]:
        """First and last line of the loop, or of the statements, that train."""
        statements = [node for node in ast.walk(ast.parse("".join(self.lines))) if isinstance(node, ast.stmt)]
        first = [node for node in statements if node.lineno == place.line]
        loop = next((node.end_lineno for node in first if isinstance(node, ast.For | ast.While | ast.AsyncFor)), None)
        end = place.end_line or loop
        if first and end in [node.end_lineno for node in statements]:
            return place.line, end
        message = "the training does not start here any more; the source was edited since, run `apply` again"
        raise UserError(message, Place(self.name, place.line))

    def write(self, edits: list[_Edit]) -> None:
        text = "".join(self.lines)
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        try:
            ast.parse(text)
        except SyntaxError as error:
            message = "the places in conversion.json do not fit this file; it was edited since, run `apply` again"
            raise UserError(message, Place(self.name, error.lineno or 1)) from error
        with open(self.path, "w", encoding=self.encoding, newline="") as stream:
            stream.write(text)


def _around(text: _Text, lines: tuple[int, int], before: str, after: str, times: int = 1) -> list[_Edit]:
    """Lines of code before and after whole statements, with their indentation; the statements as often as is asked."""
    first, last = lines
    header = text.lines[first - 1]
    indentation = header[: len(header) - len(header.lstrip())]
    ending = "" if text.lines[last - 1].endswith(("\n", "\r")) else "\n"
    start, end = text.offset(first, 0), text.offset(last + 1, 0)
    again = ("".join(text.lines[first - 1 : last]) + ending) * (times - 1)
    return [
        _Edit(start, start, f"{indentation}{before}\n"),
        _Edit(end, end, f"{ending}{again}{indentation}{after}\n"),
    ]
