"""FLR111: tensors of the model that its state_dict does not carry."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.optimizers import PARAMETERS
from engine.facts.source_text import contains
from engine.facts.values import Class, Object, Value, objects, plain
from engine.result import Result, Safety
from rules.base import Invalid, ProgramRule
from rules.reading import file_of, methods, parts_of, self_attribute

if TYPE_CHECKING:
    import libcst as cst

    from engine.facts import Facts
    from engine.facts.trace import Event
    from engine.names import Names
    from engine.source import SourceFile

MOVES = ("to", "cuda", "cpu", "type", "type_as", "float", "double", "half", "long")
RANDOM = {"torch.rand", "torch.randn", "torch.randint", "torch.randperm", "torch.normal"}
TENSORS = RANDOM | {
    "torch.zeros", "torch.ones", "torch.full", "torch.empty", "torch.eye", "torch.tensor", "torch.Tensor",
    "torch.FloatTensor", "torch.LongTensor", "torch.arange", "torch.linspace",
}  # fmt: skip


BUFFER = "torch.nn.Buffer"
DRAWS = re.compile(
    r"^(torch\.(rand|randn|randint|randperm|normal|bernoulli)|numpy\.random\.(rand|randn|randint|random|permutation|normal"
    r"|uniform|choice|standard_normal)|random\.(random|randint|randrange|uniform|gauss|sample|choices?))$"
)


class PlainTensorState(ProgramRule):
    """
    ## What it does
    Refuses a model that keeps a tensor as a plain attribute, or as a buffer that is not persistent, where training
    changes it (a running average, a codebook, a memory bank), or where it is random and used as a constant (a random
    projection).

    ## Why is this bad
    `state_dict` carries parameters and persistent buffers only. A plain tensor is not sent, so the sites and the server
    go on with different ones, and a saved model is incomplete, too.

    ## Example
    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.average = torch.zeros(10)

        def forward(self, x):
            self.average = 0.9 * self.average + 0.1 * x.mean(0)
    ```

    ## Remedy
    Register it: `self.register_buffer("average", torch.zeros(10))`, without `persistent=False`. Then it is saved, sent,
    and follows `.to(device)`.

    ## Fix safety
    The fix is unsafe: `state_dict` gains a key, and a checkpoint saved before does not load strictly any more.

    ## References
    - [torch.nn.Module.register_buffer](https://pytorch.org/docs/stable/generated/torch.nn.Module.html)
    """

    CODE = "FLR111"
    MESSAGE = "This tensor is part of what the model computes, and its state_dict does not carry it."
    REMEDY = "Register it as a persistent buffer: self.register_buffer(name, tensor)."
    SAFETY = Safety.UNSAFE
    VALID = [
        """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(2, 2)
                self.register_buffer("average", torch.zeros(2))
                self.hidden = torch.zeros(2)
                self.scale = torch.ones(2)
                self.times = torch.tensor([0.0, 1.0])
                self.register_buffer("places", torch.arange(2), persistent=False)
            def reset(self):
                self.hidden = torch.zeros(2)
            def forward(self, x):
                self.average = 0.9 * self.average + 0.1 * x.mean(0)
                self.hidden = self.hidden + x.mean(0)
                self.times = self.times.to(x.device)  # the same numbers
                return self.layer(x) * self.scale + self.times + self.places
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 2)
                    self.average = torch.zeros(2)  # of the inputs
                def forward(self, x):
                    self.average = 0.9 * self.average + 0.1 * x.mean(0)
                    return self.layer(x - self.average)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
            expected_replacement="""
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 2)
                    self.register_buffer("average", torch.zeros(2))  # of the inputs
                def forward(self, x):
                    self.average = 0.9 * self.average + 0.1 * x.mean(0)
                    return self.layer(x - self.average)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
        ),
        Invalid(
            """
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 2)
                    self.register_buffer("average", torch.zeros(2), persistent=False)
                def forward(self, x):
                    self.average.mul_(0.9).add_(x.mean(0), alpha=0.1)
                    return self.layer(x - self.average)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
            expected_replacement="""
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 2)
                    self.register_buffer("average", torch.zeros(2))
                def forward(self, x):
                    self.average.mul_(0.9).add_(x.mean(0), alpha=0.1)
                    return self.layer(x - self.average)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
        ),
        Invalid(
            """
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(8, 2)
                    self.register_buffer("projection", torch.randn(2, 8), persistent=False)
                def forward(self, x):
                    return self.layer(x @ self.projection)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
            expected_replacement="""
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(8, 2)
                    self.register_buffer("projection", torch.randn(2, 8))
                def forward(self, x):
                    return self.layer(x @ self.projection)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The statements that make such tensors, in the classes the trained model is made of."""
        seen = set()
        for _, _, statement, file in not_carried(facts):
            if statement not in seen:
                seen.add(statement)
                yield cls.found(file, statement)

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """``self.register_buffer("x", tensor)`` for ``self.x = tensor`` and for a buffer that is not persistent."""
        import libcst as cst

        if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call) and len(node.value.args) > 2:
            if not isinstance(node.value.args[2].value, cst.Name) or node.value.args[2].value.value != "False":
                return None
            kept = [*node.value.args[:1], node.value.args[1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
            return node.with_changes(value=node.value.with_changes(args=kept))
        if not isinstance(node, cst.Assign) or len(node.targets) != 1:
            return None
        target = node.targets[0].target
        if not isinstance(target, cst.Attribute) or not makes_tensor(node.value, names):
            return None
        name = cst.Arg(cst.SimpleString(f'"{target.attr.value}"'))
        register = cst.Attribute(target.value, cst.Name("register_buffer"))
        return cst.Expr(cst.Call(register, [name, cst.Arg(node.value)]))


def makes_tensor(value: cst.BaseExpression, names: Names) -> bool:
    """True for an expression that calls a function of PyTorch which makes a tensor."""
    import libcst as cst

    from engine.tree import walk

    called = [each.func for each in walk(value) if isinstance(each, cst.Call)]
    return any(names.mean(function, kind) for function in called for kind in (*TENSORS, "torch.from_numpy"))


def not_carried(facts: Facts) -> Iterator[tuple[Object, str, ast.stmt, SourceFile]]:
    """The tensors of the trained models that their state_dict lacks: the part, the attribute, what makes it, where."""
    drawing = {id(event.node) for event in facts.trace.events if DRAWS.match(event.name)}
    for part in (part for model in facts.models for part in parts_of(model.value)):
        if not part.cls or not part.is_module:
            continue
        for name, value in part.attributes.items():
            found = objects(value)
            kinds = {option.kind for option in found}
            statement = made(part.cls, name)
            if statement is None or any(one.is_module or one.kind in PARAMETERS for one in found if one.kind != BUFFER):
                continue
            kept = not any(one.kind == BUFFER and plain(one.kwargs.get("persistent")) is not False for one in found)
            random = is_random(part.cls, statement, drawing)
            if kept and (kinds & {*TENSORS, BUFFER} or random) and _matters(part.cls, name, random):
                yield part, name, statement, file_of(part.cls, statement)
        for event in facts.trace.named(".register_buffer"):
            name, tensor, persistent = (given(event, *at) for at in enumerate(("name", "tensor", "persistent")))
            if event.receiver is part and plain(persistent) is False and isinstance(plain(name), str):
                random = any(one.kind in RANDOM for one in objects(tensor))
                if _matters(part.cls, plain(name), random):
                    yield part, plain(name), event.statement, event.scope.file


def given(event: Event, position: int, name: str) -> Value | None:
    """What a call is given, by position or by name."""
    return event.args[position] if position < len(event.args) else event.kwargs.get(name)


def _matters(cls: Class, name: str, random: bool) -> bool:
    """True for a tensor that training changes, and for a random one that is used as a constant."""
    return changes(cls, name) or (random and constant(cls, name))


def is_random(cls: Class, statement: ast.Assign, drawing: set[int]) -> bool:
    """True where a constructor works out a value from random numbers, directly or through its own variables.

    Args:
        cls: the class of a module.
        statement: of one of its methods.
        drawing: the calls that draw random numbers, by identity.
    """
    drawn: set[str] = set()
    constructor = next(method for method in methods(cls) if contains(method, statement))
    for node in ast.walk(constructor):
        if isinstance(node, ast.Assign) and node.lineno < statement.lineno and _draws(node.value, drawn, drawing):
            drawn |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return _draws(statement.value, drawn, drawing)


def _draws(node: ast.expr, drawn: set[str], drawing: set[int]) -> bool:
    """True for an expression with a call that draws random numbers, or with what was drawn before."""
    parts = list(ast.walk(node))
    return any(id(part) in drawing or (isinstance(part, ast.Name) and part.id in drawn) for part in parts)


def made(cls: Class, name: str) -> ast.Assign | None:
    """The statement of a constructor that makes an attribute; ``None`` where it is not one plain assignment."""
    constructors = [method for method in methods(cls) if method.name == "__init__"]
    found = (node for method in constructors for node in assignments(method, name) if len(node.targets) == 1)
    return next(found, None)


def assignments(method: ast.AST | None, name: str) -> list[ast.Assign]:
    """The assignments to ``self.name`` in a method."""
    nodes = ast.walk(method) if method else ()
    return [
        node
        for node in nodes
        if isinstance(node, ast.Assign) and any(self_attribute(target) == name for target in node.targets)
    ]


def settings(method: ast.AST, name: str) -> list[ast.Assign]:
    """The assignments to ``self.name`` in a method that give it other numbers."""
    return [node for node in assignments(method, name) if not moves(node.value, name)]


def changes(cls: Class, name: str) -> bool:
    """True where a method works a new value out of the old one, and none starts afresh."""
    found = False
    for method in methods(cls):
        if method.name == "__init__":
            continue
        plain = settings(method, name)
        if any(not reads(node.value, name) for node in plain):
            return False
        found = found or bool(plain) or any(in_place(node, name) for node in ast.walk(method))
    return found


def moves(value: ast.expr, name: str) -> bool:
    """True for ``self.x.to(device)`` and the like: the same numbers on another device, or of another type."""
    function = value.func if isinstance(value, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in MOVES and self_attribute(function.value) == name


def constant(cls: Class, name: str) -> bool:
    """True where the methods read an attribute and none assigns it."""
    others = [method for method in methods(cls) if method.name != "__init__"]
    return any(reads(method, name) for method in others) and not any(settings(method, name) for method in others)


def reads(node: ast.AST, name: str) -> bool:
    """True where ``self.name`` stands within a node."""
    return any(self_attribute(child) == name and isinstance(child.ctx, ast.Load) for child in ast.walk(node))


def in_place(node: ast.AST, name: str) -> bool:
    """True for ``self.x += ...``, ``self.x[...] = ...`` and ``self.x.add_(...)``."""
    if isinstance(node, ast.AugAssign):
        return self_attribute(node.target) == name
    if isinstance(node, ast.Assign):
        return any(isinstance(each, ast.Subscript) and self_attribute(each.value) == name for each in node.targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        if isinstance(owner, ast.Attribute) and owner.attr == "data":
            owner = owner.value
        method = node.func.attr
        return self_attribute(owner) == name and method.endswith("_") and method != "requires_grad_"
    return False
