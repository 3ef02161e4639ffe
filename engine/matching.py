"""How the patterns and templates of `engine.rewrite` are compared with libcst trees, and filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import libcst as cst

from engine.names import Names
from engine.rewrite import METAVARIABLE
from engine.tree import children, dotted, fields, walk

if TYPE_CHECKING:
    from engine.rewrite import Match

_ONE, _MANY = "metavariable_", "metavariables_"
_ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.BaseNumber, cst.BaseString, cst.BaseList, cst.BaseDict)

Captures = dict[str, "cst.CSTNode | tuple[cst.CSTNode, ...]"]


def replace(module: cst.Module, replacements: Mapping[cst.CSTNode, cst.CSTNode]) -> cst.Module:
    """The module with these nodes replaced; of two that are nested only the outer one, so that no edit is half lost."""

    class Replace(cst.CSTTransformer):
        def on_visit(self, node: cst.CSTNode) -> bool:
            return node not in replacements

        def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> cst.CSTNode:
            return replacements.get(original_node, updated_node)

    return module.visit(Replace())


def parse(text: str) -> cst.CSTNode:
    """The node of a pattern or template. Raises ``ValueError`` when it is not Python."""
    code = METAVARIABLE.sub(lambda found: (f"*{_MANY}" if found[1] else _ONE) + found[2], text)
    try:
        statement = cst.parse_statement(code)
    except cst.ParserSyntaxError as error:
        raise ValueError(f"not an expression or a simple statement: `{text}`") from error
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        raise ValueError(f"not an expression or a simple statement: `{text}`")
    node = statement.body[0]
    return node.value if isinstance(node, cst.Expr) else node


def _metavariable(node: cst.CSTNode, prefix: str) -> str | None:
    """The name of the metavariable that this node of a pattern is, if it is one of that kind."""
    if prefix == _MANY and isinstance(node, (cst.Arg, cst.StarredElement)):
        node = node.value
    if isinstance(node, cst.Name) and node.value.startswith(prefix):
        return node.value.removeprefix(prefix)
    return None


def metavariables(node: cst.CSTNode | None, many: bool | None = None) -> set[str]:
    """The metavariables of a pattern or template, but for ``$_``: those for one expression, for many, or all."""
    prefixes = {None: (_ONE, _MANY), False: (_ONE,), True: (_MANY,)}[many]
    nodes = walk(node) if node else ()
    found = {_metavariable(each, prefix) for each in nodes for prefix in prefixes}
    return found - {None, "_"}


def spoken_names(node: cst.CSTNode) -> set[str]:
    """The full names that a pattern or template asks for, the longest of each chain; not those of keywords."""
    found: set[str] = set()
    stack = [node]
    while stack:
        each = stack.pop()
        if name := _fixed_name(each):
            found.add(name)
        elif isinstance(each, cst.Arg):
            stack.append(each.value)
        elif isinstance(each, cst.Attribute):
            stack.append(each.value)
        else:
            stack.extend(children(each))
    return found


def _fixed_name(node: cst.CSTNode) -> str | None:
    """The full name, such as ``torch.load``, that this node of a pattern or template asks for."""
    name = dotted(node)
    return name if name and not name.startswith((_ONE, _MANY)) else None


# Matching


def matches(pattern: cst.CSTNode, node: cst.CSTNode, captures: Captures, names: Names) -> bool:
    """True where a node is what a pattern stands for; what its metavariables stand for is added to the captures."""
    if one := _metavariable(pattern, _ONE):
        return _bind(one, node, captures)
    if name := _fixed_name(pattern):
        return names.mean(node, name)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, cst.Call):
        return matches(pattern.func, node.func, captures, names) and _match_arguments(pattern, node, captures, names)
    if isinstance(pattern, cst.Arg):
        return pattern.star == node.star and matches(pattern.value, node.value, captures, names)
    if isinstance(pattern, cst.Attribute):
        return pattern.attr.value == node.attr.value and matches(pattern.value, node.value, captures, names)
    if isinstance(pattern, (cst.SimpleString, cst.BaseNumber)):
        return pattern.evaluated_value == node.evaluated_value
    return _match_sequence(list(children(pattern)), list(children(node)), captures, names)


def _bind(name: str, node: cst.CSTNode, captures: Captures) -> bool:
    if name != "_" and name in captures:
        return captures[name].deep_equals(node)
    captures[name] = node
    return True


def _match_sequence(patterns: Sequence, nodes: Sequence, captures: Captures, names: Names) -> bool:
    """Matches node by node; one ``$...name`` among the patterns takes what the others leave."""
    many = next((index for index, pattern in enumerate(patterns) if _metavariable(pattern, _MANY)), None)
    if many is None:
        pairs = zip(patterns, nodes, strict=False)
        return len(patterns) == len(nodes) and all(matches(pattern, node, captures, names) for pattern, node in pairs)
    before, after = patterns[:many], patterns[many + 1 :]
    end = len(nodes) - len(after)
    if end < many:
        return False
    captures[_metavariable(patterns[many], _MANY)] = tuple(nodes[many:end])
    return _match_sequence([*before, *after], [*nodes[:many], *nodes[end:]], captures, names)


def _match_arguments(pattern: cst.Call, call: cst.Call, captures: Captures, names: Names) -> bool:
    """Matches keywords by name and the rest in order; keywords nobody asked for go to ``$...name``."""
    asked = {argument.keyword.value: argument for argument in pattern.args if argument.keyword}
    given = {argument.keyword.value: argument for argument in call.args if argument.keyword}
    if not all(name in given and matches(asked[name].value, given[name].value, captures, names) for name in asked):
        return False
    wanted = [argument for argument in pattern.args if not argument.keyword]
    rest = [argument for argument in call.args if not (argument.keyword and argument.keyword.value in asked)]
    positional = [argument for argument in rest if not argument.keyword and argument.star != "**"]
    if not _match_sequence(wanted, positional, captures, names):
        return False
    many = next(filter(None, (_metavariable(argument, _MANY) for argument in wanted)), None)
    if many:
        captures[many] = tuple(each for each in rest if each in captures[many] or each not in positional)
    return bool(many) or len(positional) == len(rest)


# Filling the template


def filled(template: cst.CSTNode, match: Match) -> cst.CSTNode:
    """The template with the captures put in. Raises ``LookupError`` for a name the module has no way to say."""
    node, pattern = match.node, match.rule.pattern
    if isinstance(template, cst.Call) and isinstance(node, cst.Call):
        function = node.func if template.func.deep_equals(pattern.func) else _fill(template.func, match)
        filled = node.with_changes(func=function, args=lay_out(_fill_all(template.args, match), node))
    else:
        filled = _fill(template, match)
        if isinstance(node, _ATOMS):
            filled = _tight(filled)
        elif getattr(node, "lpar", ()) and isinstance(filled, cst.BaseExpression):
            filled = filled.with_changes(lpar=node.lpar, rpar=node.rpar)
    return filled.deep_clone()  # a metavariable used twice must not put one node into the tree twice


def _fill(template: cst.CSTNode, match: Match) -> cst.CSTNode:
    if one := _metavariable(template, _ONE):
        return match.captures[one]
    if name := _fixed_name(template):
        return cst.parse_expression(match.names.spelling(name))
    if isinstance(template, cst.Attribute):
        return template.with_changes(value=_tight(_fill(template.value, match)))
    if isinstance(template, cst.Arg):
        return template.with_changes(value=_fill(template.value, match), comma=cst.MaybeSentinel.DEFAULT)
    changes = {}
    for name in fields(type(template)):
        value = getattr(template, name)
        if isinstance(value, cst.CSTNode):
            filled = _fill(value, match)
            changes[name] = _tight(filled) if isinstance(template, (cst.BinaryOperation, cst.Subscript)) else filled
        elif isinstance(value, (list, tuple)):
            changes[name] = _fill_all(value, match)
    return template.with_changes(**changes)


def _fill_all(templates: Sequence[cst.CSTNode], match: Match) -> list[cst.CSTNode]:
    filled: list[cst.CSTNode] = []
    for template in templates:
        many = _metavariable(template, _MANY)
        filled.extend(match.captures[many] if many else [_fill(template, match)])
    return filled


def _tight(node: cst.CSTNode) -> cst.CSTNode:
    """The expression in parentheses, unless it binds tightly enough by itself."""
    if isinstance(node, _ATOMS) or not isinstance(node, cst.BaseExpression) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


# Laying out arguments


def lay_out(arguments: Sequence[cst.Arg], call: cst.Call) -> list[cst.Arg]:
    """The arguments laid out like those of this call: one per line where they stood so, comments beside their argument.

    Args:
        arguments: what the call is to get; those with the value of one of its own arguments keep their layout.
        call: the call whose layout to follow.
    """
    if not call.args or not arguments:
        return list(arguments)
    last = call.args[-1]
    end, gap = _after(last), cst.SimpleWhitespace(" ")
    if len(call.args) > 1:
        gap = _after(call.args[0])
    elif _breaks(end):
        gap = call.whitespace_before_args
    values = [argument.value for argument in arguments]
    laid = []
    for argument in arguments:
        final = argument is arguments[-1]
        origin = next((each for each in call.args if each.value is argument.value), None)
        if origin and final == (origin is last):
            changes = {"comma": origin.comma, "whitespace_after_arg": origin.whitespace_after_arg}
        else:
            loose = last if final and last.value not in values else None  # the comment of a last argument that goes
            after = _shaped(end if final else gap, comments=origin or loose)
            changes = _followed_by(after, comma=not final or isinstance(last.comma, cst.Comma))
        laid.append(argument.with_changes(**changes))
    return laid


def _after(argument: cst.Arg) -> cst.BaseParenthesizableWhitespace:
    return argument.comma.whitespace_after if isinstance(argument.comma, cst.Comma) else argument.whitespace_after_arg


def _followed_by(whitespace: cst.BaseParenthesizableWhitespace, comma: bool) -> dict[str, object]:
    if comma:
        return {"comma": cst.Comma(whitespace_after=whitespace), "whitespace_after_arg": cst.SimpleWhitespace("")}
    return {"comma": cst.MaybeSentinel.DEFAULT, "whitespace_after_arg": whitespace}


def _shaped(shape: cst.BaseParenthesizableWhitespace, comments: cst.Arg | None) -> cst.BaseParenthesizableWhitespace:
    """Whitespace of that shape, with the comments that follow the argument instead of its own."""
    said = _after(comments) if comments else None
    if isinstance(said, cst.ParenthesizedWhitespace) and "#" in cst.Module([]).code_for_node(said):
        return said.with_changes(indent=shape.indent, last_line=shape.last_line) if _breaks(shape) else said
    if _breaks(shape):
        return shape.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=[])
    return shape


def _breaks(whitespace: cst.BaseParenthesizableWhitespace) -> bool:
    return isinstance(whitespace, cst.ParenthesizedWhitespace)
