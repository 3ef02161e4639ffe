"""Globals that a model reads and that exist only while the script runs, where the server can build it without them:
parsed arguments by their defaults, sizes of data by what a person gives, and data that only a forward pass reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.facts import Facts
from engine.facts.library import comes_from_data, is_namespace
from engine.facts.values import DATASET, UNRESOLVED, Literal, Object, Unknown, Value, options, plain
from engine.plan.server_model import is_plain, pinned
from engine.plan.slicing import Slice, slice_module
from engine.source import SourceFile

SIZE = re.compile(r"^(num|n|in|out|dim)_\w+$|_(dim|size|features|channels|classes)$")
"""Attributes of data that are sizes of a model, by their names."""
COUNTS = {"len", "int", "max", "min", "sum", "round", "size", "dim", "numel", "nunique", "item"}
APART = (ast.Call, ast.Attribute, ast.Subscript)


@dataclass(frozen=True)
class Lifted:
    """A copy of a model with what stands for the globals it reads.

    Attributes:
        found: the statements, with its settings.
        defaults: what it reads of parsed arguments (``args.hidden``), with the default of each.
        sizes: the sizes it reads by their names (``num_features``), with what is given for each; ``...`` for none.
        missing: those for which nothing is given, with where each comes from.
    """

    found: Slice
    defaults: dict[str, Any]
    sizes: dict[str, Any]
    missing: tuple[tuple[str, str], ...]


def lifted(facts: Facts, file: SourceFile, name: str, given: dict[str, Any]) -> Lifted | None:
    """A copy of a model that reads such globals; None where it does anything else with them, or where an argument has
    no known default.

    Args:
        facts: of the program.
        file: where the model is defined.
        name: its class, or the function that builds it.
        given: the values that the user has pinned.
    """
    variables = facts.trace.modules[file.name].scope.variables
    held = {one: value for one, value in variables.items() if _is_computed(value)}
    spaces = {one for one, value in held.items() if isinstance(value, Object) and is_namespace(value)}
    data = {one for one in held.keys() - spaces if slice_module(file, {one}, keep=True).problem}
    found = slice_module(file, {name}, keep=True, without=frozenset(spaces | data))
    uses = _Uses(found)
    read = uses.of(spaces)
    values = {text: options(held[text.partition(".")[0]].attributes.get(text.partition(".")[2])) for text in read}
    known = {one: plain(each[0]) for one, each in values.items() if len(each) == 1 and isinstance(each[0], Literal)}
    known = {one: value for one, value in known.items() if is_plain(value) and value is not None}
    built, run = uses.of(data, forward=False), {text.partition(".")[0] for text in uses.of(data)}
    if found.problem or len(known) < len(read) or not all(_is_size(file, *use) for use in built.items()):
        return None
    known = pinned(known, {}, "")[0]
    asked = {text: given.get(text.rpartition(".")[2], ...) for text in sorted(built)}
    only_run = sorted(run - {text.partition(".")[0] for text in built})
    lines = [
        *_statements(known, "the defaults of the script's options"),
        *_statements(asked, "of the data, as given"),
        *(f"{one} = None  # the data of a site: the server builds the model and does not run it" for one in only_run),
    ]
    sizes = {text.rpartition(".")[2]: value for text, value in asked.items()}
    sources = {text: DATASET if comes_from_data(held[text.partition(".")[0]]) else UNRESOLVED for text in asked}
    missing = tuple((text.rpartition(".")[2], sources[text]) for text, value in asked.items() if not is_plain(value))
    return Lifted(replace(found, settings=tuple(lines)), known, sizes, missing)


def _is_computed(value: Value) -> bool:
    """True for what the script computes or reads: no module, and nothing that an import or a definition binds."""
    return isinstance(value, Unknown) or isinstance(value, Object) and not value.is_module


class _Uses:
    """How statements use global names.

    Args:
        found: the statements.
    """

    def __init__(self, found: Slice) -> None:
        self.nodes = [node for statement in found.statements for node in ast.walk(statement)]
        forward = [node for node in self.nodes if isinstance(node, ast.FunctionDef) and node.name == "forward"]
        methods = [] if _runs_itself(self.nodes) else forward
        self.run = {id(part) for method in methods for part in ast.walk(method)}
        self.owners = {id(node.value): node for node in self.nodes if isinstance(node, ast.Attribute)}
        apart = (getattr(node, "func", getattr(node, "value", None)) for node in self.nodes if isinstance(node, APART))
        self.taken_apart = {id(node) for node in apart}

    def of(self, names: set[str], forward: bool = True) -> dict[str, bool]:
        """What is read of some names: themselves, or attributes (``args.hidden``), and whether each is used whole, as a
        number is: it is not called, and nothing is read of it.

        Args:
            names: the names.
            forward: uses in a forward pass count as well.
        """
        found: dict[str, bool] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name) and node.id in names and (forward or id(node) not in self.run):
                use = self.owners.get(id(node), node)
                text = ast.unparse(use) if isinstance(use.ctx, ast.Load) else ""  # what is set is not understood
                found[text] = found.get(text, True) and id(use) not in self.taken_apart
        return found


def _runs_itself(nodes: list[ast.AST]) -> bool:
    """True where a model may be run while it is built: its code calls ``self(...)`` or names ``self.forward``."""
    called = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    return "self" in called or any(isinstance(n, ast.Attribute) and ast.unparse(n) == "self.forward" for n in nodes)


def _is_size(file: SourceFile, text: str, whole: bool) -> bool:
    """True for a size of data: an attribute that is called like one, or a global that is computed as one.

    Args:
        file: where the global is set.
        text: what is read: ``dataset.num_features``, or ``num_features``.
        whole: it is used as a number is.
    """
    name, _, attribute = text.partition(".")
    if attribute:
        return whole and bool(SIZE.search(attribute))
    statements = [node for node in file.nodes if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))]
    setting = [node for node in statements if name in map(ast.unparse, _targets(node))]
    return whole and bool(setting) and all(isinstance(node, ast.Assign) and _counts(node.value) for node in setting)


def _targets(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[ast.expr]:
    """What a statement assigns to."""
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _counts(node: ast.expr) -> bool:
    """True for an expression that is a number of things: ``len(words)``, ``x.shape[1]``, ``int(y.max()) + 1``."""
    if isinstance(node, ast.BinOp):
        return any(map(_counts, (node.left, node.right)))
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2] in COUNTS
    return isinstance(node, ast.Attribute) and bool(SIZE.search(node.attr))


def _statements(values: dict[str, Any], what: str) -> Iterator[str]:
    """Statements that give names, or attributes of names, their values.

    Args:
        values: by what is read: ``args.hidden``, ``num_features``.
        what: they are.
    """
    for space in sorted({one.partition(".")[0] for one in values}):
        held = {one.partition(".")[2]: value for one, value in values.items() if one.partition(".")[0] == space}
        given = ", ".join(f"{attribute}={value!r}" for attribute, value in sorted(held.items()))
        yield f"{space} = {held['']!r}  # {what}" if "" in held else f"{space} = SimpleNamespace({given})  # {what}"
