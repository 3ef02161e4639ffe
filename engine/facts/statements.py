"""Follow statements: branches both ways, loops once, imports into the modules of the project.

A function that follows a statement returns True where control never reaches what stands after it.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.facts import binding, calls, containers, expressions, operators
from engine.facts.library import ENDS_PROGRAM, is_namespace
from engine.facts.source_text import assigned, own_nodes
from engine.facts.trace import Branch, Context, Loop
from engine.facts.values import (
    Bound,
    Class,
    External,
    Function,
    Literal,
    LocalModule,
    Mapping,
    Member,
    Object,
    Parameters,
    Scope,
    Sequence,
    Unknown,
    Value,
    choose,
    contents,
    options,
)

if TYPE_CHECKING:
    from engine.facts.interpreter import Interpreter

MOST_HELD = 500
"""Objects and dictionaries whose contents are remembered where a loop starts."""


def follow_expr(interpreter: Interpreter, node: ast.Expr, scope: Scope) -> bool:
    """An expression standing alone; a call that ends the program ends the block."""
    value = interpreter.value(node.value, scope)
    return isinstance(value, External) and value.name in ENDS_PROGRAM


def follow_assign(interpreter: Interpreter, node: ast.Assign, scope: Scope) -> None:
    """``a = b = value``."""
    value = interpreter.value(node.value, scope)
    for target in node.targets:
        binding.bind(interpreter, target, value, scope)


def follow_ann_assign(interpreter: Interpreter, node: ast.AnnAssign, scope: Scope) -> None:
    """``a: T = value``; a bare annotation in a class is a field."""
    if node.value:
        binding.bind(interpreter, node.target, interpreter.value(node.value, scope), scope)
    elif scope.is_class and isinstance(node.target, ast.Name):
        scope.variables.setdefault(node.target.id, Unknown())


def follow_aug_assign(interpreter: Interpreter, node: ast.AugAssign, scope: Scope) -> None:
    """``a += value``: lists grow, parameters are joined, anything else is known no longer."""
    load = ast.copy_location(_as_load(node.target), node.target)
    old = interpreter.value(load, scope)
    added = interpreter.value(node.value, scope)
    if isinstance(old, Parameters) or isinstance(added, Parameters):
        owners = [o for part in (old, added) if isinstance(part, Parameters) for o in part.owners]
        binding.bind(interpreter, node.target, Parameters(owners), scope)
    elif isinstance(old, Sequence) and isinstance(added, Sequence):
        old.items.extend(added.items)
    else:
        binding.bind(interpreter, node.target, Unknown(), scope)


def follow_if(interpreter: Interpreter, node: ast.If, scope: Scope) -> bool:
    """Both sides, unless the test is known; afterwards a variable may be what either side left."""
    value = interpreter.value(node.test, scope)
    test, default = operators.truth(value), operators.default_truth(value)
    place = scope.file.place(node)
    if test is not None:
        with interpreter.entered(Branch(node, place, scope, test, True)):
            return interpreter.block(node.body if test else node.orelse, scope)
    before = dict(scope.variables)
    with interpreter.entered(Branch(node, place, scope, True, operators.by_default(default, True))):
        first_ends = interpreter.block(node.body, scope)
    first, scope.variables = scope.variables, dict(before)
    with interpreter.entered(Branch(node, place, scope, False, operators.by_default(default, False))):
        second_ends = interpreter.block(node.orelse, scope)
    if first_ends and second_ends:
        return True
    if second_ends:
        scope.variables = first
    elif not first_ends and default is False:
        scope.variables = _join(scope.variables, first, default_first=True)
    elif not first_ends:
        scope.variables = _join(first, scope.variables, default_first=default is True)
    return False


def follow_for(interpreter: Interpreter, node: ast.For, scope: Scope) -> None:
    """The body once, with an element of what is looped over."""
    iterable = interpreter.value(node.iter, scope)
    loop = Loop(node, scope.file.place(node), scope, iterable, known_names(scope), held_attributes(scope))
    enter_loop(interpreter, loop, scope)
    with interpreter.entered(loop):
        binding.bind(interpreter, node.target, containers.element_of(interpreter, iterable), scope)
        interpreter.block(node.body, scope)
    interpreter.block(node.orelse, scope)


def follow_while(interpreter: Interpreter, node: ast.While, scope: Scope) -> bool:
    """The body once; without a way out of ``while True`` what follows is never reached."""
    known, held, sides = known_names(scope), held_attributes(scope), _sides(interpreter, node.test, scope)
    loop = Loop(node, scope.file.place(node), scope, None, known, held, sides)
    enter_loop(interpreter, loop, scope)
    if operators.truth(interpreter.value(node.test, scope)) is not False:
        with interpreter.entered(loop):
            interpreter.block(node.body, scope)
    interpreter.block(node.orelse, scope)
    endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
    return endless and not _breaks(node.body)


def _sides(interpreter: Interpreter, test: ast.expr, scope: Scope) -> tuple[Value, ...]:
    """The two sides of a comparison; none where it calls something, which is followed once."""
    if not isinstance(test, ast.Compare) or any(isinstance(node, ast.Call) for node in ast.walk(test)):
        return ()
    return tuple(interpreter.value(side, scope) for side in (test.left, *test.comparators))


def follow_with(interpreter: Interpreter, node: ast.With, scope: Scope) -> bool:
    """The body, within the contexts that are entered."""
    entries = []
    for item in node.items:
        value = interpreter.value(item.context_expr, scope)
        name = expressions.name_of(value)
        entries.append(Context(name, scope.file.place(node), value))
        if item.optional_vars:
            binding.bind(interpreter, item.optional_vars, containers.entered_value(value), scope)
    with interpreter.entered(*entries):
        return interpreter.block(node.body, scope)


def follow_try(interpreter: Interpreter, node: ast.Try, scope: Scope) -> bool:
    """The body, then each handler as a branch of its own."""
    ends = interpreter.block(node.body, scope)
    if not ends:
        ends = interpreter.block(node.orelse, scope)
    after = dict(scope.variables)
    survivors = [] if ends else [after]
    for handler in node.handlers:
        scope.variables = dict(after)
        if handler.name:
            scope.variables[handler.name] = Unknown()
        with interpreter.entered(Branch(handler, scope.file.place(handler), scope, True)):
            if not interpreter.block(handler.body, scope):
                survivors.append(scope.variables)
    scope.variables = survivors[0] if survivors else after
    for other in survivors[1:]:
        scope.variables = _join(scope.variables, other)
    return interpreter.block(node.finalbody, scope) or not survivors


def follow_match(interpreter: Interpreter, node: ast.Match, scope: Scope) -> None:
    """Each case as a branch of its own."""
    interpreter.value(node.subject, scope)
    results, before = [], dict(scope.variables)
    for case in node.cases:
        scope.variables = dict(before)
        with interpreter.entered(Branch(node, scope.file.place(node), scope, True)):
            if not interpreter.block(case.body, scope):
                results.append(scope.variables)
    scope.variables = before
    for result in results:
        scope.variables = _join(result, scope.variables)


def follow_return(interpreter: Interpreter, node: ast.Return, scope: Scope) -> bool:
    """Note what is returned."""
    value = interpreter.value(node.value, scope) if node.value else Literal(None)
    interpreter.returns[-1].append((value, interpreter.is_default()))
    note_exit(interpreter, node, scope)
    return True


def follow_raise(interpreter: Interpreter, node: ast.Raise, scope: Scope) -> bool:
    """Control leaves."""
    interpreter.value(node.exc, scope) if node.exc else None
    note_exit(interpreter, node, scope)
    return True


def follow_break(interpreter: Interpreter, node: ast.Break, scope: Scope) -> bool:
    """Control leaves the loop or its pass."""
    note_exit(interpreter, node, scope)
    return True


def follow_global(interpreter: Interpreter, node: ast.Global, scope: Scope) -> None:
    """Names that belong to the module."""
    scope.global_names.update(node.names)


def follow_nonlocal(interpreter: Interpreter, node: ast.Nonlocal, scope: Scope) -> None:
    """Names that belong to an enclosing function."""
    scope.nonlocal_names.update(node.names)


def follow_assert(interpreter: Interpreter, node: ast.Assert, scope: Scope) -> None:
    """Only its test is evaluated."""
    interpreter.value(node.test, scope)


def follow_import(interpreter: Interpreter, node: ast.Import, scope: Scope) -> None:
    """``import a.b as c``."""
    for alias in node.names:
        module = interpreter.import_module(alias.name)
        if alias.asname:
            scope.variables[alias.asname] = module
            continue
        top = alias.name.split(".")[0]
        value = interpreter.import_module(top) if "." in alias.name else module
        scope.variables[top] = value


def follow_import_from(interpreter: Interpreter, node: ast.ImportFrom, scope: Scope) -> None:
    """``from a import b``, relative and star imports among them."""
    folder = scope.file.path.parents[node.level - 1] if 0 < node.level <= len(scope.file.path.parents) else None
    module = interpreter.import_module(node.module or "", folder)
    for alias in node.names:
        if alias.name == "*":
            import_star(interpreter, module, scope)
            continue
        value = expressions.module_attribute(interpreter, module, alias.name)
        scope.variables[alias.asname or alias.name] = value


def follow_function_def(interpreter: Interpreter, node: ast.FunctionDef, scope: Scope) -> None:
    """A function becomes known; its defaults and decorators are evaluated."""
    owner = None
    name = f"{scope.qualified_name}.{node.name}".lstrip(".")
    function = Function(node, scope, name, owner)
    scope.variables[node.name] = function
    for default in [*node.args.defaults, *[d for d in node.args.kw_defaults if d]]:
        interpreter.value(default, scope)
    decorate(interpreter, function, scope)


def follow_class_def(interpreter: Interpreter, node: ast.ClassDef, scope: Scope) -> None:
    """A class becomes known; its body is followed."""
    name = f"{scope.qualified_name}.{node.name}".lstrip(".")
    body = Scope(scope.file, name, scope, is_class=True)
    bases = [interpreter.value(base, scope) for base in node.bases]
    cls = Class(node, scope, bases, body, name)
    interpreter.block(node.body, body)
    for member in body.variables.values():
        if isinstance(member, Function):
            member.owner = cls
    _name_members(cls)
    scope.variables[node.name] = cls
    decorate(interpreter, cls, scope)


def _name_members(cls: Class) -> None:
    """Make members of what a plain enumeration sets; those that are numbers or text as well stay what they are."""
    bases = [base.name for base in cls.ancestry() if isinstance(base, External)]
    if not bases or not set(bases) <= {"enum.Enum", "enum.Flag"}:
        return
    for name, value in cls.body.variables.items():
        if not name.startswith("_") and not isinstance(value, (Function, Class)):
            cls.body.variables[name] = Literal(Member(f"{cls.qualified_name}.{name}", value))


def known_names(scope: Scope) -> tuple[tuple[Scope, dict[str, Value]], ...]:
    """What the names of a scope and of those around it stand for at this point."""
    return tuple((outer, dict(outer.variables)) for outer in scope.chain())


def held_attributes(scope: Scope) -> tuple[tuple[Object | Mapping, dict[Any, Value]], ...]:
    """What the attributes of objects such as ``self``, and the entries of dictionaries, stand for at this point: of the
    project's classes that are no modules, and of settings; of those that have a name in a scope or around it, and of
    those inside them."""
    found: dict[int, Object | Mapping] = {}
    pending = [value for outer in scope.chain() for value in outer.variables.values()]
    for value in pending:  # which grows
        for one in options(value):
            if id(one) not in found and len(found) < MOST_HELD and _holds_values(one):
                found[id(one)] = one
                pending += contents(one).values()
    return tuple((one, dict(contents(one))) for one in found.values())


def _holds_values(value: Value) -> bool:
    """True for a dictionary, and for an object of the project's own or of settings that is no module."""
    if isinstance(value, Object):
        return is_namespace(value) or value.cls is not None and not value.is_module
    return isinstance(value, Mapping)


