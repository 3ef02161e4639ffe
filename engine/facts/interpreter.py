"""An abstract interpreter: follows the program from what the entry executes, without executing any of it.

Branches are both taken unless their test is known, loops are passed once, local functions are followed at every
call. What comes out is a trace of calls, each with the loops, calls and branches it stands in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.facts import calls, expressions, statements
from engine.facts.trace import Branch, Call, Context, Entry, Event, Once, Trace, is_default
from engine.facts.values import (
    Class,
    External,
    Function,
    Literal,
    LocalModule,
    Object,
    Parameters,
    Scope,
    Unknown,
    Value,
    choose,
)
from engine.result import UserError
from engine.source import Project, SourceFile

CALL_LIMIT = 20_000
STATEMENT_LIMIT = 60_000
MODULE_LIMIT = 400
DEPTH_LIMIT = 40
REPEAT_LIMIT = 12
TOO_DEEP = "it is nested too deeply"


class Interpreter:
    """Follows one project.

    Attributes:
        project: the source.
        arguments: what the script is given on its command line, one item per word.
        once: the statements of a training that stands in no loop, which are to stand in the trace as a loop does.
        trace: what has been met so far.
        path: the loops, calls, branches and contexts the interpreter is in.
        statement: the statement being followed.
        returns: what each function being followed has returned so far, with whether it does so by default.
        yields: what each function being followed has yielded so far.
        statements: how many have been followed.
        repeats: how often each function has been followed.
        last_result: what each function gave back last.
    """

    def __init__(self, project: Project, arguments: tuple[str, ...] = (), once: tuple[ast.stmt, ...] = ()) -> None:
        self.project = project
        self.arguments = arguments
        self.once = ast.Module(list(once), [])
        self.trace = Trace()
        self.path: tuple[Entry, ...] = ()
        self.statement: ast.stmt | None = None
        self.returns: list[list[tuple[Value, str]]] = [[]]
        self.yields: list[list[Value]] = [[]]
        self.statements = 0
        self.repeats: dict[int, int] = {}
        self.last_result: dict[int, Value] = {}

    def run(self) -> Trace:
        """Follow the entry as ``python entry.py`` would run it."""
        self.load(self.project.entry, "__main__")
        return self.trace

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
                self.trace.exhausted = TOO_DEEP
        self.statement = statement
        return module

    def import_module(self, dotted: str, folder: Path | None = None) -> Value:
        """A module by its dotted name: local where the project has it, external otherwise."""
        path = self.project.find_module(dotted, folder)
        if path is None or len(self.trace.modules) >= MODULE_LIMIT:
            package = self.project.find_package(dotted, folder)
            if package is None:
                return External(dotted)
            return LocalModule(None, Scope(self.project.entry), dotted, package)
        try:
            return self.load(self.project.read(path), dotted)
        except UserError as error:
            if path == self.project.entry.path:
                raise
            if is_default(self.path):
                self.trace.unreadable.append(error)
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

    def block(self, body: list[ast.stmt], scope: Scope) -> bool:
        """Follow statements in order; True where the end is never reached."""
        for statement in body:
            self.statement = statement
            self.statements += 1
            if self.statements > STATEMENT_LIMIT:
                self.trace.exhausted = f"it comes to more than {STATEMENT_LIMIT:,} statements"
                return True
            follow = self.follow_once if statement in self.once.body else self.follow
            if follow(statement, scope):
                return True
        return False

    def follow(self, statement: ast.stmt, scope: Scope) -> bool:
        """Follow a statement; True where what stands after it is never reached."""
        handler = statements.HANDLERS.get(type(statement))
        return bool(handler and handler(self, statement, scope))

    def follow_once(self, statement: ast.stmt, scope: Scope) -> bool:
        """The same for one of the statements that train and stand in no loop, within the entry that they share."""
        if statement is self.once.body[0]:
            known, held = statements.known_names(scope), statements.held_attributes(scope)
            self.training = Once(self.once, scope.file.place(statement), scope, None, known, held)
            statements.enter_loop(self, self.training, scope)
        with self.entered(self.training):
            return self.follow(statement, scope)

    def value(self, node: ast.expr | None, scope: Scope) -> Value:
        """What an expression stands for."""
        return expressions.evaluate(self, node, scope)

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

    def note_call(self, name: str, node: ast.Call, scope: Scope, **details) -> Event:
        """Add a call to the trace."""
        place = scope.file.place(node)
        event = Event(len(self.trace.events), name, place, node, self.statement, scope, self.path, **details)
        self.trace.events.append(event)
        if len(self.trace.events) > CALL_LIMIT:
            self.trace.exhausted = f"it comes to more than {CALL_LIMIT:,} calls"
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
        self.trace.calls.append(entry)
        contexts = [
            Context(name, function.file.place(function.node))
            for name in (expressions.name_of(self.value(d, function.scope)) for d in function.decorators)
            if name.startswith("torch.")
        ]
        statement, called = self.statement, len(self.trace.events) - 1
        self.returns.append([])
        self.yields.append([])
        with self.entered(entry, *contexts):
            if isinstance(function.node, ast.Lambda):
                self.returns[-1].append((self.value(function.node.body, scope), "always"))
            else:
                ends = self.block(function.node.body, scope)
                if not ends and self.returns[-1]:
                    self.returns[-1].append((Literal(None), "perhaps"))
        returned, yielded = self.returns.pop(), self.yields.pop()
        self.statement = statement
        result = _returned(returned) if returned else Literal(None)
        if yielded and not function.decorators:
            result = self.generator(choose(yielded), node, caller, called)
        self.last_result[key] = result
        return result

    def generator(self, element: Value, node: ast.AST, scope: Scope, event: int) -> Value:
        """What a call of a function that yields gives; parameters stay parameters on their way to an optimizer.

        Args:
            element: what it yields.
            node, scope, event: of the call.
        """
        if isinstance(element, Parameters):
            return element
        made = Object("builtins.generator", scope.file.place(node), node, args=[element], scope=scope, event=event)
        self.trace.objects.append(made)
        return made

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


def _returned(values: list[tuple[Value, str]]) -> Value:
    """What a function gives back, by default first what it returns by default."""
    by_default = [value for value, default in values if default == "yes"]
    others = [value for value, default in values if default != "yes"]
    return choose([*by_default, *others], default_first=bool(by_default))
