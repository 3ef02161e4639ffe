"""Whether training depends on the number of the epoch, or only its reports do."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from engine.facts import Facts
from engine.facts.source_text import assigned, breaks, contains, names_read, text_of
from engine.facts.trace import Event
from engine.plan.passed import arguments_written, given_before

REPORTS = {
    "print", "info", "debug", "warning", "log", "write", "format", "add_scalar", "add_scalars", "add_image",
    "add_images", "add_histogram", "set_description", "set_postfix", "set_postfix_str", "save", "append", "update",
    "join", "str", "savefig", "save_image", "dump", "title", "line", "track", "writerow", "log_metric",
    "log_metrics", "record", "tqdm", "isfile", "mkdir", "makedirs", "Path", "plot", "extend", "imwrite",
    "imsave", "report", "progress_bar", "save_checkpoint",
}  # fmt: skip
RATES = ("lr", "momentum", "weight_decay")
ADDS = ("append", "extend", "update", "add")
CHANGES = re.compile(r"^(load_state_dict|set_\w+|resample\w*|shuffle\w*|sync\w*|refresh\w*|\w*[a-z]_)$")
"""Methods that change what they are called on: a teacher that takes the weights over, a data set that is drawn anew."""
BUILDS_TRAINING = ("torch.optim.", "torch.utils.data.", "torch.nn.")


def epoch_number_matters(facts: Facts, loop: ast.For, variable: str) -> bool:
    """True where the loop's variable reaches more than a report: a learning rate, a schedule, a sampler, a weight."""
    if facts.arrays is not None:
        return variable in facts.arrays.depends_on
    inside = [event for event in facts.trace.events if event.within_node(loop)]
    called = [event.function.node for event in inside if event.function is not None] if "." in variable else []
    bodies = [node.body for node in dict.fromkeys(called) if not isinstance(node, ast.Lambda)]
    given_on = any(reaches_training(body, variable, inside, depth=1) is not False for body in bodies)
    return given_on or bool(reaches_training(loop.body, variable, inside, depth=0))


def reaches_training(
    body: list[ast.stmt], variable: str, events: list[Event], depth: int = 0, but_for: Collection[ast.AST] = ()
) -> bool | None:
    """True where a variable is used for more than reports in some statements; None where it is only handed back.

    Args:
        body: the statements.
        variable: its name, or the attribute.
        events: the calls that are looked into.
        depth: how many calls lead to the statements.
        but_for: calls that do not count.
    """
    parents = {
        child: node for statement in body for node in ast.walk(statement) for child in ast.iter_child_nodes(node)
    }
    uses = [
        node
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Load)
        if text_of(node) == variable and not any(contains(call, node) for call in but_for)
    ]
    return _worst([_use_matters(use, parents, events, depth) for use in uses])


def _worst(found: list[bool | None]) -> bool | None:
    """True where any is True, None where none is and any is None."""
    return True if True in found else None if None in found else False


def _use_matters(use: ast.AST, parents: dict[ast.AST, ast.AST], events: list[Event], depth: int) -> bool | None:
    """True where one use of the variable is more than a report; None where it is handed back to a caller."""
    node, inside = use, use
    while node in parents:
        inside, node = node, parents[node]
        if isinstance(node, ast.Call) and inside is not node.func:
            if is_report(node):
                return False
            followed = _followed(node, inside, events, depth)
            if followed is not None:
                return followed
        if isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and _is_text(node.left):
            return False
        if isinstance(node, ast.Dict) or isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            return False  # what a checkpoint or a record keeps
        if isinstance(node, ast.If) and inside is node.test:
            return (
                _trains([*node.body, *node.orelse], events)
                or _feeds_training(node, parents, events)
                or _leaves_since(node, use, parents)
            )
        if isinstance(node, ast.Assign):
            return _assignment_matters(node)
        if isinstance(node, ast.Return):
            return None if depth else False
        if isinstance(node, ast.stmt):
            return True
    return True


def _called(call: ast.Call) -> str:
    """The last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_report(call: ast.Call) -> bool:
    """True for a call that only reports or keeps what it is given; not for ``group.update(lr=rate)``."""
    return _called(call) in REPORTS and not any(keyword.arg in RATES for keyword in call.keywords)


def _is_text(node: ast.AST) -> bool:
    """True for text that is formatted with ``%``."""
    return isinstance(node, ast.JoinedStr) or isinstance(node, ast.Constant) and isinstance(node.value, str)


def _sets_on_object(node: ast.AST) -> bool:
    """True for an assignment to an attribute, such as ``self.weight = 1``."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Attribute) for target in targets) and _assignment_matters(node)


def _assignment_matters(node: ast.Assign) -> bool:
    """True unless the epoch's number only becomes the best epoch, a name or a time."""
    return not any(
        word in ast.unparse(target).lower()
        for target in node.targets
        for word in ("best", "name", "path", "msg", "time", "last")
    )