def enter_loop(interpreter: Interpreter, loop: Loop, scope: Scope) -> None:
    """Note a loop with what is around it; a literal that its body rebinds is known no longer."""
    interpreter.trace.loops.append((loop, interpreter.path))
    for name in _rebound_in(loop.node):
        owner, _, attribute = name.rpartition(".")
        if not owner:
            variables = scope.owner_of(name).variables
        else:
            held = scope.look_up(owner)
            variables = held.attributes if isinstance(held, Object) else {}
        if isinstance(variables.get(attribute), Literal):
            variables[attribute] = choose([variables[attribute], Unknown()])


def note_exit(interpreter: Interpreter, node: ast.stmt, scope: Scope) -> None:
    """Note where control leaves a loop or function."""
    interpreter.trace.exits.append((node, scope.file.place(node), interpreter.path))


def import_star(interpreter: Interpreter, module: Value, scope: Scope) -> None:
    """Bring in the public names of a local module; an external one's are looked up by name later."""
    if isinstance(module, LocalModule):
        exported = {name: value for name, value in module.scope.variables.items() if not name.startswith("_")}
        scope.variables.update(exported)
    elif isinstance(module, External):
        scope.variables.setdefault(f"*{module.name}", module)


def decorate(interpreter: Interpreter, decorated: Function | Class, scope: Scope) -> None:
    """Call the project's own decorators for what they register; what they make of the function is not followed."""
    for node in decorated.node.decorator_list:
        for decorator in options(interpreter.value(node, scope)):
            if isinstance(decorator, (Function, Bound)):
                call = ast.copy_location(ast.Call(node, [], []), node)
                ast.fix_missing_locations(call)
                calls.dispatch(interpreter, call, scope, None, decorator, [decorated], {})


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


