"""What the rules share: the two ways a rule is written, and how its findings become results.

`PatternRule` is for what one pattern shows; `ProgramRule` for what only the program shows: it reads the facts of the
whole project, which ``apply``, ``inspect``, our ``lint`` and the editor gather. Together with fixit's ``LintRule`` each
runs under plain ``fixit lint`` (see `rules.for_fixit`), which hands over one file: a program rule then reports what
that file alone shows.

``inspect`` and ``apply`` read nothing but the facts here. So libcst and fixit, which take longer to import than most
programs to inspect, are imported where a rule looks at a libcst tree.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from engine.result import Result, Safety, UserError
from engine.rewrite import RewriteRule
from engine.source import Project, SourceFile, read_file

if TYPE_CHECKING:
    import libcst as cst
    from libcst.metadata import CodeRange

    from engine.facts import Facts
    from engine.names import Names


class Invalid(NamedTuple):
    """A case that a rule finds.

    Attributes:
        code: the text.
        expected_replacement: what its fix makes of it; ``None`` where there is no fix.
    """

    code: str
    expected_replacement: str | None = None


class Documented:
    """What a rule says of itself.

    Attributes:
        CODE: stable code: FLR1xx blocks conversion, FLR2xx is converted with a fix, FLR3xx warns.
        MESSAGE: one sentence for a person.
        REMEDY: what the user can do.
        SAFETY: how safe the fix is; display-only where there is none.
        VALID: texts it finds nothing in.
        INVALID: texts it finds something in.
    """

    CODE: ClassVar[str]
    MESSAGE: ClassVar[str]
    REMEDY: ClassVar[str]
    SAFETY: ClassVar[Safety] = Safety.DISPLAY_ONLY
    VALID: ClassVar[list[str]]
    INVALID: ClassVar[list[str | Invalid]]

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

    @classmethod
    def may_match(cls, text: str) -> bool:
        """False where a text lacks the words of every pattern, so that it need not be parsed."""
        return any(rewrite.may_match(text) for rewrite in cls.REWRITES)

    @classmethod
    def mended(cls, module: cst.Module, names: Names) -> Iterator[tuple[cst.CSTNode, cst.CSTNode | None]]:
        """Every node that matches, with its replacement."""
        matches = (match for rewrite in cls.REWRITES for match in rewrite.matches(module, names))
        return ((match.node, match.replacement) for match in matches)

    def visit_Module(self, node: cst.Module) -> None:
        """Report every match."""
        for found, replacement in self.mended(node, names_of(node)):
            self.report(found, replacement=replacement)


class ProgramRule(Documented, ABC):
    """A rule on the whole program: ``check`` reads the facts, ``fix`` mends one place where that is mechanical."""

    @classmethod
    @abstractmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """What this rule finds in a program."""

    @classmethod
    def unreadable(cls, error: UserError) -> Result | None:
        """What this rule says of a program that cannot be parsed: nothing, but for the rule on just that."""
        return None

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """What a finding's node becomes; ``None`` where nothing mechanical can be done, or for another kind of node."""
        return None

    @classmethod
    def mend(cls, nodes: Iterable[cst.CSTNode], names: Names) -> tuple[cst.CSTNode, cst.CSTNode] | None:
        """The node to replace and its replacement, out of the nodes that a finding spans."""
        fixes = ((node, cls.fix(node, names)) for node in nodes)
        return next(((node, fixed) for node, fixed in fixes if fixed is not None), None)

    def visit_Module(self, node: cst.Module) -> None:
        """Report what this file alone shows."""
        import libcst as cst
        from libcst.metadata import PositionProvider

        from engine.fixes import edited
        from engine.tree import walk

        facts = facts_of(node)
        for result in self.check(facts) if facts else ():
            span = span_of(result)
            if result.edit:
                changed = cst.parse_module(edited(node.code, [result.edit]))
                self.report(node, result.message, position=span, replacement=changed)
                continue
            nodes = [each for each in walk(node) if self.get_metadata(PositionProvider, each, None) == span]
            spanned, replacement = self.mend(nodes, names_of(node)) or ((nodes or [node])[0], None)
            self.report(spanned, result.message, position=span, replacement=replacement)


def span_of(result: Result) -> CodeRange:
    """The range of a finding as libcst has it."""
    from libcst.metadata import CodePosition, CodeRange

    start, end = result.place, result.end or result.place
    return CodeRange(CodePosition(start.line, start.column), CodePosition(end.line, end.column))


@lru_cache(maxsize=1)
def names_of(module: cst.Module) -> Names:
    """The names of a module, worked out once for all rules."""
    from engine.names import Names

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
        self.root, self.search_path, self.read_file = Path(), [], read_file
        self.entry = SourceFile(Path("module.py"), "module.py", text.encode(), text)
        self.files = {self.entry.name: self.entry}