def _followed(call: ast.Call, argument: ast.AST, events: list[Event], depth: int) -> bool | None:
    """Whether a local function uses the number it is passed for more than reports; None for a library's, and where
    it is handed back, so that the use of the result tells."""
    called = {e.function.node: e for e in events if e.node is call and e.function is not None}
    if not called or depth > 4:
        return None
    return _worst([_parameter_matters(e, call, argument, events, depth) for e in called.values()])


def _parameter_matters(event: Event, call: ast.Call, argument: ast.AST, events: list[Event], depth: int) -> bool | None:
    """True where a function uses the parameter that an argument becomes for more than reports; None where it only
    hands it back."""
    function = event.function
    assert function is not None
    if isinstance(function.node, ast.Lambda):
        return None
    value = argument.value if isinstance(argument, ast.keyword) else argument
    written = arguments_written(function, call, given_before(event))
    name = next((name for name, given in written.items() if given is value), None)
    return True if name is None else reaches_training(function.node.body, name, events, depth + 1)


def _feeds_training(condition: ast.If, parents: dict[ast.AST, ast.AST], events: list[Event]) -> bool:
    """True where a condition decides what something holds that training goes by: a weight of the loss, say, or a list
    of batches. What is set on an object may be read anywhere."""
    decided = [node for part in (*condition.body, *condition.orelse) for node in ast.walk(part)]
    names = {node.id for node in decided if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {
        node.func.value.id
        for node in decided
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ADDS
        if isinstance(node.func.value, ast.Name)
    }
    changed = {name for node in decided for name in names_read(_changed(node))}
    names |= changed
    if "self" in changed or any(_sets_on_object(node) or _goes_through_layers(node) for node in decided):
        return True
    beside = set(parents.values()) - parents.keys()
    training = [node for statement in beside if _trains([statement], events) for node in ast.walk(statement)]
    read = {node.id for node in training if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    own = {id(node) for node in decided}
    bound = {n.id for n in training if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and id(n) not in own}
    return bool(names & read - bound) or any(_is_read_next(name, condition, training) for name in names)


def _leaves_since(condition: ast.If, use: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """True where the loop is left a number of epochs after one that it noted: ``if epoch - best_epoch > 5: break``."""
    if not breaks(condition):
        return False
    number, nodes = text_of(use), [node for node in {*parents.values()} if isinstance(node, ast.Assign)]
    noted = {text_of(one) for node in nodes if number in map(text_of, ast.walk(node.value)) for one in assigned(node)}
    return not noted.isdisjoint(map(text_of, ast.walk(condition.test)))


def _is_read_next(name: str, condition: ast.If, nodes: list[ast.AST]) -> bool:
    """True where a name is read below a condition before it is set anew: ``loss`` in ``if epoch > 2: loss = 2 * loss``,
    by what goes back through it."""
    uses = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    below = [node for node in uses if node.lineno > (condition.end_lineno or condition.lineno)]
    first = min((node.lineno for node in below), default=None)
    return any(node.lineno == first and isinstance(node.ctx, ast.Load) for node in below)


def _changed(node: ast.AST) -> ast.AST:
    """What a call of a method changes: ``teacher`` in ``teacher.load_state_dict(state)``; nothing for any other."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr not in REPORTS:
        return node.func.value if CHANGES.match(node.func.attr) else ast.Pass()
    return ast.Pass()


def _goes_through_layers(node: ast.AST) -> bool:
    """True for a loop over the layers of a model: each is frozen, say, or gets another rate of dropout."""
    return isinstance(node, ast.For) and text_of(node.iter).endswith(("modules()", "children()"))


def _trains(statements: list[ast.stmt], events: list[Event]) -> bool:
    """True where statements train: they set rates or gradients, step, or call what does."""
    nodes = [node for part in statements for node in ast.walk(part)]
    if _sets_training(nodes):
        return True
    calls = {node for node in nodes if isinstance(node, ast.Call)}
    made = [event for event in events if event.node in calls]
    return any(
        event.name.startswith(BUILDS_TRAINING)
        or event.function is not None
        and _sets_training(list(ast.walk(event.function.node)))
        for event in made
    )


def _is_part(method: ast.expr) -> bool:
    """True for a method of a part of something: ``model.norm.eval``, which freezes the statistics of a layer."""
    owner = method.value if isinstance(method, ast.Attribute) else None
    return isinstance(owner, ast.Attribute) and text_of(owner.value) != "self"


def _sets_training(nodes: list[ast.AST]) -> bool:
    """True for code that steps, sets a learning rate, freezes, draws or forgets what is trained, or changes a rate."""
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) == "eval" and _is_part(node.func):
            return True
        if isinstance(node, ast.Call) and text_of(node.func).endswith(".state.clear"):
            return True
        if isinstance(node, ast.Call) and _called(node) in (
            "step",
            "backward",
            "requires_grad_",
            "add_param_group",
            "set_epoch",
            "reset_parameters",
            "apply",
        ):
            return True
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                text = ast.unparse(target).lower()
                if (
                    text.endswith(("['lr']", ".requires_grad", "['momentum']"))
                    or "lr" in text.split("_")
                    or "learning_rate" in text
                ):
                    return True
    return False
