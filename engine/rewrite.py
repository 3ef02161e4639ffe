"""Rewrite rules: a pattern and a template in Python itself, with metavariables on both sides.

    torch.load($path, $...rest)  ->  torch.load($path, $...rest, weights_only=True)

``$name`` stands for one expression, ``$...name`` for any number of arguments or elements, ``$_`` for anything. Dotted
names mean what the imports of the module make of them: ``import torch as t`` and ``from torch import load as l`` match,
a parameter called ``torch`` does not. Positional arguments are matched in order, keywords by name. What the
metavariables captured is put back as it was written, comments and line breaks included.

How trees are compared and filled is in `engine.matching`, which is imported where a rule is first tried on one: libcst
takes longer to import than most commands to do what they do, and the rules of a program look at no libcst tree.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from token import NAME
from tokenize import generate_tokens
from typing import TYPE_CHECKING

from engine.result import Safety

if TYPE_CHECKING:
    import libcst as cst

    from engine.names import Names

METAVARIABLE = re.compile(r"\$(\.\.\.)?(\w+)")
_ROUNDS = 10

Condition = Callable[["Match"], bool]


def lacks(*keywords: str) -> Condition:
    """A condition: no captured argument is one of these keywords, nor a ``**mapping`` that might hold them."""
    return lambda match: (
        not any(
            argument.star == "**" or (argument.keyword and argument.keyword.value in keywords)
            for argument in match.arguments
        )
    )


@dataclass(frozen=True)
class Match:
    """One place where a pattern stands.

    Attributes:
        rule: the rule that matched.
        node: the expression or simple statement that matched.
        captures: metavariable -> the node it stands for, or the nodes for ``$...name``.
        names: the names of the module, to spell the template's names as the module does.
    """

    rule: RewriteRule
    node: cst.CSTNode
    captures: Mapping[str, cst.CSTNode | tuple[cst.CSTNode, ...]]
    names: Names = field(repr=False)

    @property
    def arguments(self) -> list[cst.Arg]:
        """The arguments that ``$...name`` captured."""
        import libcst as cst

        many = (nodes for nodes in self.captures.values() if isinstance(nodes, tuple))
        return [node for nodes in many for node in nodes if isinstance(node, cst.Arg)]

    @cached_property
    def replacement(self) -> cst.CSTNode | None:
        """What the template makes of it; ``None`` without a template or a way to say its names in this module."""
        from engine.matching import filled

        if self.rule.template is None:
            return None
        try:
            return filled(self.rule.template, self)
        except LookupError:
            return None


@dataclass(frozen=True)
class RewriteRule:
    """A pattern, and what to make of it.

    Attributes:
        find: the pattern, an expression or a simple statement.
        replace: the template; empty for a rule that only finds.
        where: further condition on a match.
        safety: how much the change may alter the program.
        reason: why, in one sentence for a person.
    """

    find: str
    replace: str = ""
    where: Condition = lambda match: True
    safety: Safety = Safety.SAFE
    reason: str = ""

    @cached_property
    def pattern(self) -> cst.CSTNode:
        """The parsed pattern. Raises ``ValueError`` when it is not Python."""
        from engine.matching import parse

        return parse(self.find)

    @cached_property
    def template(self) -> cst.CSTNode | None:
        """The parsed template, ``None`` for a rule that only finds. Raises ``ValueError`` when it is not Python."""
        from engine.matching import parse

        return parse(self.replace) if self.replace else None

    @cached_property
    def words(self) -> frozenset[str]:
        """Words that a text must hold for the pattern to stand in it: those of its names."""
        tokens = generate_tokens(io.StringIO(METAVARIABLE.sub("_", self.find)).readline)
        return frozenset(token.string for token in tokens if token.type == NAME and token.string != "_")

    def may_match(self, text: str) -> bool:
        """False where a text lacks words of the pattern, so that it need not be parsed."""
        return all(word in text for word in self.words) and all(re.search(rf"\b{word}\b", text) for word in self.words)

    def match(self, node: cst.CSTNode, names: Names) -> Match | None:
        """The match of the pattern at exactly this node, or ``None``."""
        from engine.matching import Captures, matches

        captures: Captures = {}
        if type(node) is not type(self.pattern) or not matches(self.pattern, node, captures, names):
            return None
        match = Match(self, node, captures, names)
        return match if self.where(match) else None

    def matches(self, module: cst.Module, names: Names | None = None) -> list[Match]:
        """Every place in the module where the pattern stands and the condition holds, in the order of the source."""
        if names is None:
            from engine.names import Names

            names = Names(module)
        return [match for node in names.nodes[type(self.pattern)] if (match := self.match(node, names))]

    def apply(self, module: cst.Module) -> cst.Module:
        """The module with every match replaced, nested ones too; the same module when nothing matches.

        Raises ``ValueError`` for a rule whose result matches again without end.
        """
        from engine.matching import replace

        matches = self._replaceable(module)
        for _ in range(len(matches) + _ROUNDS):  # each round settles one match at least, or the rule feeds itself
            if not matches:
                return module
            module = replace(module, {match.node: match.replacement for match in matches})
            matches = self._replaceable(module)
        raise ValueError(f"the rewrite rule `{self.find}` -> `{self.replace}` never settles")

    def _replaceable(self, module: cst.Module) -> list[Match]:
        return [match for match in self.matches(module) if match.replacement]
