"""What a name may stand for, without running anything: the values of the abstract interpreter."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.result import Place
from engine.source import SourceFile

ARGUMENTS = "arguments"
CONFIG = "config"
CONSTANT = "constant"
LITERAL = "literal"
DATASET = "dataset"
UNRESOLVED = "unresolved"
# Classes and factories of libraries that give a torch.nn.Module.
MODULE_KIND = re.compile(
    r"(^|\.)nn\.([a-z]\w*\.)*[A-Z]\w*$|^torchvision\.models\.|^timm\.(create_model|models\.)|^monai\.networks\.|"
    r"^segmentation_models_pytorch\.[A-Z]|^transformers\.\w*Model|\.from_pretrained$|^torch\.hub\.load$|^torch\.jit\."
)
CERTAINTY = (LITERAL, CONSTANT, CONFIG, ARGUMENTS, DATASET, UNRESOLVED)
MOST_OPTIONS = 32
DEEPEST_VALUE = 6


@dataclass(eq=False, repr=False)
class Value:
    """Any value; compared by identity, since two objects built alike are still two objects."""


@dataclass(eq=False, repr=False)
class Literal(Value):
    """A value known exactly.

    Attributes:
        value: the Python value.
        source: where it comes from: literal, constant, arguments (a default the user can override) or config.
        written: the literal it is written as, with its scope.
        parts: the values it was made of.
        option: the script's own option whose default it is.
    """

    value: Any
    source: str = LITERAL
    written: tuple[ast.AST, Scope] | None = None
    parts: tuple[Value, ...] = ()
    option: Any = None


@dataclass(frozen=True)
class Member:
    """A member of one of the project's enumerations: equal to itself alone, whatever value it has.

    Attributes:
        name: as code names it: ``Phase.TRAIN``.
        value: what it is set to.
    """

    name: str
    value: Value = field(compare=False, repr=False)


@dataclass(eq=False, repr=False)
class Unknown(Value):
    """A value nothing is known of.

    Attributes:
        source: ``dataset`` where it was read from data; empty otherwise.
        option: the script's own option that gives it.
    """

    source: str = ""
    option: Any = None


@dataclass(eq=False, repr=False)
class EnvironmentVariable(Unknown):
    """``os.environ["DATA_DIR"]``.

    Attributes:
        name: of the variable.
        written: the expression that reads it, and its scope.
    """

    name: str = ""
    written: tuple[ast.AST, Scope] | None = None


@dataclass(eq=False, repr=False)
class External(Value):
    """A module, class, function or constant of a library, by its qualified name: ``torch.optim.SGD``."""

    name: str


@dataclass(eq=False, repr=False)
class LocalModule(Value):
    """A module of the project.

    Attributes:
        file: its source; None for a package without ``__init__.py``.
        scope: its globals.
        name: dotted name.
    """

    file: SourceFile | None
    scope: Scope
    name: str
    folder: Any = None


@dataclass(eq=False, repr=False)
class Scope:
    """The variables of one module, function call or class body.

    Attributes:
        file: the file the code stands in.
        qualified_name: of the function or class within its file; empty at module level.
        parent: the enclosing scope names are looked up in.
        variables: what each name stands for.
        global_names: names declared ``global``; nonlocal names likewise in ``nonlocal_names``.
    """

    file: SourceFile
    qualified_name: str = ""
    parent: Scope | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)
    is_class: bool = False

    @property
    def module(self) -> Scope:
        """The globals."""
        return self if self.parent is None else self.parent.module

    def chain(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def look_up(self, name: str) -> Value | None:
        """What a name stands for, by Python's scoping, or None."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.variables and (scope is self or not scope.is_class):
                return scope.variables[name]
            scope = scope.parent
        return None

    def owner_of(self, name: str) -> Scope:
        """The scope that an assignment to a name writes to."""
        if name in self.global_names:
            return self.module
        if name in self.nonlocal_names:
            scope = self.parent
            while scope is not None and name not in scope.variables:
                scope = scope.parent
            return scope or self.module
        return self


