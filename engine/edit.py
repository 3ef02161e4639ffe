"""Small edits of a source file, anchored at places of the original.

A step yields edits; each is found by the position of the statement or expression it is about, so that no step depends
on what another left behind, and any subset of the steps can be applied. ``engine/document.py`` applies them together.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from engine.result import Place
from engine.source import SourceFile


@dataclass(frozen=True)
class Edit:
    """An edit of the statement or expression that starts at a place."""

    place: Place


@dataclass(frozen=True)
class Insert(Edit):
    """Statements before or after a statement.

    Attributes:
        text: the statements, as source.
        after: after the statement rather than before it.
        inside: inside the block that a ``Wrap`` of the same statement makes, rather than around it.
        apart: with a blank line between the statement and what all edits insert before it.
    """

    text: str
    after: bool = False
    inside: bool = False
    apart: bool = False


@dataclass(frozen=True)
class Wrap(Edit):
    """Put a statement into a block, or those from it to another beside it.

    Attributes:
        header: a compound statement's first line.
        until: the last of the statements; that at the place alone where it is None.
    """

    header: str
    until: Place | None = None


@dataclass(frozen=True)
class ReplaceStatement(Edit):
    """Statements in place of one; its comments stay. Empty text removes it."""

    text: str


@dataclass(frozen=True)
class Replace(Edit):
    """An expression in place of one; ``{}`` in the template stands for the expression as it was.

    Attributes:
        end: where the expression ends.
        template: source with ``{}`` for the original.
    """

    end: Place
    template: str


@dataclass(frozen=True)
class AddArgument(Edit):
    """A further argument of a call, such as ``weights_only=True``; one of the same name is replaced.

    Attributes:
        end: where the call ends.
    """

    end: Place
    text: str


@dataclass(frozen=True)
class AddImport:
    """An import at the head of a file, in the section it belongs to; nothing where it stands there already.

    Attributes:
        source: the file.
        text: the import, as source.
    """

    source: SourceFile
    text: str

    @cached_property
    def place(self) -> Place:
        """The statement it is put next to."""
        return insert_imports(self.source, [self.text])[0].place


def imported_as(text: str, name: str) -> str:
    """An import under a name: as it stands where it binds that name anyway, with ``as`` where it does not."""
    return text if text.split()[-1] == name else f"{text} as {name}"


STANDARD, THIRD_PARTY, LOCAL = 0, 1, 2


def _section(statement: ast.stmt, source: SourceFile | None = None) -> int:
    """The import section of a statement: one of a file's own, or without file a new one."""
    top = _module_of(statement).split(".")[0]
    if top in sys.stdlib_module_names:
        return STANDARD
    if source is None:
        return THIRD_PARTY if top in ("nvflare", "torch") else LOCAL
    root = source.path.parents[source.name.count("/")]
    folders = {source.path.parent, root}
    own = any((folder / f"{top}.py").is_file() or (folder / top).is_dir() for folder in folders)
    return LOCAL if own or not top else THIRD_PARTY


def _module_of(statement: ast.stmt) -> str:
    """The module an import names first; it begins with a dot where it is relative."""
    if isinstance(statement, ast.ImportFrom):
        return "." * statement.level + (statement.module or "")
    return statement.names[0].name if isinstance(statement, ast.Import) else ""


def _is_docstring(statement: ast.stmt) -> bool:
    """True for a string that stands alone."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _head(tree: ast.Module) -> list[ast.stmt]:
    """The statements of a module before its first definition or loop."""
    ends = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.With)
    count = next((index for index, statement in enumerate(tree.body) if isinstance(statement, ends)), len(tree.body))
    return tree.body[:count]


def insert_imports(source: SourceFile, texts: Iterable[str], use: tuple[Place, bool] | None = None) -> list[Insert]:
    """The edits that add imports to a file, sorted as isort does: by section, ``import x`` before ``from x import``.

    Args:
        source: the file.
        texts: the imports, as source.
        use: the statement before which, or after which, other edits start, as ``first_use`` says.
    """
    imports = [
        statement
        for statement in _head(source.tree)
        if isinstance(statement, (ast.Import, ast.ImportFrom)) and _module_of(statement) != "__future__"
        if use is None or (source.place(statement), False) < use
    ]
    added = sorted((ast.parse(text).body[0] for text in texts), key=_sorting)
    inserts = []
    for section in (STANDARD, THIRD_PARTY, LOCAL):
        new = [statement for statement in added if _section(statement) == section]
        present = [statement for statement in imports if new and _section(statement, source) == section]
        if new and present:
            inserts += [_beside(source, statement, present) for statement in new]
        elif new:
            inserts.append(_new_section(source, section, new, imports))
    return inserts


def _sorting(statement: ast.stmt) -> tuple[bool, str]:
    """What isort sorts the imports of a section by."""
    return isinstance(statement, ast.ImportFrom), _module_of(statement).lower()


def _beside(source: SourceFile, new: ast.stmt, present: list[ast.stmt]) -> Insert:
    """An import at its place among those of its section, as far as these are sorted at all."""
    kinds = [isinstance(statement, ast.ImportFrom) for statement in present]
    sorting = _sorting if kinds == sorted(kinds) else (lambda statement: _module_of(statement).lower())
    follower = next((statement for statement in present if sorting(statement) > sorting(new)), None)
    line = f"{ast.unparse(new)}\n"
    return Insert(source.place(follower or present[-1]), line, after=follower is None)


def _new_section(source: SourceFile, section: int, new: list[ast.stmt], imports: list[ast.stmt]) -> Insert:
    """Imports as a section of their own: after the sections before it, else before all others, else before all code."""
    lines = "".join(f"{ast.unparse(statement)}\n" for statement in new)
    earlier = [statement for statement in imports if _section(statement, source) < section]
    if earlier:
        return Insert(source.place(earlier[-1]), f"\n{lines}", after=True)
    if imports:
        return Insert(source.place(imports[0]), f"{lines}\n")
    body = source.tree.body
    first = next((s for s in body if not _is_docstring(s) and _module_of(s) != "__future__"), None)
    if first is None:
        return Insert(source.place(body[-1]), f"\n{lines}", after=True)
    return Insert(source.place(first), f"{lines}\n")


def first_use(edits: Iterable[Edit], name: str) -> tuple[Place, bool] | None:
    """Where a file is first edited, and whether that is after the statement there; None where it is not."""
    return min(((edit.place, getattr(edit, "after", False)) for edit in edits if edit.place.file == name), default=None)


def in_order(edits: Iterable[Edit | AddImport]) -> list[Edit]:
    """Edits with their imports resolved, each import once, before all else and before what may use it."""
    edits = list(edits)
    others = [edit for edit in edits if isinstance(edit, Edit)]
    sources = {edit.source.name: edit.source for edit in edits if isinstance(edit, AddImport)}
    inserts: list[Edit] = []
    for name, source in sources.items():
        use = first_use(others, name)
        present = source.lines[: use[0].line - 1] if use else source.lines
        texts = {edit.text for edit in edits if isinstance(edit, AddImport) and edit.source.name == name}
        inserts += insert_imports(source, sorted(texts.difference(present)), use)
    return [*inserts, *others]
