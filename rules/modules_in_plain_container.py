"""FLR112: layers in a plain list or dictionary."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.models import has_no_parameters
from engine.facts.values import Class, Function, Mapping, Object, Sequence, Value, options
from engine.result import Result, Safety
from rules.base import Invalid, ProgramRule
from rules.plain_tensor_state import made
from rules.reading import file_of, methods, parts_of, self_attribute

if TYPE_CHECKING:
    import libcst as cst

    from engine.facts import Facts
    from engine.names import Names

DEEPEST = 4
COMPREHENSIONS = ("builtins.list", "builtins.generator", "builtins.tuple")


class ModulesInPlainContainer(ProgramRule):
    """
    ## What it does
    Refuses a model that keeps layers in a plain list, tuple or dictionary and registers them nowhere else.

    ## Why is this bad
    PyTorch does not see them: their weights are missing from `parameters()`, from `state_dict()` and from what a site
    sends. Unless something else trains them they are never trained at all.

    ## Example
    ```python
    self.layers = [nn.Linear(10, 10) for _ in range(3)]
    ```

    ## Remedy
    Use `nn.ModuleList([...])` for a list and `nn.ModuleDict({...})` for a dictionary with strings as keys.

    ## Fix safety
    The fix is unsafe: the layers join `parameters()` and `state_dict`, so that training and checkpoints change.

    ## References
    - [torch.nn.ModuleList](https://pytorch.org/docs/stable/generated/torch.nn.ModuleList.html)
    """

    CODE = "FLR112"
    MESSAGE = "These layers are in a plain container, so the model's state_dict does not carry them."
    REMEDY = "Use nn.ModuleList for a list of modules and nn.ModuleDict for a dictionary of modules."
    SAFETY = Safety.UNSAFE
    VALID = [
        """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                layers = [nn.Linear(2, 2), nn.Linear(2, 2)]
                self.names = ["first", "second"]
                self.all = [nn.Linear(2, 2)]
                self.blocks = []
                for index in range(3):
                    block = nn.Linear(2, 2)
                    setattr(self, f"block{index}", block)
                    self.blocks.append(block)
                self.activations = [nn.ReLU(), nn.Tanh()]
                self.body = nn.Sequential(*layers)
                self.more = nn.ModuleList(self.all)
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
        """,
        """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self, kind):
                super().__init__()
                self.menu = {"small": nn.Linear(2, 2), "large": nn.Linear(4, 4)}
                self.body = self.chosen(kind)
            def chosen(self, kind):
                return self.menu[kind]
            def forward(self, x):
                return self.body(x)
        model = Net("small")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
        """,
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(2, 1)
                    self.layers = [nn.Linear(2, 2) for _ in range(3)]  # all alike
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
                    self.head = nn.Linear(2, 1)
                    self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])  # all alike
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
                    self.heads = {"a": nn.Linear(2, 1)}
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
                    self.heads = nn.ModuleDict({"a": nn.Linear(2, 1)})
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
                def __init__(self, kind):
                    super().__init__()
                    self.menu = {"small": nn.Linear(2, 2), "large": nn.Linear(2, 2)}
                    self.body = self.menu[kind]
                def forward(self, x, kind):
                    return self.menu[kind](self.body(x))
            model = Net("small")
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
                def __init__(self, kind):
                    super().__init__()
                    self.menu = nn.ModuleDict({"small": nn.Linear(2, 2), "large": nn.Linear(2, 2)})
                    self.body = self.menu[kind]
                def forward(self, x, kind):
                    return self.menu[kind](self.body(x))
            model = Net("small")
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
                    self.body = nn.Linear(2, 2)
                    self.heads = [(nn.Linear(2, 1), 0.5), (nn.Linear(2, 1), 2.0)]
                def forward(self, x):
                    return sum(weight * head(self.body(x)) for head, weight in self.heads)
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The statements that make such containers, in the classes the trained model is made of."""
        seen = set()
        for part in [*holders(facts), *(part for model in facts.models for part in parts_of(model.value))]:
            if part.cls is None or not part.is_module:
                continue
            registered = registered_in(part) | added_to(facts)
            for name, value in part.attributes.items():
                plain = [inner for option in options(value) for inner in contained(option)]
                picked = any(id(module) in registered for module in plain) and is_menu(part.cls, name)
                learning = [module for module in plain if not has_no_parameters(module)]
                loose = not picked and any(id(module) not in registered for module in learning)
                statement = made(part.cls, name) if loose else None
                if statement and statement not in seen:
                    seen.add(statement)
                    yield cls.found(file_of(part.cls, statement), statement)

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """The container wrapped into ``nn.ModuleList`` or ``nn.ModuleDict``."""
        import libcst as cst

        kinds = {cst.List: "ModuleList", cst.ListComp: "ModuleList", cst.Dict: "ModuleDict"}
        if not isinstance(node, cst.Assign) or type(node.value) not in kinds or nested(node.value):
            return None
        try:
            container = cst.parse_expression(names.spelling(f"torch.nn.{kinds[type(node.value)]}"))
        except LookupError:
            return None
        return node.with_changes(value=cst.Call(container, [cst.Arg(node.value)]))