@dataclass(eq=False, repr=False)
class Function(Value):
    """A function, method or lambda of the project."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    qualified_name: str
    owner: Class | None = None

    @property
    def file(self) -> SourceFile:
        """The file it stands in."""
        return self.scope.file

    @property
    def name(self) -> str:
        """Its name, ``<lambda>`` for a lambda."""
        return getattr(self.node, "name", "<lambda>")

    @property
    def readable_name(self) -> str:
        """Its name with that of its class; the function it is nested in is left out."""
        scope, name = self.scope, self.name
        while scope.is_class:
            name, scope = f"{scope.qualified_name.rpartition('.')[2]}.{name}", scope.parent or scope.module
        return name

    @property
    def decorators(self) -> list[ast.expr]:
        """Its decorator expressions."""
        return getattr(self.node, "decorator_list", [])


@dataclass(eq=False, repr=False)
class Bound(Value):
    """A method together with the object it is called on; ``receiver`` is the class for a classmethod."""

    function: Function
    receiver: Value


@dataclass(eq=False, repr=False)
class Class(Value):
    """A class of the project."""

    node: ast.ClassDef
    scope: Scope
    bases: list[Value]
    body: Scope
    qualified_name: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def file(self) -> SourceFile:
        """The file it stands in."""
        return self.scope.file

    def ancestry(self) -> Iterator[Value]:
        """The class and its bases, local and external, depth first."""
        yield self
        for base in self.bases:
            for option in options(base):
                if isinstance(option, Class) and option is not self:
                    yield from option.ancestry()
                else:
                    yield option

    def find(self, name: str) -> Value | None:
        """An attribute of the class or of its local bases."""
        for base in self.ancestry():
            if isinstance(base, Class) and name in base.body.variables:
                return base.body.variables[name]
        return None

    def derives_from(self, *prefixes: str) -> bool:
        """True where an external base's qualified name starts with one of the prefixes."""
        return any(isinstance(base, External) and base.name.startswith(prefixes) for base in self.ancestry())


@dataclass(eq=False, repr=False)
class Object(Value):
    """The result of a call: an instance of a local class, or whatever a library returned.

    Attributes:
        kind: qualified name of what was called: ``torch.optim.SGD``; ``?.method`` where the receiver is unknown.
        place: where it was called.
        node: the call.
        cls: the local class, for an instance of one.
        receiver: the object whose method was called.
        args, kwargs: the values passed.
        attributes: what was stored on it.
        parent: the object it is a part of, with the attribute it was stored under.
        names: the names it was bound to, as written, in order.
        scope: where it was called.
        event: number of the call in the trace.
    """

    kind: str
    place: Place
    node: ast.AST | None = None
    cls: Class | None = None
    receiver: Value | None = None
    args: list[Value] = field(default_factory=list)
    kwargs: dict[str, Value] = field(default_factory=dict)
    attributes: dict[str, Value] = field(default_factory=dict)
    parent: tuple[Object, str] | None = None
    names: list[str] = field(default_factory=list)
    scope: Scope | None = None
    event: int = 0

    @property
    def short_kind(self) -> str:
        """The last part of its kind."""
        return self.kind.rpartition(".")[2]

    @property
    def is_module(self) -> bool:
        """True for an ``nn.Module``, as far as can be seen."""
        if self.cls:
            return any(isinstance(base, External) and MODULE_KIND.search(base.name) for base in self.cls.ancestry())
        return bool(MODULE_KIND.search(self.kind))

    def argument(self, position: int, name: str) -> Value | None:
        """An argument by position or keyword, or None."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if position < len(self.args) else None


@dataclass(eq=False, repr=False)
class Sequence(Value):
    """A list, tuple or set whose elements are known.

    Attributes:
        items: what it holds.
        kind: ``list``, ``tuple`` or ``set``.
        grows: True where a loop or branch adds to it, so that its length is not known.
    """

    items: list[Value]
    kind: str = "list"
    grows: bool = False


@dataclass(eq=False, repr=False)
class Mapping(Value):
    """A dictionary whose keys are known; ``rest`` stands for entries under unknown keys."""

    items: dict[Any, Value]
    rest: list[Value] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class Parameters(Value):
    """Parameters of one or more modules, on their way to an optimizer."""

    owners: list[Value]


@dataclass(eq=False, repr=False)
class Super(Value):
    """``super()``: the receiver, seen from the bases of a class."""

    receiver: Value
    cls: Class


@dataclass(eq=False, repr=False)
class Choice(Value):
    """One of several values: what the branches of an ``if`` left behind.

    Attributes:
        options: what it may be.
        default_first: True where the first is what it is unless the user sets an option of the script.
    """

    options: list[Value]
    default_first: bool = False


def options(value: Value | None) -> list[Value]:
    """The values a value may be: a choice's options, or itself."""
    if value is None:
        return []
    return value.options if isinstance(value, Choice) else [value]


def choose(values: list[Value], default_first: bool = False) -> Value:
    """One value that may be any of several; literals alike count once.

    Args:
        values: what it may be.
        default_first: True where the first is what it is by default.
    """
    if len(values) == 1:
        return values[0]
    flat: list[Value] = []
    for option in (option for value in values for option in options(value)):
        if not any(option is known or _same(option, known) for known in flat):
            flat.append(option)
        if len(flat) == MOST_OPTIONS:
            break
    if len(flat) < 2:
        return flat[0] if flat else Unknown()
    decided = default_first and not (isinstance(values[0], Choice) and not values[0].default_first)
    return Choice(flat, decided)