@lru_cache(maxsize=4096)
def _rebound_in(loop: ast.For | ast.While) -> set[str]:
    """The names and attributes (``self.count``) that a loop's body assigns; those in functions inside it aside."""
    return {ast.unparse(target) for node in own_nodes(loop.body) for target in assigned(node)}


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


HANDLERS = {
    ast.Expr: follow_expr,
    ast.Assign: follow_assign,
    ast.AnnAssign: follow_ann_assign,
    ast.AugAssign: follow_aug_assign,
    ast.If: follow_if,
    ast.For: follow_for,
    ast.While: follow_while,
    ast.With: follow_with,
    ast.Try: follow_try,
    ast.Match: follow_match,
    ast.Return: follow_return,
    ast.Raise: follow_raise,
    ast.Break: follow_break,
    ast.Global: follow_global,
    ast.Nonlocal: follow_nonlocal,
    ast.Assert: follow_assert,
    ast.Import: follow_import,
    ast.ImportFrom: follow_import_from,
    ast.FunctionDef: follow_function_def,
    ast.ClassDef: follow_class_def,
    ast.AsyncFor: follow_for,
    ast.AsyncWith: follow_with,
    ast.Continue: follow_break,
    ast.AsyncFunctionDef: follow_function_def,
}
if hasattr(ast, "TryStar"):
    HANDLERS[ast.TryStar] = follow_try
