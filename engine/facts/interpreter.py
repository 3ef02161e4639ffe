"""An abstract interpreter: follows the program from what the entry executes, without executing any of it.

Branches are both taken unless their test is known, loops are passed once, local functions are followed at every
call. What comes out is a trace of calls, each with the loops, calls and branches it stands in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

from engine.facts import calls, containers, expressions, operators
from engine.facts.library import ENDS_PROGRAM
from engine.facts.source_text import own_nodes
from engine.facts.trace import Branch, Call, Context, Entry, Event, Loop, Store, Trace
from engine.facts.values import (
    CONFIG,
    CONSTANT,
    LITERAL,
    Bound,
    Class,
    External,
    Function,
    Literal,
    LocalModule,
    Object,
    Parameters,
    Scope,
    Sequence,
    Unknown,
    Value,
    choose,
    each,
    objects,
    options,
)
from engine.result import UserError
from engine.source import Project, SourceFile

CALL_LIMIT = 20_000
STATEMENT_LIMIT = 60_000
MODULE_LIMIT = 400
DEPTH_LIMIT = 40
REPEAT_LIMIT = 12


class Interpreter:
    """Follows one project.

    Attributes:
        project: the source.
        trace: what has been met so far.
        path: the loops, calls, branches and contexts the interpreter is in.
        statement: the statement being followed.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.trace = Trace()
        self.path: tuple[Entry, ...] = ()
        self.statement: ast.stmt | None = None
        self.returns: list[list[tuple[Value, str]]] = [[]]
        self.statements = 0
        self.repeats: dict[int, int] = {}
        self.last_result: dict[int, Value] = {}
        self.loading: dict[str, LocalModule] = {}

    def run(self) -> Trace:
        """Follow the entry as ``python entry.py`` would run it."""
        self.load(self.project.entry, "__main__")
        return self.trace

    # Modules

    def load(self, file: SourceFile, name: str) -> LocalModule:
        """The module of a file, followed the first time it is asked for."""
        if file.name in self.trace.modules:
            return self.trace.modules[file.name]
        scope = Scope(file, variables={"__name__": Literal(name), "__file__": External("__file__")})
        module = LocalModule(file, scope, name, file.path.parent)
        self.trace.modules[file.name] = module
        statement = self.statement
        with self.entered():
            try:
                self.block(file.tree.body, scope)
            except RecursionError:
                self.trace.exhausted = True
        self.statement = statement
        return module

    def import_module(self, dotted: str, folder=None) -> Value:
        """A module by its dotted name: local where the project has it, external otherwise."""
        path = self.project.find_module(dotted, folder)
        if path is None or len(self.trace.modules) >= MODULE_LIMIT:
            package = self.project.find_package(dotted, folder)
            if package is None:
                return External(dotted)
            return LocalModule(None, Scope(self.project.entry), dotted, package)
        try:
            return self.load(self.project.read(path), dotted)
        except UserError:
            if path == self.project.entry.path:
                raise
            return External(dotted)

    @contextmanager
    def entered(self, *entries: Entry) -> Iterator[None]:
        """Within a loop, call, branch or context."""
        path = self.path
        self.path = (*path, *entries)
        try:
            yield
        finally:
            self.path = path

    # Statements. A block returns True where control never reaches its end.

    def block(self, body: list[ast.stmt], scope: Scope) -> bool:
        """Follow statements in order; True where the end is never reached."""
        for statement in body:
            self.statement = statement
            self.statements += 1
            if self.statements > STATEMENT_LIMIT:
                self.trace.exhausted = True
                return True
            handler = getattr(self, f"do_{type(statement).__name__}", None)
            if handler and handler(statement, scope):
                return True
        return False

    def value(self, node: ast.expr | None, scope: Scope) -> Value:
        """What an expression stands for."""
        return expressions.evaluate(self, node, scope)

    def do_Expr(self, node: ast.Expr, scope: Scope) -> bool:
        value = self.value(node.value, scope)
        return isinstance(value, External) and value.name in ENDS_PROGRAM

    def do_Assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.value(node.value, scope)
        for target in node.targets:
            self.bind(target, value, scope)

    def do_AnnAssign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value:
            self.bind(node.target, self.value(node.value, scope), scope)
        elif scope.is_class and isinstance(node.target, ast.Name):
            scope.variables.setdefault(node.target.id, Unknown())

    def do_AugAssign(self, node: ast.AugAssign, scope: Scope) -> None:
        load = ast.copy_location(_as_load(node.target), node.target)
        old = self.value(load, scope)
        added = self.value(node.value, scope)
        if isinstance(old, Parameters) or isinstance(added, Parameters):
            owners = [o for part in (old, added) if isinstance(part, Parameters) for o in part.owners]
            self.bind(node.target, Parameters(owners), scope)
        elif isinstance(old, Sequence) and isinstance(added, Sequence):
            old.items.extend(added.items)
        else:
            self.bind(node.target, Unknown(), scope)

    def do_If(self, node: ast.If, scope: Scope) -> bool:
        value = self.value(node.test, scope)
        test, default = operators.truth(value), operators.default_truth(value)
        place = scope.file.place(node)
        if test is not None:
            self.trace.dormant.append((node.orelse if test else node.body, scope))
            with self.entered(Branch(node, place, scope, test, True)):
                return self.block(node.body if test else node.orelse, scope)
        before = dict(scope.variables)
        with self.entered(Branch(node, place, scope, True, operators.by_default(default, True))):
            first_ends = self.block(node.body, scope)
        first, scope.variables = scope.variables, dict(before)
        with self.entered(Branch(node, place, scope, False, operators.by_default(default, False))):
            second_ends = self.block(node.orelse, scope)
        if first_ends and second_ends:
            return True
        if second_ends:
            scope.variables = first
        elif not first_ends and default is False:
            scope.variables = _join(scope.variables, first, default_first=True)
        elif not first_ends:
            scope.variables = _join(first, scope.variables, default_first=default is True)
        return False

    def do_For(self, node: ast.For, scope: Scope) -> None:
        iterable = self.value(node.iter, scope)
        loop = Loop(node, scope.file.place(node), scope, iterable)
        self.enter_loop(loop, scope)
        with self.entered(loop):
            self.bind(node.target, containers.element_of(self, iterable), scope)
            self.block(node.body, scope)
        self.block(node.orelse, scope)

    do_AsyncFor = do_For

    def do_While(self, node: ast.While, scope: Scope) -> bool:
        loop = Loop(node, scope.file.place(node), scope)
        self.enter_loop(loop, scope)
        if operators.truth(self.value(node.test, scope)) is not False:
            with self.entered(loop):
                self.block(node.body, scope)
        self.block(node.orelse, scope)
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return endless and not _breaks(node.body)

    def enter_loop(self, loop: Loop, scope: Scope) -> None:
        """Note a loop with what is around it; a literal that its body rebinds is known no longer."""
        self.trace.loops.append((loop, self.path))
        for name in _rebound_in(loop.node):
            owner, _, attribute = name.rpartition(".")
            if not owner:
                variables = scope.owner_of(name).variables
            else:
                held = scope.look_up(owner)
                variables = held.attributes if isinstance(held, Object) else {}
            if isinstance(variables.get(attribute), Literal):
                variables[attribute] = choose([variables[attribute], Unknown()])

    def do_With(self, node: ast.With, scope: Scope) -> bool:
        entries = []
        for item in node.items:
            value = self.value(item.context_expr, scope)
            name = expressions.name_of(value)
            entries.append(Context(name, scope.file.place(node), value))
            if item.optional_vars:
                self.bind(item.optional_vars, containers.entered_value(value), scope)
        with self.entered(*entries):
            return self.block(node.body, scope)

    do_AsyncWith = do_With

    def do_Try(self, node: ast.Try, scope: Scope) -> bool:
        ends = self.block(node.body, scope)
        if not ends:
            ends = self.block(node.orelse, scope)
        after = dict(scope.variables)
        survivors = [] if ends else [after]
        for handler in node.handlers:
            scope.variables = dict(after)
            if handler.name:
                scope.variables[handler.name] = Unknown()
            with self.entered(Branch(handler, scope.file.place(handler), scope, True)):
                if not self.block(handler.body, scope):
                    survivors.append(scope.variables)
        scope.variables = survivors[0] if survivors else after
        for other in survivors[1:]:
            scope.variables = _join(scope.variables, other)
        return self.block(node.finalbody, scope) or not survivors

    do_TryStar = do_Try

    def do_Match(self, node: ast.Match, scope: Scope) -> None:
        self.value(node.subject, scope)
        results, before = [], dict(scope.variables)
        for case in node.cases:
            scope.variables = dict(before)
            with self.entered(Branch(node, scope.file.place(node), scope, True)):
                if not self.block(case.body, scope):
                    results.append(scope.variables)
        scope.variables = before
        for result in results:
            scope.variables = _join(result, scope.variables)

    def do_Return(self, node: ast.Return, scope: Scope) -> bool:
        value = self.value(node.value, scope) if node.value else Literal(None)
        self.returns[-1].append((value, self.is_default()))
        self.note_exit(node, scope)
        return True

    def do_Raise(self, node: ast.Raise, scope: Scope) -> bool:
        self.value(node.exc, scope) if node.exc else None
        self.note_exit(node, scope)
        return True

    def do_Break(self, node: ast.Break, scope: Scope) -> bool:
        self.note_exit(node, scope)
        return True

    do_Continue = do_Break

    def note_exit(self, node: ast.stmt, scope: Scope) -> None:
        """Note where control leaves a loop or function."""
        self.trace.exits.append((node, scope.file.place(node), self.path))

    def do_Global(self, node: ast.Global, scope: Scope) -> None:
        scope.global_names.update(node.names)

    def do_Nonlocal(self, node: ast.Nonlocal, scope: Scope) -> None:
        scope.nonlocal_names.update(node.names)

    def do_Assert(self, node: ast.Assert, scope: Scope) -> None:
        self.value(node.test, scope)

    def do_Delete(self, node: ast.Delete, scope: Scope) -> None:
        return None

    def do_Import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            module = self.import_module(alias.name)
            if alias.asname:
                scope.variables[alias.asname] = module
                continue
            top = alias.name.split(".")[0]
            value = self.import_module(top) if "." in alias.name else module
            scope.variables[top] = value

    def do_ImportFrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        folder = scope.file.path.parents[node.level - 1] if 0 < node.level <= len(scope.file.path.parents) else None
        module = self.import_module(node.module or "", folder)
        for alias in node.names:
            if alias.name == "*":
                self.import_star(module, scope)
                continue
            value = expressions.module_attribute(self, module, alias.name)
            scope.variables[alias.asname or alias.name] = value

    def import_star(self, module: Value, scope: Scope) -> None:
        """Bring in the public names of a local module; an external one's are looked up by name later."""
        if isinstance(module, LocalModule):
            exported = {name: value for name, value in module.scope.variables.items() if not name.startswith("_")}
            scope.variables.update(exported)
        elif isinstance(module, External):
            scope.variables.setdefault(f"*{module.name}", module)

    def do_FunctionDef(self, node: ast.FunctionDef, scope: Scope) -> None:
        owner = None
        name = f"{scope.qualified_name}.{node.name}".lstrip(".")
        function = Function(node, scope, name, owner)
        scope.variables[node.name] = function
        for default in [*node.args.defaults, *[d for d in node.args.kw_defaults if d]]:
            self.value(default, scope)
        self.decorate(function, scope)

    do_AsyncFunctionDef = do_FunctionDef

    def decorate(self, decorated: Function | Class, scope: Scope) -> None:
        """Call the project's own decorators for what they register; what they make of the function is not followed."""
        for node in decorated.node.decorator_list:
            for decorator in options(self.value(node, scope)):
                if isinstance(decorator, (Function, Bound)):
                    call = ast.copy_location(ast.Call(node, [], []), node)
                    ast.fix_missing_locations(call)
                    calls.dispatch(self, call, scope, None, decorator, [decorated], {})

    def do_ClassDef(self, node: ast.ClassDef, scope: Scope) -> None:
        name = f"{scope.qualified_name}.{node.name}".lstrip(".")
        body = Scope(scope.file, name, scope, is_class=True)
        bases = [self.value(base, scope) for base in node.bases]
        cls = Class(node, scope, bases, body, name)
        self.block(node.body, body)
        for member in body.variables.values():
            if isinstance(member, Function):
                member.owner = cls
        scope.variables[node.name] = cls
        self.decorate(cls, scope)

    # Binding

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assign a value to a target."""
        if isinstance(target, ast.Name):
            _name(value, target.id)
            if scope.parent is None or scope.is_class or target.id in scope.global_names:
                value = as_constant(value)
            scope.owner_of(target.id).variables[target.id] = value
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, scope)
            _name(value, ast.unparse(target))
            self.set_attribute(owner, target.attr, value)
            self.note_store(owner, value, scope)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self.unpack(target.elts, value, scope)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, Unknown(), scope)
        elif isinstance(target, ast.Subscript):
            owner = self.value(target.value, scope)
            containers.set_item(self, owner, self.value(target.slice, scope), value)
            self.note_store(owner, value, scope)

    def note_store(self, owner: Value, value: Value, scope: Scope) -> None:
        """Note a module stored on an object."""
        for option in objects(owner):
            if self.statement is not None and any(part.is_module for part in objects(value)):
                self.trace.stores.append(Store(option, value, self.statement, scope, self.path))

    def unpack(self, targets: list[ast.expr], value: Value, scope: Scope) -> None:
        """Assign the elements of a value to several targets."""
        for index, target in enumerate(targets):
            self.bind(target, each(value, lambda option, at=index: containers.item_of(option, at, len(targets))), scope)

    def set_attribute(self, owner: Value, name: str, value: Value) -> None:
        """Store a value on an object, beside what other branches stored there."""
        for option in options(owner):
            if isinstance(option, Object):
                source = CONFIG if option.cls is None else CONSTANT
                option.attributes[name] = self.beside(option.attributes.get(name), as_constant(value, source))
                for part in objects(value):
                    if part.parent is None and part is not option and (option.is_module or part.is_module):
                        part.parent = (option, name)
            elif isinstance(option, LocalModule):
                option.scope.variables[name] = value
            elif isinstance(option, Class):
                option.body.variables[name] = value

    def beside(self, old: Value | None, value: Value) -> Value:
        """What is stored where a value is stored in a branch: it replaces the old one by default, or perhaps."""
        default = self.is_default()
        if old is None:
            return as_constant(value)
        if default == "always":
            return value
        if default == "yes":
            return choose([value, old], default_first=True)
        return choose([old, value], default_first=default == "no")

    def is_default(self) -> str:
        """Whether the function comes to what is followed: ``always``, by default ``yes`` or ``no``, or ``perhaps``."""
        sides = [entry.default for entry in self.path_of_frame() if isinstance(entry, Branch)]
        if not sides:
            return "always"
        return "no" if False in sides else "perhaps" if None in sides else "yes"

    def path_of_frame(self) -> tuple[Entry, ...]:
        """The part of the path that lies within the function being followed."""
        for index in range(len(self.path) - 1, -1, -1):
            if isinstance(self.path[index], Call):
                return self.path[index + 1 :]
        return self.path

    # Calls

    def note_call(self, name: str, node: ast.Call, scope: Scope, **details) -> Event:
        """Add a call to the trace."""
        place = scope.file.place(node)
        event = Event(len(self.trace.events), name, place, node, self.statement, scope, self.path, **details)
        self.trace.events.append(event)
        if len(self.trace.events) > CALL_LIMIT:
            self.trace.exhausted = True
        return event

    def call_function(
        self, function: Function, node: ast.AST, caller: Scope, args: list[Value], kwargs: dict[str, Value],
        receiver: Value | None = None,
    ) -> Value:  # fmt: skip
        """Follow a call of a local function and give back what it returns."""
        key = id(function.node)
        active = [entry for entry in self.path if isinstance(entry, Call)]
        recursive = sum(entry.function.node is function.node for entry in active) > 1
        if self.trace.exhausted or recursive or len(active) > DEPTH_LIMIT or self.repeats.get(key, 0) > REPEAT_LIMIT:
            return self.last_result.get(key, Unknown())
        self.repeats[key] = self.repeats.get(key, 0) + 1
        scope = Scope(function.file, function.qualified_name, function.scope)
        calls.bind_parameters(self, function, scope, args, kwargs, receiver)
        entry = Call(function, caller.file.place(node), self.statement, caller, scope, receiver, node)
        contexts = [
            Context(name, function.file.place(function.node))
            for name in (expressions.name_of(self.value(d, function.scope)) for d in function.decorators)
            if name.startswith("torch.")
        ]
        statement = self.statement
        self.returns.append([])
        with self.entered(entry, *contexts):
            if isinstance(function.node, ast.Lambda):
                self.returns[-1].append((self.value(function.node.body, scope), "always"))
            else:
                ends = self.block(function.node.body, scope)
                if not ends and self.returns[-1]:
                    self.returns[-1].append((Literal(None), "perhaps"))
        returned = self.returns.pop()
        self.statement = statement
        result = _returned(returned) if returned else Literal(None)
        self.last_result[key] = result
        return result

    def instantiate(
        self, cls: Class, node: ast.Call, scope: Scope, args: list[Value], kwargs: dict[str, Value]
    ) -> Object:
        """Build an instance of a local class and follow its constructor."""
        place = scope.file.place(node)
        instance = Object(
            f"{cls.file.name.removesuffix('.py').replace('/', '.')}.{cls.qualified_name}", place, node, cls,
            args=args, kwargs=kwargs, scope=scope, event=len(self.trace.events) - 1,
        )  # fmt: skip
        self.trace.objects.append(instance)
        constructor = cls.find("__init__")
        if isinstance(constructor, Function):
            self.call_function(constructor, node, scope, args, kwargs, instance)
        else:
            calls.fill_fields(self, instance, args, kwargs)
        return instance


def _as_load(target: ast.expr) -> ast.expr:
    """The target of an augmented assignment as an expression to read."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    if isinstance(target, ast.Subscript):
        return ast.Subscript(target.value, target.slice, ast.Load())
    return target


