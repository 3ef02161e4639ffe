"""What the rules share: the two ways a rule is written, and how its findings become results.

Every rule is a fixit ``LintRule``, so that plain ``fixit lint`` runs it. `PatternRule` is for what one pattern shows;
`ProgramRule` for what only the program shows: it reads the facts of the whole project, which ``apply``, ``inspect``,
our ``lint`` and the editor gather. Plain fixit hands over one file, and such a rule then reports what that file alone
shows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import libcst as cst
from libcst.metadata import CodePosition, CodeRange, PositionProvider

from engine.names import Names
from engine.result import Result, Safety, UserError
from engine.rewrite import RewriteRule
from engine.source import Project, SourceFile
from engine.tree import walk

if TYPE_CHECKING:
    from engine.facts import Facts


class Documented:
    """What a rule says of itself.

    Attributes:
        CODE: stable code: FLR1xx blocks conversion, FLR2xx is converted with a fix, FLR3xx warns.
        MESSAGE: one sentence for a person.
        REMEDY: what the user can do.
        SAFETY: how safe the fix is; display-only where there is none.
    """

    CODE: ClassVar[str]
    MESSAGE: ClassVar[str]
    REMEDY: ClassVar[str]
    SAFETY: ClassVar[Safety] = Safety.DISPLAY_ONLY

    @classmethod
    def found(cls, file: SourceFile, node: ast.AST, message: str = "") -> Result:
        """The finding of this rule at a node of a file's syntax tree."""
        place = file.place(node)
        return Result(
            name=cls.__name__,
            code=cls.CODE,
            message=message or cls.MESSAGE,
            place=place,
            end=file.end(node),
            remedy=cls.REMEDY,
            safety=cls.SAFETY,
            source=file.line(place.line),
        )


class PatternRule(Documented):
    """A rule that is patterns, each perhaps with a template as its fix.

    Attributes:
        REWRITES: the patterns.
    """

    REWRITES: ClassVar[tuple[RewriteRule, ...]]

    def visit_Module(self, node: cst.Module) -> None:
        """Report every match."""
        names = names_of(node)
        for rewrite in self.REWRITES:
            for match in rewrite.matches(node, names):
                self.report(match.node, replacement=match.replacement)


class ProgramRule(Documented):
    """A rule on the whole program: ``check`` reads the facts, ``fix`` mends one place where that is mechanical.

    Attributes:
        results: what it found in the file at hand, where the whole project was checked before; ``None`` under plain
            fixit, and the file is then checked by itself.
    """

    results: list[Result] | None = None

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """What this rule finds in a program."""
        raise NotImplementedError

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """What a finding's node becomes; ``None`` where nothing mechanical can be done, or for another kind of node."""
        return None

    def visit_Module(self, node: cst.Module) -> None:
        """Report what the program shows in this file."""
        results = self.results
        if results is None:
            facts = facts_of(node)
            results = list(self.check(facts)) if facts else []
        for result in results:
            self._report(result, node)

    def _report(self, result: Result, module: cst.Module) -> None:
        start, end = result.place, result.end or result.place
        span = CodeRange(CodePosition(start.line, start.column), CodePosition(end.line, end.column))
        nodes = [node for node in walk(module) if self.get_metadata(PositionProvider, node, None) == span]
        fixes = ((node, self.fix(node, names_of(module))) for node in nodes)
        node, replacement = next((pair for pair in fixes if pair[1]), (nodes[0] if nodes else module, None))
        self.report(node, result.message, position=span, replacement=replacement)


@lru_cache(maxsize=1)
def names_of(module: cst.Module) -> Names:
    """The names of a module, worked out once for all rules."""
    return Names(module)


@lru_cache(maxsize=1)
def facts_of(module: cst.Module) -> Facts | None:
    """The facts of one file by itself, gathered once for all rules; ``None`` for what is not a program that trains."""
    from engine.facts import gather

    try:
        return gather(OneFile(module.code))
    except UserError:
        return None


class OneFile(Project):
    """A project of a single text: its local imports are not looked for."""

    def __init__(self, text: str) -> None:
        self.root, self.search_path = Path(), []
        self.entry = SourceFile(Path("module.py"), "module.py", text.encode(), text)
        self.files = {self.entry.name: self.entry}
