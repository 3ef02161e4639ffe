"""What the rules find: in a program, by its facts, and in a file, by fixit's visitors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine.result import Place, Result, Safety, TextEdit, UserError
from engine.source import Project, SourceFile
from engine.suppressions import suppressions, unused

if TYPE_CHECKING:
    import libcst as cst
    from fixit import LintRule
    from libcst.metadata import CodeRange


def name_of(path: Path) -> str:
    """How a file is called in messages: relative to the working directory."""
    return Path(os.path.relpath(path)).as_posix()


def in_program(path: Path, rules: Sequence[type[LintRule]]) -> Iterator[Result]:
    """What the program rules find in the program that a file starts.

    Raises:
        UserError: the file cannot be read, or a rule fails.
    """
    from engine.facts import gather

    checks = [rule for rule in rules if hasattr(rule, "check")]
    if not checks:
        return
    try:
        with naming("the analysis", name_of(path)):
            facts = gather(Project(path))
    except UserError as error:
        refusals = [rule.unreadable(error) for rule in checks]
        if not any(refusals):
            raise
        yield from (replace(result, place=replace(result.place, file=name_of(path))) for result in refusals if result)
        return
    for rule in checks:
        with naming(f"the rule {rule.__name__}", name_of(path)):
            yield from (moved(result, facts.project.root) for result in rule.check(facts))


def moved(result: Result, root: Path) -> Result:
    """A finding whose file is named from the working directory instead of the project root."""
    name = name_of(root / result.place.file)
    place, end, edit = replace(result.place, file=name), result.end, result.edit
    if edit:
        edit = replace(edit, start=replace(edit.start, file=name), end=replace(edit.end, file=name))
    return replace(result, place=place, end=end and replace(end, file=name), edit=edit)


@contextmanager
def naming(what: str, file: str) -> Iterator[None]:
    """Turns whatever is raised into an error that names what failed and the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a rule may fail in any way, and none must pass for a clean file
        raise UserError(f"{file}: {what} failed: {type(error).__name__}: {error}") from error


def in_file(source: SourceFile, rules: Sequence[type[LintRule]], known: list[Result]) -> list[Result]:
    """The findings in one file that no comment silences, and the comments that silence nothing.

    Args:
        source: the file.
        rules: the rules to run on it.
        known: what the program rules found in it.
    """
    found = with_fixes(source, rules, known)
    comments = suppressions(source.text, source.name)
    keys = frozenset(key for rule in rules for key in (rule.__name__, getattr(rule, "CODE", "")))
    left = [result for result in found if not any(comment.silences(result) for comment in comments)]
    return [*left, *unused(comments, found, keys)]


def with_fixes(source: SourceFile, rules: Sequence[type[LintRule]], known: list[Result]) -> list[Result]:
    """What is known of a file and what its own tree shows, each with its fix."""
    try:
        _ = source.tree
    except UserError:
        return known  # `in_program` has told of it
    looking = [rule for rule in rules if is_worth_looking(rule, source, known)]
    if not looking:
        return known
    tree = Tree(source)
    codes = {rule.CODE for rule in looking if hasattr(rule, "check")}
    found = [result for result in known if result.code not in codes]
    for rule in looking:
        with naming(f"the rule {rule.__name__}", source.name):
            if hasattr(rule, "check"):
                found.extend(tree.mended(rule, result) for result in known if result.code == rule.CODE)
            else:
                found.extend(tree.matched(rule) if hasattr(rule, "mended") else tree.visited(rule))
    return found


def is_worth_looking(rule: type[LintRule], source: SourceFile, known: list[Result]) -> bool:
    """True for a program rule with something to fix, and for any other that may find something in the text."""
    if hasattr(rule, "check"):
        open_ones = (result for result in known if result.code == rule.CODE and not result.edit)
        return any(result.safety is not Safety.DISPLAY_ONLY for result in open_ones)
    return not hasattr(rule, "may_match") or rule.may_match(source.text)