def _same(left: Value, right: Value) -> bool:
    """True for two literals alike, two unknowns alike, or the same external."""
    if isinstance(left, Literal) and isinstance(right, Literal):
        return type(left.value) is type(right.value) and left.value == right.value and left.source == right.source
    if isinstance(left, External) and isinstance(right, External):
        return left.name == right.name
    return isinstance(left, Unknown) and isinstance(right, Unknown) and left.source == right.source


def each(value: Value | None, action: Callable[[Value], Value]) -> Value:
    """What an action gives for a value; for a choice, the choice of what it gives for each option."""
    results = [action(option) for option in options(value)]
    return choose(results, default_first=isinstance(value, Choice) and value.default_first)


def objects(value: Value | None) -> list[Object]:
    """The objects among what a value may be."""
    return [option for option in options(value) if isinstance(option, Object)]


def contents(holder: Scope | Object | Mapping) -> dict[Any, Value]:
    """The variables of a scope, the attributes of an object, the entries of a dictionary."""
    if isinstance(holder, Mapping):
        return holder.items
    return holder.variables if isinstance(holder, Scope) else holder.attributes


def plain_key(value: Value | None) -> Any:
    """The Python value of a dictionary's key where it is known exactly, ``...`` otherwise."""
    known = plain(value)
    try:
        hash(known)
    except TypeError:
        return ...
    return known


def plain(value: Value | None, depth: int = 0) -> Any:
    """The Python value where it is known exactly, ``...`` otherwise."""
    if isinstance(value, Literal):
        return value.value
    if depth > DEEPEST_VALUE:
        return ...
    if isinstance(value, Choice) and value.default_first:
        return plain(value.options[0], depth + 1)
    if isinstance(value, Sequence):
        items = [...] if value.grows else [plain(item, depth + 1) for item in value.items]
        return ... if any(item is ... for item in items) else (tuple(items) if value.kind == "tuple" else items)
    if isinstance(value, Mapping) and not value.rest:
        entries = {key: plain(item, depth + 1) for key, item in value.items.items()}
        return ... if any(item is ... for item in entries.values()) else entries
    return ...


def source_of(value: Value | None, depth: int = 0) -> str:
    """Where a value comes from: the least certain of its parts."""
    if isinstance(value, Literal):
        return value.source
    if depth > DEEPEST_VALUE:
        return UNRESOLVED
    if isinstance(value, Choice) and value.default_first:
        return least_certain([Literal(None, ARGUMENTS), value.options[0]], depth + 1)
    if isinstance(value, Sequence):
        return least_certain(value.items, depth + 1)
    if isinstance(value, Mapping):
        return least_certain([*value.items.values(), *value.rest], depth + 1)
    if isinstance(value, Unknown) and value.source:
        return value.source
    if isinstance(value, (External, Class, Function)):
        return LITERAL
    return UNRESOLVED


def least_certain(values: Iterable[Value], depth: int = 0) -> str:
    """The source of a value made of several: literal only where all are."""
    return max((source_of(value, depth) for value in values), key=CERTAINTY.index, default=LITERAL)


def written_parts(value: Value | None, depth: int = 0) -> Iterator[Literal | Unknown]:
    """The literals, options and unknown values that a value was made of, in the order they were joined."""
    if depth > DEEPEST_VALUE or value is None:
        return
    if isinstance(value, Literal) and not value.parts or isinstance(value, Unknown):
        yield value
        return
    parts: list[Value | None] = []
    if isinstance(value, Literal):
        parts = list(value.parts)
    elif isinstance(value, Choice):
        parts = list(value.options)
    elif isinstance(value, Sequence):
        parts = list(value.items)
    elif isinstance(value, Object) and value.cls is None:
        parts = [value.receiver, *value.args]
        if not any(parts):
            yield Unknown()
    for part in parts:
        yield from written_parts(part, depth + 1)


def value_of(node: ast.AST, scope: Scope) -> list[Value]:
    """What a constant, name, attribute or subscript stands for."""
    if isinstance(node, ast.Constant):
        return [Literal(node.value, written=(node, scope))]
    if isinstance(node, ast.Name):
        return options(scope.look_up(node.id))
    if isinstance(node, ast.Attribute):
        owners = [owner for owner in value_of(node.value, scope) if isinstance(owner, (Object, LocalModule))]
        held = [o.attributes if isinstance(o, Object) else o.scope.variables for o in owners]
        return [value for attributes in held for value in options(attributes.get(node.attr))]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        owners = [owner for owner in value_of(node.value, scope) if isinstance(owner, Mapping)]
        return [held for owner in owners for held in options(owner.items.get(node.slice.value))]
    return []


def library_name(node: ast.AST, scope: Scope) -> str:
    """The qualified name of what a name or an attribute of a library stands for; empty for anything else."""
    if isinstance(node, ast.Attribute):
        owner = library_name(node.value, scope)
        return f"{owner}.{node.attr}" if owner else ""
    found = scope.look_up(node.id) if isinstance(node, ast.Name) else None
    return found.name if isinstance(found, External) else ""
