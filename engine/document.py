"""One file as a tree, and the edits of it, made together in one pass.

Edits of the same anchor are made in the order they were given; edits of what lies inside an anchor are made before it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import libcst as cst

from engine.edit import AddArgument, AddImport, Edit, Insert, Replace, ReplaceStatement, Wrap, in_order
from engine.matching import lay_out
from engine.result import Place, UserError
from engine.source import SourceFile
from engine.tree import Printed


class Document:
    """One file, with its tree and the places in it.

    Raises:
        UserError: libcst cannot parse it, or would lose something of it (libcst 1.9.0 drops some trailing comments).
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        try:
            self.module = cst.parse_module(source.raw)
        except cst.ParserSyntaxError as error:
            raise UserError("cannot be parsed for rewriting", Place(source.name, error.raw_line)) from None
        self.printed = Printed(self.module)
        if self.printed.code.encode(self.module.encoding) != source.raw:
            raise UserError(
                "rewriting would lose a comment at its end or change its whitespace; end it with a statement and a "
                "newline",
                Place(source.name, len(source.lines)),
            )
        if self.module.default_indent.strip(" \t"):
            raise UserError("is indented by form feeds; indent it by spaces or tabs", Place(source.name, 1))
        self.lines = [0, *accumulate(map(len, io.StringIO(self.printed.code + "\n", newline="")))]

    def offset(self, place: Place) -> int:
        """Where a place is in the text; -1 for one beyond its line or beyond the last."""
        line = self.lines[place.line - 1 : place.line + 1]
        return line[0] + place.column if len(line) == 2 and line[0] + place.column < line[1] else -1

    @cached_property
    def nodes(self) -> dict[int, list[cst.CSTNode]]:
        """The nodes that start at each offset, outermost first."""
        found: dict[int, list[cst.CSTNode]] = {}
        for node in reversed(self.printed.nodes):
            found.setdefault(self.printed.span(node)[0], []).append(node)
        return found

    def statement(self, place: Place) -> cst.CSTNode:
        """The statement that starts at a place: with its line, where it does not share that with others."""
        for node in self.nodes.get(self.offset(place), []):
            alone = isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1
            if alone or isinstance(node, (cst.BaseCompoundStatement, cst.BaseSmallStatement)):
                return node
        raise UserError("the statement here cannot be located for rewriting", place)

    def expression(self, place: Place, end: Place) -> cst.BaseExpression:
        """The expression between two places."""
        stop = self.offset(end)
        for node in self.nodes.get(self.offset(place), []):
            if isinstance(node, cst.BaseExpression) and self.printed.span(node)[1] == stop:
                return node
        raise UserError("the expression here cannot be located for rewriting", place)

    def apply(self, edits: Iterable[Edit | AddImport]) -> cst.Module:
        """The module with the edits made."""
        wanted: dict[int, list[Edit]] = {}
        anchors: list[cst.CSTNode] = []

        def anchor(edit: Edit, node: cst.CSTNode) -> None:
            wanted.setdefault(id(node), []).append(edit)
            anchors.append(node)

        for edit in in_order(edits):
            if isinstance(edit, (Replace, AddArgument)):
                anchor(edit, self.expression(edit.place, edit.end))
            else:
                anchor(edit, self.statement(edit.place))
            if isinstance(edit, Wrap) and edit.until not in (None, edit.place):
                anchor(_WrapEnd(edit.until), self.statement(edit.until))
        entered = {id(node) for each in anchors for node in (each, *self.printed.around(each))}
        if not wanted:
            return self.module
        result = self.module.visit(_Editor(self.module, wanted, entered))
        assert isinstance(result, cst.Module)
        return result


@dataclass(frozen=True)
class _WrapEnd(Edit):
    """At the last of several statements that are put into a block."""