def _join(first: dict[str, Value], second: dict[str, Value], default_first: bool = False) -> dict[str, Value]:
    """The variables after two branches."""
    joined = dict(second)
    for name, value in first.items():
        other = second.get(name)
        joined[name] = value if other is None or other is value else choose([value, other], default_first)
    return joined


def _returned(values: list[tuple[Value, str]]) -> Value:
    """What a function gives back, by default first what it returns by default."""
    by_default = [value for value, default in values if default == "yes"]
    others = [value for value, default in values if default != "yes"]
    return choose([*by_default, *others], default_first=bool(by_default))


def as_constant(value: Value, source: str = CONSTANT) -> Value:
    """A literal that has a name, which its author or other code may set otherwise."""
    return replace(value, source=source) if isinstance(value, Literal) and value.source == LITERAL else value


@lru_cache(maxsize=4096)
def _rebound_in(loop: ast.For | ast.While) -> set[str]:
    """The names and attributes (``self.count``) that a loop's body assigns; those in functions inside it aside."""
    found: set[str] = set()
    for node in own_nodes(loop.body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else ():
            parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
            found |= {ast.unparse(part) for part in parts if isinstance(part, (ast.Name, ast.Attribute))}
    return found


def _breaks(body: list[ast.stmt]) -> bool:
    """True where a loop's body can leave it by ``break``."""
    for node in body:
        if isinstance(node, ast.Break):
            return True
        if isinstance(node, (ast.For, ast.While, ast.FunctionDef, ast.ClassDef)):
            if isinstance(node, (ast.For, ast.While)) and _breaks(node.orelse):
                return True
            continue
        for name in ("body", "orelse", "finalbody"):
            if _breaks(getattr(node, name, [])):
                return True
        if any(_breaks(handler.body) for handler in getattr(node, "handlers", [])):
            return True
    return False


def _name(value: Value, name: str) -> None:
    """Remember what an object is called."""
    for option in options(value):
        if isinstance(option, Object) and name not in option.names:
            option.names.append(name)
