"""What the dotted names of a module mean: ``t.load`` is ``torch.load`` after ``import torch as t``."""

from __future__ import annotations

import builtins
import symtable
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

import libcst as cst

from engine.tree import dotted, walk


class Names:
    """The names of one module, seen through its imports and aliases.

    The scopes of the module are worked out only when the imports alone do not settle a question.
    """

    def __init__(self, module: cst.Module, text: str | None = None) -> None:
        """Take a module, and its text where that is at hand."""
        self.module = module
        self.text = text

    def mean(self, node: cst.CSTNode, qualified: str) -> bool:
        """True where this name or attribute is the thing of that full name, and no local name hides it."""
        name = dotted(node)
        if name is None:
            return False
        root, _, rest = name.partition(".")
        meanings = {f"{origin}.{rest}" if rest else origin for origin in self._origins(root)}
        if qualified not in meanings:
            return False
        if self._bound_elsewhere is not None and root not in self._bound_elsewhere:
            return len(meanings) == 1
        return self._in_scope(node, name) == {qualified}

    def spelling(self, qualified: str) -> str:
        """How this module says a full name, by what it imports at its top level.

        Raises ``LookupError`` when it imports nothing the name could be reached through.
        """
        if qualified in vars(builtins):
            return qualified
        spellings = [
            alias + qualified.removeprefix(origin)
            for alias, origins in self.imports.items()
            for origin in origins
            if qualified == origin or qualified.startswith(f"{origin}.")
            if self._bound_elsewhere is not None and alias not in self._bound_elsewhere
        ]
        if not spellings:
            raise LookupError(qualified)
        return min(spellings, key=len)

    @cached_property
    def nodes(self) -> Mapping[type[cst.CSTNode], list[cst.CSTNode]]:
        """The nodes of the module by their kind, in the order of the source."""
        found = defaultdict(list)
        for node in walk(self.module):
            found[type(node)].append(node)
        return found

    @cached_property
    def imports(self) -> Mapping[str, frozenset[str]]:
        """Name bound by an import anywhere in the module -> the full names it may stand for."""
        found = defaultdict(set)
        for node in (*self.nodes[cst.Import], *self.nodes[cst.ImportFrom]):
            for alias, origin in _bindings(node):
                found[alias].add(origin)
        return {alias: frozenset(origins) for alias, origins in found.items()}

    def _origins(self, root: str) -> frozenset[str]:
        return self.imports.get(root) or frozenset({root} & vars(builtins).keys())

    @cached_property
    def _bound_elsewhere(self) -> frozenset[str] | None:
        """The names that anything but an import at the top level binds somewhere; ``None`` where Python cannot tell."""
        text = self.module.code if self.text is None else self.text
        try:
            return frozenset(_bound(symtable.symtable(text, "module", "exec"), top=True))
        except (SyntaxError, ValueError, RecursionError):
            return None

    def _in_scope(self, node: cst.CSTNode, name: str) -> set[str]:
        """Full names of a node by the scope it stands in; empty when some binding there is no import and no builtin."""
        from libcst.metadata import QualifiedNameSource

        scope = self._scopes.get(node)
        found = scope.get_qualified_names_for(name) if scope else set()
        if any(each.source is QualifiedNameSource.LOCAL for each in found):
            return set()
        return {each.name.removeprefix("builtins.") for each in found}

    @cached_property
    def _scopes(self) -> Mapping[cst.CSTNode, object]:
        from libcst.metadata import MetadataWrapper, ScopeProvider

        return MetadataWrapper(self.module, unsafe_skip_copy=True).resolve(ScopeProvider)


def _bound(table: symtable.SymbolTable, top: bool) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_parameter() or symbol.is_assigned() or (symbol.is_imported() and not top):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _bound(inner, top=False)


def _bindings(node: cst.Import | cst.ImportFrom) -> Iterator[tuple[str, str]]:
    """(name, full name) for each name an import binds; what relative and star imports bind is not known here."""
    if isinstance(node, cst.ImportFrom) and (node.relative or isinstance(node.names, cst.ImportStar)):
        return
    prefix = f"{dotted(node.module)}." if isinstance(node, cst.ImportFrom) else ""
    for alias in node.names:
        origin = dotted(alias.name)
        if alias.asname:
            yield alias.asname.name.value, prefix + origin
        elif prefix:
            yield origin, prefix + origin
        else:
            root = origin.partition(".")[0]
            yield root, root
