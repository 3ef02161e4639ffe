"""Which statements of a script a name needs: the part that can be lifted out of it."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.facts.source_text import DEFINITIONS, names_in
from engine.result import Place
from engine.source import SourceFile

PURE_CALLS = {
    "len", "range", "list", "dict", "tuple", "set", "int", "float", "str", "bool", "min", "max", "sum", "enumerate",
    "zip", "sorted", "map", "filter", "abs", "round", "OrderedDict", "namedtuple", "partial", "getLogger",
    "dataclass", "device", "tensor", "Path", "is_available", "get", "keys", "values", "items", "split", "join",
    "format", "TypeVar",
}  # fmt: skip
IMPORTS = (ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class Slice:
    """Statements of a file that a set of names needs.

    Attributes:
        file: the file.
        statements: in the order of the file.
        moved: the places of the definitions that move out; assignments and imports are copied.
        exported: the names of the moved definitions that the rest of the file still uses.
        problem: why the names cannot be lifted out; empty where they can.
        problem_place: where the trouble stands.
        settings: statements that stand for globals of the running script, as source.
    """

    file: SourceFile
    statements: tuple[ast.stmt, ...] = ()
    moved: tuple[Place, ...] = ()
    exported: tuple[str, ...] = ()
    problem: str = ""
    problem_place: Place | None = field(default=None)
    settings: tuple[str, ...] = ()

    @property
    def bound(self) -> set[str]:
        """The names the statements bind."""
        return {name for statement in self.statements for name in _binds(statement)}

    @property
    def has_star(self) -> bool:
        """True where an import may bind any name."""
        imports = [s for s in self.statements if isinstance(s, ast.ImportFrom)]
        return any(alias.name == "*" for statement in imports for alias in statement.names)

    def text(self, docstring: str) -> str:
        """The statements as a module of their own, with the comments that stand right above them."""
        imports = [s for s in self.statements if isinstance(s, (*IMPORTS, ast.Try))]
        others = [s for s in self.statements if s not in imports]
        parts = [f'"""{docstring}"""\n']
        spaces = any("SimpleNamespace(" in statement for statement in self.settings)
        lines = ["from types import SimpleNamespace\n"] if spaces else []
        lines += [source_of_statement(self.file, s) for s in imports]
        lines += ["", *self.settings] if self.settings else []
        if lines:
            parts.append("\n".join(lines) + "\n")
        previous: ast.stmt | None = imports[-1] if imports else None
        for statement in others:
            simple = isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(
                previous, (ast.Assign, ast.AnnAssign)
            )
            parts.append("" if simple else "\n" if isinstance(statement, ast.Assign) else "\n\n")
            parts[-1] += source_of_statement(self.file, statement) + "\n"
            previous = statement
        return parts[0] + "\n" + "".join(parts[1:])


def slice_module(file: SourceFile, names: set[str], keep: bool = False, without: frozenset[str] = frozenset()) -> Slice:
    """The statements that names need, definitions by definitions.

    Args:
        file: where they stand.
        names: what is needed.
        keep: copy definitions instead of moving them.
        without: names that are left out, with what they need.
    """
    bindings = _bindings(file.tree)
    wanted: dict[int, ast.stmt] = {}
    pending = sorted(names)
    done: set[str] = set(without)
    while pending:
        name = pending.pop(0)
        if name in done or (hasattr(builtins, name) and name not in bindings):
            continue
        done.add(name)
        for statement in bindings.get(name, []):
            trouble = _impure(statement, name)
            if trouble:
                return Slice(file, problem=trouble, problem_place=file.place(statement))
            if id(statement) not in wanted:
                wanted[id(statement)] = statement
                pending.extend(sorted(reads(statement)))
        if name not in bindings:
            stars = [s for s in file.tree.body if isinstance(s, ast.ImportFrom) and s.names[0].name == "*"]
            wanted.update({id(s): s for s in stars})
    statements = sorted(wanted.values(), key=lambda s: s.lineno)
    definitions = [s for s in statements if isinstance(s, DEFINITIONS)]
    if keep:
        return Slice(file, tuple(statements))
    rest = [s for s in file.tree.body if not any(s is d for d in definitions)]
    used = {name for statement in rest for name in names_in(statement)}
    exported = tuple(d.name for d in definitions if d.name in used)
    return Slice(file, tuple(statements), tuple(file.place(d) for d in definitions), exported)


def _bindings(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """The statements of a module, those of its ``__main__`` block too, that bind each name."""
    found: dict[str, list[ast.stmt]] = {}
    for statement in _top_level(tree.body):
        for name in _binds(statement):
            found.setdefault(name, []).append(statement)
    return found


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module and of the ``if`` blocks at its top level."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _top_level(statement.body)
            yield from _top_level(statement.orelse)
        else:
            yield statement


def _binds(statement: ast.stmt) -> set[str]:
    """The names a top-level statement binds."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def reads(statement: ast.AST) -> set[str]:
    """The module-level names a statement or expression reads, those read in its functions and classes among them."""
    names: set[str] = set()
    pending = [(symtable.symtable(ast.unparse(statement), "", "exec"), True)]
    while pending:
        table, is_top = pending.pop()
        names |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (is_top or s.is_global())}
        pending += [(child, False) for child in table.get_children()]
    return names