class _Editor(cst.CSTTransformer):
    """Applies edits to the nodes they are anchored at; parts of the tree without an anchor are not entered."""

    def __init__(self, module: cst.Module, wanted: dict[int, list[Edit]], entered: set[int]) -> None:
        super().__init__()
        self.config = module.config_for_parsing
        self.inserted = cst.PartialParserConfig(python_version=self.config.python_version)
        self.wanted = wanted
        self.entered = entered
        self.end_of_wrap = cst.SimpleStatementLine([cst.Pass()])  # stands after the last of several wrapped statements

    def on_visit(self, node: cst.CSTNode) -> bool:
        return id(node) in self.entered

    def on_leave(self, original_node, updated_node):
        if isinstance(original_node, (cst.SimpleStatementLine, cst.SimpleStatementSuite)):
            if any(id(statement) in self.wanted for statement in original_node.body):
                return self.one_by_one(original_node, updated_node)
        if isinstance(updated_node, (cst.IndentedBlock, cst.Module)) and self.end_of_wrap in updated_node.body:
            updated_node = updated_node.with_changes(body=self.with_wrap_closed(list(updated_node.body)))
        edits = self.wanted.get(id(original_node))
        if not edits or isinstance(original_node, cst.BaseSmallStatement):
            return updated_node
        if isinstance(original_node, cst.BaseExpression):
            for edit in edits:
                updated_node = self.edit_expression(edit, updated_node)
            return updated_node
        return self.edit_statement(edits, updated_node)

    def edit_expression(self, edit: Edit, node: cst.BaseExpression) -> cst.BaseExpression:
        """Replace an expression, or add an argument to a call."""
        if isinstance(edit, AddArgument):
            assert isinstance(node, cst.Call)
            return add_argument(node, edit.text, self.config)
        assert isinstance(edit, Replace)
        if edit.template == "{}":
            return node
        placeholder = "_the_expression_"
        parsed = cst.parse_expression(edit.template.replace("{}", placeholder), config=self.config)
        whole = isinstance(parsed, cst.Name) and parsed.value == placeholder
        return node if whole else parsed.visit(_Fill(placeholder, node))

    def edit_statement(self, edits: list[Edit], node):
        """Replace, surround and wrap a statement, from the inside out."""
        blank, node = _split_blank_lines(node)
        body = [node]
        for edit in edits:
            if isinstance(edit, ReplaceStatement):
                replaced = self.statements(edit.text)
                if replaced:
                    replaced[0] = _with_leading(replaced[0], [*node.leading_lines, *replaced[0].leading_lines])
                    replaced[-1] = _with_trailing_comment(replaced[-1], node)
                body = replaced
        body = self.surround(body, [e for e in edits if isinstance(e, Insert) and e.inside])
        for edit in edits:
            if isinstance(edit, Wrap):
                body = [self.wrapped(edit.header, body)]
                self.wrap = body[0].body
            elif isinstance(edit, _WrapEnd):
                body = [*body, self.end_of_wrap]
        around = [e for e in edits if isinstance(e, Insert) and not e.inside]
        body = self.surround(body, around, blank=max(len(blank), 1))
        if any(edit.apart for edit in around):
            blank = blank[:1]
        if not body:
            return cst.RemoveFromParent()
        leading = list(body[0].leading_lines)
        if blank and leading and leading[0].comment is None:
            leading = leading[1:]
        body[0] = _with_leading(body[0], [*blank, *leading])
        return cst.FlattenSentinel(body)

    def one_by_one(self, original_node, updated_node):
        """The statements of one line, each edited on a line of its own."""
        lines = [
            cst.SimpleStatementLine([statement.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)])
            for statement in updated_node.body
        ]
        lines[-1] = lines[-1].with_changes(trailing_whitespace=updated_node.trailing_whitespace)
        if isinstance(updated_node, cst.SimpleStatementLine):
            lines[0] = _with_leading(lines[0], updated_node.leading_lines)
        edited: list = []
        for statement, line in zip(original_node.body, lines, strict=True):
            edits = self.wanted.get(id(statement))
            result = self.edit_statement(edits, line) if edits else line
            edited += [] if result is cst.RemovalSentinel.REMOVE else getattr(result, "nodes", [line])
        if isinstance(updated_node, cst.SimpleStatementSuite):
            return cst.IndentedBlock(edited or [cst.SimpleStatementLine([cst.Pass()])])
        return cst.FlattenSentinel(edited) if edited else cst.RemoveFromParent()

    def with_wrap_closed(self, body: list) -> list:
        """The statements of a block, those between the first of several wrapped ones and their end put beside it."""
        start = next(index for index, statement in enumerate(body) if getattr(statement, "body", None) is self.wrap)
        end = body.index(self.end_of_wrap)
        whole = self.wrap.with_changes(body=[*self.wrap.body, *body[start + 1 : end]])
        return [*body[:start], body[start].with_changes(body=whole), *body[end + 1 :]]

    def surround(self, body: list, edits: list[Insert], blank: int = 1) -> list:
        """Statements with others before and after; the blank lines that end what is inserted before stay between."""
        if not edits:
            return body
        above = [edit for edit in edits if not edit.after]
        gap = "\n" * blank if any(edit.apart for edit in above) else ""
        *before, follower = self.statements("".join(edit.text for edit in above) + f"{gap}pass\n")
        after = self.statements("".join(edit.text for edit in edits if edit.after))
        if body and before:
            own = body[0].leading_lines
            if follower.leading_lines and own and own[0].comment is None:
                own = own[1:]
            body = [_with_leading(body[0], [*follower.leading_lines, *own]), *body[1:]]
        return [*before, *body, *after]

    def statements(self, text: str) -> list:
        """Statements from source."""
        return parse_statements(text, self.inserted)

    def wrapped(self, header: str, body: list):
        """A compound statement with a body."""
        (block,) = self.statements(f"{header}\n    pass\n")
        return block.with_changes(body=block.body.with_changes(body=body))


