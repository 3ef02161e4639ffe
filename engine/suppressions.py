"""Comments that silence a finding: ``# noqa: FLR202`` and ``# lint-ignore: UnsafeTorchLoad``."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engine.fixes import edited
from engine.result import Place, Result, TextEdit, UserError
from engine.source import parse

_NOQA = re.compile(r"#\s*noqa(?P<codes>:\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?", re.IGNORECASE)
_IGNORE = re.compile(r"#\s*lint-(?:ignore|fixme)(?P<names>:\s*\w+(?:,\s*\w+)*)?")
MESSAGE = "This comment silences a rule that finds nothing here."
REMEDY = "Remove the comment."
OWN = re.compile(r"FLR\d+")  # what no other tool calls a rule of its own


@dataclass(frozen=True)
class Suppression:
    """One comment that silences findings.

    Attributes:
        place: where the comment starts.
        lines: the lines it speaks for.
        keys: codes and names of the rules it silences; empty for all.
        text: the comment.
    """

    place: Place
    lines: range
    keys: frozenset[str]
    text: str

    def silences(self, result: Result) -> bool:
        """True where a finding starts or ends on one of its lines and is named by it."""
        return self.speaks_for(result) and (not self.keys or bool(self.keys & {result.code, result.name}))

    def speaks_for(self, result: Result) -> bool:
        """True where a finding starts or ends on one of its lines."""
        if result.place is None or result.place.file != self.place.file:
            return False
        end = result.end or result.place
        return result.place.line in self.lines or end.line in self.lines


def suppressions(text: str, file: str) -> list[Suppression]:
    """The suppressing comments of a text.

    ``# noqa`` speaks for its own line. ``# lint-ignore`` does too, and on a line of its own for the next statement's
    first line, as fixit has it.
    """
    if "noqa" not in text.lower() and "lint-" not in text:
        return []
    return [found for comment in _comments(text) for found in _parse(*comment, file)]


def unused(
    comments: Sequence[Suppression], results: Sequence[Result], keys: frozenset[str], codes: frozenset[str]
) -> Iterator[Result]:
    """Findings for the comments that name a rule which was run and found nothing there, or one that there is not.

    Args:
        comments: the suppressing comments of a file.
        results: all findings in it, the silenced ones too.
        keys: codes and names of the rules that were run.
        codes: those of all rules that there are.
    """
    for comment in comments:
        here = [result for result in results if comment.speaks_for(result)]
        found = {key for result in here for key in (result.code, result.name)}
        idle = sorted(comment.keys & keys - found)
        unknown = sorted(key for key in comment.keys - codes if OWN.fullmatch(key))
        if not idle and not unknown:
            continue
        message, remedy = MESSAGE, REMEDY
        if unknown or comment.keys != {*idle}:
            said = [f"{', '.join(idle)} finds nothing here"] * bool(idle)
            said += [f"{', '.join(unknown)} is no rule of lint"] * bool(unknown)
            message = f"{'; '.join(said)}."
        if comment.keys != {*idle, *unknown}:
            remedy = f"Remove {', '.join([*idle, *unknown])} from the comment."
        yield Result("UnusedSuppression", message, place=comment.place, remedy=remedy, source=comment.text)


def silencing(text: str, result: Result) -> TextEdit | None:
    """The edit that adds a comment which silences a finding, or adds the finding to a comment that silences others.

    The comment stands at the end of the line where the finding starts, or else where it ends, or else on a line of its
    own before it: the first of these where it is a comment, not part of a string, and what it says is heeded.

    Args:
        text: the file.
        result: a finding in it.

    Returns:
        The edit; ``None`` where no comment can silence the finding.
    """
    file, end = result.place.file, result.end or result.place
    comment = f"# noqa: {result.code}" if result.code else f"# lint-ignore: {result.name}"
    lines = re.split(r"(\r\n|\r|\n)", text)
    for number in dict.fromkeys([result.place.line, end.line]):
        line = lines[2 * (number - 1)].rstrip()
        earlier = _NOQA.search(line)
        more = bool(result.code and earlier and earlier["codes"])
        place = Place(file, number, earlier.end() if more else len(line))
        edit = TextEdit(place, place, f", {result.code}" if more else f"  {comment}")
        if _is_silenced(text, edit, result):
            return edit
    line, *newline = lines[2 * (result.place.line - 1) :][:2]
    indent = line[: len(line) - len(line.lstrip())]
    place = Place(file, result.place.line)
    edit = TextEdit(place, place, f"{indent}# lint-ignore: {result.name}{''.join(newline) or chr(10)}")
    return edit if _is_silenced(text, edit, result) else None


def _is_silenced(text: str, edit: TextEdit, result: Result) -> bool:
    """True where an edit that adds a comment leaves a text that parses, and silences a finding."""
    after = edited(text, [edit])
    down = edit.text.count("\n") or edit.text.count("\r")
    place = replace(result.place, line=result.place.line + down)
    moved = replace(result, place=place, end=result.end and replace(result.end, line=result.end.line + down))
    try:
        parse(after, result.place.file)
    except UserError:
        return False
    return any(comment.silences(moved) for comment in suppressions(after, result.place.file))


def _comments(text: str) -> Iterator[tuple[tokenize.TokenInfo, int]]:
    """Every comment, with the line of code it stands on or before."""
    waiting: list[tokenize.TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip():
                waiting.append(token)
            elif token.type == tokenize.COMMENT:
                yield token, token.start[0]
            elif waiting and token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE):
                yield from ((comment, token.start[0]) for comment in waiting)
                waiting = []
    except (tokenize.TokenError, SyntaxError):
        return  # what does not parse is reported as such


def _parse(token: tokenize.TokenInfo, line: int, file: str) -> Iterator[Suppression]:
    place = Place(file, *token.start)
    if found := _NOQA.search(token.string):
        keys = frozenset(re.findall(r"[A-Z]+\d+", (found["codes"] or "").upper()))
        yield Suppression(place, range(place.line, place.line + 1), keys, token.string)
    if found := _IGNORE.search(token.string):
        names = re.findall(r"\w+", found["names"] or "")
        keys = frozenset([*names, *(name.removesuffix("Rule") for name in names)])  # fixit drops that end of a name
        yield Suppression(place, range(line, line + 1), keys, token.string)