def nested(container: cst.BaseExpression) -> bool:
    """True for a container of containers, which takes more than one ``nn.ModuleList``."""
    import libcst as cst

    held = [container.elt] if isinstance(container, cst.ListComp) else [one.value for one in container.elements]
    return any(isinstance(one, (cst.BaseList, cst.Tuple, cst.BaseDict)) for one in held)


def is_menu(cls: Class, name: str) -> bool:
    """True for a dictionary of which the constructor picks one entry: only it, or what it calls, looks an entry up."""
    reading = {method.name: method for method in methods(cls) if name in map(self_attribute, ast.walk(method))}
    constructor = cls.find("__init__")
    if not isinstance(constructor, Function):
        return False
    elsewhere = [method for method in methods(cls) if method is not constructor.node]
    if any(self_attribute(node) in reading for method in elsewhere for node in ast.walk(method)):
        return False
    subscripts = [node for method in reading.values() for node in ast.walk(method) if isinstance(node, ast.Subscript)]
    looked_up = [node.value for node in subscripts if self_attribute(node.value) == name]
    read = [n for m in reading.values() for n in ast.walk(m) if self_attribute(n) == name]
    stored = [node for node in read if isinstance(node.ctx, ast.Store)]
    called = {m.name for m in reading.values()} <= {"__init__"} | set(map(self_attribute, ast.walk(constructor.node)))
    return called and len(read) == len(looked_up) + len(stored)


def holders(facts: Facts) -> list[Object]:
    """The modules that hold the trained model itself in a plain container."""
    trained = [model.value for model in facts.models]
    modules = [value for value in facts.trace.objects if value.cls is not None and value.is_module]
    return [
        module
        for module in modules
        for value in module.attributes.values()
        if any(inner in trained for option in options(value) for inner in contained(option))
    ]


def contained(value: Value, depth: int = 0) -> list[Object]:
    """The modules in a plain list, tuple, dictionary or comprehension, or in those inside it."""
    items: list[Value] = []
    if isinstance(value, Sequence):
        items = value.items
    elif isinstance(value, Mapping):
        items = [*value.items.values(), *value.rest]
    elif isinstance(value, Object) and value.kind in COMPREHENSIONS and not isinstance(value.node, ast.Call):
        items = value.args
    held = [one for item in items for one in options(item)] if depth < DEEPEST else []
    modules = [one for one in held if isinstance(one, Object) and one.is_module]
    return [*modules, *(inner for one in held if one not in modules for inner in contained(one, depth + 1))]


def registered_in(module: Object) -> set[int]:
    """The modules that a module registers itself, by identity: its attributes, and what library containers hold."""
    direct = [option for value in module.attributes.values() for option in options(value) if isinstance(option, Object)]
    held = [part for option in direct if option.cls is None and option.is_module for part in parts_of(option)]
    return {id(part) for part in [*direct, *held]}


def added_to(facts: Facts) -> set[int]:
    """The modules handed to ``setattr``, or to ``add_module`` or ``register_module`` of a module."""
    events = facts.trace.named("builtins.setattr", ".add_module", ".register_module", "torch.nn.Module.add_module")
    added = [option for event in events for value in event.args for option in options(value)]
    return {id(option) for option in added}
