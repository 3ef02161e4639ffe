"""The concrete syntax tree of a file: what rules find in it, and their fixes as edits of the text."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import CodePosition, CodeRange, MetadataWrapper

from engine.names import Names
from engine.result import Place, Result, Safety, TextEdit, UserError
from engine.source import NEWLINE, SourceFile
from engine.tree import Printed, walk

if TYPE_CHECKING:
    from fixit import LintRule

    from engine.findings import Rule


class Tree:
    """One file, with what the rules ask of it worked out when asked for.

    Raises:
        UserError: libcst cannot parse the file.
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        try:
            self.wrapper = MetadataWrapper(cst.parse_module(source.text), unsafe_skip_copy=True)
        except (cst.ParserSyntaxError, RecursionError) as error:
            place = Place(source.name, getattr(error, "raw_line", 1))
            raise UserError("libcst cannot parse this, so that only the program was checked", place) from None
        self.module = self.wrapper.module
        self.names = Names(self.module, source.text)

    @cached_property
    def printed(self) -> Printed:
        """The module as libcst prints it."""
        return Printed(self.module)

    @cached_property
    def starts(self) -> list[int]:
        """The offsets at which the lines start that libcst prints."""
        return [0, *(newline.end() for newline in NEWLINE.finditer(self.printed.code))]

    def span(self, node: cst.CSTNode) -> CodeRange:
        """Where a node stands in what libcst prints."""
        first, last = (
            CodePosition(line := bisect_right(self.starts, offset), offset - self.starts[line - 1])
            for offset in self.printed.span(node)
        )
        return CodeRange(first, last)

    @cached_property
    def nodes(self) -> Mapping[tuple[Place, Place], list[cst.CSTNode]]:
        """The nodes between two places, the outermost first."""
        found = defaultdict(list)
        for node in walk(self.module):
            found[self.places(self.span(node))].append(node)
        return found

    @cached_property
    def shifts(self) -> Mapping[int, int]:
        """How much further right the lines start that libcst prints with less before them: it drops form feeds.

        Raises:
            UserError: it prints other lines, so that its places are not those of the file.
        """
        printed = self.printed.code.rstrip()  # comments that it drops at the end move nothing
        shifts: dict[int, int] = {}
        if self.source.text.startswith(printed):
            return shifts
        for number, (found, line) in enumerate(zip(NEWLINE.split(printed), self.source.lines), 1):  # noqa: B905
            if found.strip() != line.strip():
                place = Place(self.source.name, number)
                raise UserError("libcst does not print this line back, so that only the program was checked", place)
            shifts[number] = len(line) - len(line.lstrip()) - (len(found) - len(found.lstrip()))
        return shifts

    def places(self, span: CodeRange) -> tuple[Place, Place]:
        """Where a range starts and ends. Raises UserError where that cannot be told."""
        first, last = (
            self.source.at(position.line, position.column + self.shifts.get(position.line, 0))
            for position in (span.start, span.end)
        )
        return first, last

    def mended(self, rule: Rule, result: Result) -> Result:
        """A finding of a program rule with its fix, where there is one."""
        if result.edit:
            return result
        mended = rule.mend(self.nodes[result.place, result.end or result.place], self.names)
        return replace(result, edit=self.edit(*mended)) if mended else replace(result, safety=Safety.DISPLAY_ONLY)

    def matched(self, rule: Rule) -> Iterator[Result]:
        """What the patterns of a rule find."""
        for node, replacement in rule.mended(self.module, self.names):
            yield self.result(rule, rule.MESSAGE, self.span(node), node, replacement)

    def visited(self, rule: type[LintRule]) -> Iterator[Result]:
        """What any other fixit rule reports."""
        visitor = rule()
        visitor.ignore_lint = lambda node: False  # comments are heeded later, so that unused ones show
        self.wrapper.visit_batched([visitor])
        for found in visitor._violations:
            yield self.result(rule, found.message, found.range, found.node, found.replacement)

    def result(
        self,
        rule: Rule,
        message: str,
        span: CodeRange,
        node: cst.CSTNode,
        replacement: cst.CSTNode | None,
    ) -> Result:
        """A finding as a result."""
        start, end = self.places(span)
        edit = self.edit(node, replacement) if replacement else None
        return Result(
            name=rule.__name__,
            code=getattr(rule, "CODE", ""),
            message=message,
            place=start,
            end=end,
            remedy=getattr(rule, "REMEDY", ""),
            safety=getattr(rule, "SAFETY", Safety.UNSAFE) if edit else Safety.DISPLAY_ONLY,
            source=self.source.line(start.line),
            edit=edit,
        )

    def edit(self, node: cst.CSTNode, replacement: cst.CSTNode) -> TextEdit:
        """The edit that puts a replacement in the place of an expression or a small statement."""
        start, end = self.places(self.span(node))
        return TextEdit(start, end, self.code(replacement, self.indent(start.line)))

    @cached_property
    def statement_lines(self) -> Mapping[int, int]:
        """The line that the innermost statement starts at, by each line of it."""
        starts: dict[int, int] = {}
        for node in self.source.nodes:
            if isinstance(node, ast.stmt):
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    starts[line] = max(starts.get(line, 0), node.lineno)
        return starts

    def indent(self, line: int) -> str:
        """The indentation of the innermost statement that a line belongs to."""
        text = self.source.lines[self.statement_lines.get(line, line) - 1]
        return text[: len(text) - len(text.lstrip())].replace("\f", "")

    def code(self, node: cst.CSTNode, indent: str) -> str:
        """The code of an expression or small statement as it reads in a block of that indentation."""
        statement = cst.SimpleStatementLine([cst.Expr(node) if isinstance(node, cst.BaseExpression) else node])
        if not indent:
            return self.module.code_for_node(statement).strip()
        block = cst.If(cst.Name("x"), cst.IndentedBlock([statement], indent=indent))
        return self.module.code_for_node(block).partition(":")[2].strip()