class _Fill(cst.CSTTransformer):
    """Puts a node in place of a name."""

    def __init__(self, name: str, node: cst.BaseExpression) -> None:
        super().__init__()
        self.name, self.node = name, node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        if original_node.value != self.name:
            return updated_node
        lpar, rpar = [*updated_node.lpar, *self.node.lpar], [*self.node.rpar, *updated_node.rpar]
        return self.node.with_changes(lpar=lpar, rpar=rpar)


def parse_statements(text: str, config: cst.PartialParserConfig) -> list:
    """Statements from source, with the comments and blank lines before each."""
    module = cst.parse_module(text, config=config)
    body = list(module.body)
    if body and module.header:
        body[0] = _with_leading(body[0], [*module.header, *body[0].leading_lines])
    return [_with_leading(s, [line if line.comment else blank_line() for line in s.leading_lines]) for s in body]


def add_argument(call: cst.Call, text: str, config: cst.PartialParserConfig) -> cst.Call:
    """A call with one more argument, laid out as its others are, or in place of the one of the same name."""
    parsed = cst.parse_expression(f"f({text})", config=config)
    assert isinstance(parsed, cst.Call)
    new = parsed.args[0]
    same = [a for a in call.args if new.keyword and a.keyword and a.keyword.value == new.keyword.value]
    arguments = [new if argument in same else argument for argument in call.args] if same else [*call.args, new]
    return call.with_changes(args=lay_out(arguments, call))


def _split_blank_lines(node):
    """The blank lines before a statement's first comment, and the statement without them."""
    lines = list(node.leading_lines)
    count = 0
    while count < len(lines) and lines[count].comment is None:
        count += 1
    return lines[:count], node.with_changes(leading_lines=lines[count:])


def _with_trailing_comment(statement: cst.BaseStatement, before: cst.BaseStatement) -> cst.BaseStatement:
    """A statement with the comment at the end of the line of the one it replaces, where it has none of its own."""
    lines = isinstance(statement, cst.SimpleStatementLine) and isinstance(before, cst.SimpleStatementLine)
    if not lines or statement.trailing_whitespace.comment or not before.trailing_whitespace.comment:
        return statement
    return statement.with_changes(trailing_whitespace=before.trailing_whitespace)


def _with_leading(node, lines: list):
    """A statement with these comments and blank lines before it."""
    return node.with_changes(leading_lines=lines)


def blank_line() -> cst.EmptyLine:
    """An empty line without indentation."""
    return cst.EmptyLine(indent=False)