class Tree:
    """The concrete syntax tree of a file, with what the rules ask of it worked out when asked for.

    Raises:
        UserError: libcst cannot parse the file.
    """

    def __init__(self, source: SourceFile) -> None:
        import libcst as cst
        from libcst.metadata import MetadataWrapper

        from engine.names import Names

        self.source = source
        try:
            self.wrapper = MetadataWrapper(cst.parse_module(source.text), unsafe_skip_copy=True)
        except (cst.ParserSyntaxError, RecursionError) as error:
            place = Place(source.name, getattr(error, "raw_line", 1))
            raise UserError("libcst cannot parse this, so that only the program was checked", place) from None
        self.names = Names(self.wrapper.module)

    @cached_property
    def spans(self) -> Mapping[cst.CSTNode, CodeRange]:
        """Where each node stands."""
        from libcst.metadata import PositionProvider

        return self.wrapper.resolve(PositionProvider)

    def mended(self, rule: type[LintRule], result: Result) -> Result:
        """A finding of a program rule with its fix, where there is one."""
        if result.edit:
            return result
        start, end = result.place, result.end or result.place
        wanted = (start.line, start.column, end.line, end.column)
        from engine.tree import walk

        nodes = [
            node for node in walk(self.wrapper.module) if node in self.spans and _numbers(self.spans[node]) == wanted
        ]
        mended = rule.mend(nodes, self.names)
        return replace(result, edit=self.edit(*mended)) if mended else replace(result, safety=Safety.DISPLAY_ONLY)

    def matched(self, rule: type[LintRule]) -> Iterator[Result]:
        """What the patterns of a rule find."""
        for node, replacement in rule.mended(self.wrapper.module, self.names):
            yield self.result(rule, rule.MESSAGE, self.spans[node], node, replacement)

    def visited(self, rule: type[LintRule]) -> Iterator[Result]:
        """What any other fixit rule reports."""
        visitor = rule()
        visitor.ignore_lint = lambda node: False  # comments are heeded later, so that unused ones show
        self.wrapper.visit_batched([visitor])
        for found in visitor._violations:
            yield self.result(rule, found.message, found.range, found.node, found.replacement)

    def result(self, rule: type[LintRule], message: str, span: CodeRange, node, replacement) -> Result:
        """A finding as a result."""
        edit = self.edit(node, replacement) if replacement else None
        return Result(
            name=rule.__name__,
            code=getattr(rule, "CODE", ""),
            message=message,
            place=Place(self.source.name, span.start.line, span.start.column),
            end=Place(self.source.name, span.end.line, span.end.column),
            remedy=getattr(rule, "REMEDY", ""),
            safety=getattr(rule, "SAFETY", Safety.UNSAFE) if edit else Safety.DISPLAY_ONLY,
            source=self.source.line(span.start.line),
            edit=edit,
        )

    def edit(self, node: cst.CSTNode, replacement: cst.CSTNode) -> TextEdit:
        """The edit that puts a replacement in a node's place."""
        first, start, last, end = _numbers(self.spans[node])
        line = self.source.lines[first - 1]
        indent = line[: len(line) - len(line.lstrip())]
        text = code_of(replacement, indent, self.wrapper.module)
        return TextEdit(Place(self.source.name, first, start), Place(self.source.name, last, end), text)


def _numbers(span: CodeRange) -> tuple[int, int, int, int]:
    return span.start.line, span.start.column, span.end.line, span.end.column


def code_of(node: cst.CSTNode, indent: str, module: cst.Module) -> str:
    """The code of an expression or small statement as it reads in a block of that indentation."""
    import libcst as cst

    statement = cst.SimpleStatementLine([cst.Expr(node) if isinstance(node, cst.BaseExpression) else node])
    block = cst.If(cst.Name("x"), cst.IndentedBlock([statement], indent=indent or module.default_indent))
    code = module.code_for_node(block if indent else statement)
    return code.partition(":")[2].strip() if indent else code.strip()
