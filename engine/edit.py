"""Small edits of a source file, anchored at places of the original and applied together in one pass over the tree.

A step yields edits; each is found by the position of the statement or expression it is about, so that no step depends
on what another left behind, and any subset of the steps can be applied. Edits of the same anchor are applied in the
order they were given; edits of what lies inside an anchor are applied before it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from engine.result import Place, UserError
from engine.rewrite import lay_out
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
    """Put a statement into a block: ``header`` is a compound statement's first line."""

    header: str


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


def insert_imports(source: SourceFile, texts: Iterable[str]) -> list[Insert]:
    """The edits that add imports to a file, sorted as isort does: by section, ``import x`` before ``from x import``."""
    imports = [
        s for s in _head(source.tree) if isinstance(s, (ast.Import, ast.ImportFrom)) and _module_of(s) != "__future__"
    ]
    inserts = []
    for section in (STANDARD, THIRD_PARTY, LOCAL):
        new = sorted((ast.parse(text).body[0] for text in texts), key=_sorting)
        new = [statement for statement in new if _section(statement) == section]
        present = [statement for statement in imports if _section(statement, source) == section]
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


@dataclass
class Document:
    """One file, with its tree and the positions in it."""

    source: SourceFile
    module: cst.Module = field(init=False)

    def __post_init__(self) -> None:
        self.module = parse(self.source)

    @cached_property
    def nodes(self) -> dict[tuple[int, int], list[tuple[cst.CSTNode, tuple[int, int]]]]:
        """The nodes that start at each position, outermost first, with where each ends."""
        wrapper = MetadataWrapper(self.module, unsafe_skip_copy=True)
        found: dict[tuple[int, int], list[tuple[cst.CSTNode, tuple[int, int]]]] = {}
        for node, position in wrapper.resolve(PositionProvider).items():
            start, end = position.start, position.end
            found.setdefault((start.line, start.column), []).append((node, (end.line, end.column)))
        for nodes in found.values():
            nodes.sort(key=lambda item: item[1], reverse=True)
        return found

    def statement(self, place: Place) -> cst.CSTNode:
        """The statement that starts at a place: with its line, where it does not share that with others."""
        for node, _ in self.nodes.get((place.line, place.column), []):
            alone = isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1
            if alone or isinstance(node, (cst.BaseCompoundStatement, cst.BaseSmallStatement)):
                return node
        raise UserError("the statement here cannot be located for rewriting", place)

    def expression(self, place: Place, end: Place) -> cst.BaseExpression:
        """The expression between two places."""
        for node, stop in self.nodes.get((place.line, place.column), []):
            if isinstance(node, cst.BaseExpression) and stop == (end.line, end.column):
                return node
        raise UserError("the expression here cannot be located for rewriting", place)

    def apply(self, edits: Iterable[Edit | AddImport]) -> cst.Module:
        """The module with the edits made."""
        wanted: dict[int, list[Edit]] = {}
        for edit in _in_order(edits):
            if isinstance(edit, (Replace, AddArgument)):
                node: cst.CSTNode = self.expression(edit.place, edit.end)
            else:
                node = self.statement(edit.place)
            wanted.setdefault(id(node), []).append(edit)
        if not wanted:
            return self.module
        editor = _Editor(self.module, wanted)
        result = self.module.visit(editor)
        assert isinstance(result, cst.Module)
        return result


def parse(source: SourceFile) -> cst.Module:
    """The tree of a file, which prints back byte for byte.

    Raises:
        UserError: libcst cannot parse it, or would lose something of it (libcst 1.9.0 drops some trailing comments).
    """
    try:
        module = cst.parse_module(source.raw)
    except cst.ParserSyntaxError as error:
        raise UserError("cannot be parsed for rewriting", Place(source.name, error.raw_line)) from None
    if module.bytes != source.raw:
        raise UserError(
            "rewriting would lose a comment at its end or change its whitespace; end it with a statement and a newline",
            Place(source.name, len(source.lines)),
        )
    return module


class _Editor(cst.CSTTransformer):
    """Applies edits to the nodes they are anchored at; parts of the tree without an anchor are not entered."""

    def __init__(self, module: cst.Module, wanted: dict[int, list[Edit]]) -> None:
        super().__init__()
        self.config = module.config_for_parsing
        self.wanted = wanted
        self.entered = _ancestors(module, set(wanted))

    def on_visit(self, node: cst.CSTNode) -> bool:
        return id(node) in self.entered

    def on_leave(self, original_node, updated_node):
        if isinstance(original_node, (cst.SimpleStatementLine, cst.SimpleStatementSuite)):
            if any(id(statement) in self.wanted for statement in original_node.body):
                return self.one_by_one(original_node, updated_node)
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
                body = replaced
        body = self.surround(body, [e for e in edits if isinstance(e, Insert) and e.inside])
        for edit in edits:
            if isinstance(edit, Wrap):
                body = [self.wrapped(edit.header, body)]
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

    def surround(self, body: list, edits: list[Insert], blank: int = 1) -> list:
        """Statements with others before and after; the blank lines that end what is inserted before stay between."""
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
        return parse_statements(text, self.config)

    def wrapped(self, header: str, body: list):
        """A compound statement with a body."""
        (block,) = self.statements(f"{header}\n    pass\n")
        return block.with_changes(body=block.body.with_changes(body=body))


def _in_order(edits: Iterable[Edit | AddImport]) -> list[Edit]:
    """Edits with their imports resolved, each import once and before all else."""
    edits = list(edits)
    imports = [edit for edit in edits if isinstance(edit, AddImport) and edit.text not in edit.source.lines]
    sources = {edit.source.name: edit.source for edit in imports}
    texts = {name: sorted({edit.text for edit in imports if edit.source.name == name}) for name in sources}
    inserts = [insert for name, source in sources.items() for insert in insert_imports(source, texts[name])]
    return [*inserts, *[edit for edit in edits if isinstance(edit, Edit)]]


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
    module = cst.parse_module(text, config=cst.PartialParserConfig(python_version=config.python_version))
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


def _ancestors(module: cst.Module, wanted: set[int]) -> set[int]:
    """The nodes that hold one of the wanted nodes, themselves included."""
    entered: set[int] = set()

    def walk(node: cst.CSTNode) -> bool:
        holds = id(node) in wanted
        for child in node.children:
            holds = walk(child) or holds
        if holds:
            entered.add(id(node))
        return holds

    walk(module)
    return entered


def _split_blank_lines(node):
    """The blank lines before a statement's first comment, and the statement without them."""
    lines = list(node.leading_lines)
    count = 0
    while count < len(lines) and lines[count].comment is None:
        count += 1
    return lines[:count], node.with_changes(leading_lines=lines[count:])


def _with_leading(node, lines: list):
    """A statement with these comments and blank lines before it."""
    return node.with_changes(leading_lines=lines)


def blank_line() -> cst.EmptyLine:
    """An empty line without indentation."""
    return cst.EmptyLine(indent=False)