def _impure(statement: ast.stmt, name: str) -> str:
    """Why a statement cannot be lifted out of the script; empty where it can."""
    if isinstance(statement, (*IMPORTS, *DEFINITIONS)):
        for node in ast.walk(statement):
            if isinstance(node, ast.Global):
                return f"the model needs {name}(), which changes the global {node.names[0]}"
        return ""
    if isinstance(statement, ast.Try) and all(isinstance(s, IMPORTS) for s in statement.body):
        return ""
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        for node in ast.walk(statement):
            parsed = isinstance(node, ast.Attribute) and node.attr == "FLAGS"  # absl fills it in when the script runs
            if parsed or isinstance(node, ast.Call) and not _pure_call(node):
                return f"the model reads the global {name}, whose value exists only while the script runs"
            if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
                return ""
        return ""
    return f"the model reads the global {name}, which is not a plain constant"


def _pure_call(node: ast.Call) -> bool:
    """True for a call that only computes."""
    callee = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return callee in PURE_CALLS or callee[:1].isupper() and callee not in ("ArgumentParser",)


def source_of_statement(file: SourceFile, statement: ast.stmt) -> str:
    """A statement's source with its decorators, moved to the left margin; comments go along, unless it is an import."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *[d.lineno for d in decorators]]) - 1
    start = first
    while start > 0 and (not file.lines[start - 1].strip() or _is_comment(file, start - 1, statement)):
        start -= 1
        first = start if file.lines[start].strip() and not isinstance(statement, IMPORTS) else first
    lines = file.lines[first : _last_line(file, statement)]
    return "\n".join(_dedented(lines, statement.col_offset))


def _is_comment(file: SourceFile, line: int, statement: ast.stmt) -> bool:
    """True for a comment that belongs to a statement below it; the first line may say what the file is."""
    text, margin = file.lines[line], statement.col_offset
    if line == 0 or not text.lstrip().startswith("#") or _indent(text) < margin:
        return False
    statements = (node for node in ast.walk(file.tree) if isinstance(node, ast.stmt) and node.col_offset == margin)
    before = [node for node in statements if (node.end_lineno or node.lineno) <= line]
    return not before or line >= _last_line(file, max(before, key=lambda node: node.end_lineno or node.lineno))


def _last_line(file: SourceFile, statement: ast.stmt) -> int:
    """The number of a statement's last line, or of the last comment that libcst counts to its block: the last one
    below it that is indented as the block is, or deeper."""
    last, body = statement.end_lineno or statement.lineno, getattr(statement, "body", None)
    if not body or body[0].lineno == statement.lineno:
        return last
    for number, text in enumerate(file.lines[last:], start=last + 1):
        if text.strip() and not text.lstrip().startswith("#"):
            break
        last = number if text.strip() and _indent(text) >= body[0].col_offset else last
    return last


def _indent(text: str) -> int:
    """How far a line is indented."""
    return len(text) - len(text.lstrip())


def _dedented(lines: list[str], margin: int) -> list[str]:
    """Lines without a margin."""
    return [line[margin:] if not line[:margin].strip() else line for line in lines]
