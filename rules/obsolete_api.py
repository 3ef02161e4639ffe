"""FLR102: API that today's PyTorch no longer has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeGuard

from engine.facts.source_text import assigned
from engine.facts.values import Class, Function, value_of
from engine.result import Result, Safety
from engine.rewrite import RewriteRule
from rules.base import Invalid, ProgramRule
from rules.reading import live_nodes, parts_of

if TYPE_CHECKING:
    import libcst as cst

    from engine.facts import Facts
    from engine.names import Names
    from engine.source import SourceFile

ITEM = RewriteRule("$loss.data[0]", "$loss.item()")
ITEM_OF_SUM = RewriteRule("$total[0]", "$total.item()")
REDUCES = re.compile(r"mean|sum|loss|entropy|nll|mse|bce|norm|criterion|crit\b|dot\(|item", re.IGNORECASE)


class ObsoleteApi(ProgramRule):
    """
    ## What it does
    Refuses `loss.data[0]` in code that the entry runs, and `total[0]` of a sum of such losses. A loss has been a tensor
    without dimensions since PyTorch 0.4, so that this raises an `IndexError`. Finds autograd functions, too, that are
    called as objects with a `forward` that is not static, which PyTorch 1.5 gave up.

    ## Why is this bad
    The original script fails in its first epoch, so there is no training to federate and nothing to compare with.

    ## Example
    ```python
    loss.backward()
    total += loss.data[0]  # IndexError: invalid index of a 0-dim tensor
    ```

    ## Remedy
    Write `loss.item()`, and `Function.apply` of a function with static `forward` and `backward`; run the script once by
    itself.

    ## Fix safety
    The fix is safe: `loss.item()` is the number that was meant.

    ## References
    - [PyTorch 0.4.0 migration guide](https://pytorch.org/blog/pytorch-0_4_0-migration-guide/)
    """

    CODE = "FLR102"
    MESSAGE = "A loss has no dimension to index; this raises on today's PyTorch, so the script cannot run as it is."
    REMEDY = "Write it as today's PyTorch has it (loss.item(), Function.apply) and run the script once by itself."
    NOT_STATIC = "forward of this autograd function is not static; this raises on today's PyTorch."
    SAFETY = Safety.SAFE
    VALID = [
        "loss.backward()\ntotal = loss.item()",
        "import torch\nbatch = torch.zeros(3)\nfirst = batch.data[0]",
        "import torch\nclass Double(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
        "        return 2 * x\nloss = Double.apply(model(x))\nloss.backward()",
        "def unused(loss):\n    return loss.data[0]\nloss.backward()",
        "total = [0.0]\nloss.backward()\ntotal += loss.data\nfirst = total[0]",
        "total = 0\nloss.backward()\ntotal += losses.data\nfirst = total[0]",
        "import torch\nif int(torch.__version__[0]) > 0:\n    total = loss.item()\nelse:\n    total = loss.data[0]\n"
        "loss.backward()",
        "def objective(out, y):\n    return -1.0 * (y * out.log() + (1 - y) * (1 - out).log())  # of shape (1, 1)\n"
        "loss = objective(model(x), y)\nloss.backward()\ntotal = loss.data[0]",
    ]
    INVALID = [
        Invalid(
            "import torch\nloss = model(x)\nloss.backward()\ntotal = loss.data[0] / 2",
            expected_replacement="import torch\nloss = model(x)\nloss.backward()\ntotal = loss.item() / 2",
        ),
        Invalid(
            "total = 0\nfor x in loader:\n    loss.backward()\n    total += loss.data\nprint(total[0])",
            expected_replacement="total = 0\nfor x in loader:\n    loss.backward()\n    total += loss.data\n"
            "print(total.item())",
        ),
        Invalid(
            "import torch\nclass Double(torch.autograd.Function):\n    def forward(self, x):\n        return 2 * x\n"
            "loss = Double()(model(x))\nloss.backward()"
        ),
        Invalid(
            """
            import torch
            from torch.autograd import Function
            class Double(Function):
                def forward(self, x):
                    return 2 * x
            class Net(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = torch.nn.Linear(2, 2)
                def forward(self, x):
                    return Double()(self.layer(x))
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                model(torch.ones(1, 2)).sum().backward()
                optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Losses, that is what `backward` is called on, and sums of them, indexed as if they had a dimension."""
        yield from (cls.found(file, node, cls.NOT_STATIC) for file, node in not_static(facts))
        backward = [event.node.func for event in facts.trace.named(".backward")]
        losses = {ast.unparse(func.value) for func in backward if isinstance(func, ast.Attribute)}
        losses -= with_dimensions(facts)
        older = for_older_versions(facts)
        sums: dict[str, set[str]] = {}
        for file, node in live_nodes(facts):
            if node in older:
                continue
            if is_first_of_data(node) and ast.unparse(node.value.value) in losses:
                yield cls.found(file, node)
            elif is_first(node) and isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
                if file.name not in sums:
                    sums[file.name] = sums_of(losses, file)
                if node.value.id in sums[file.name]:
                    yield cls.found(file, node)

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """``loss.item()``, or ``total.item()``."""
        match = ITEM.match(node, names) or ITEM_OF_SUM.match(node, names)
        return match.replacement if match else None


def with_dimensions(facts: Facts) -> set[str]:
    """The names of what functions of the project give back that seem to reduce nothing to one number: a loss of shape
    ``(1, 1)`` may be indexed."""
    found = set()
    for event in facts.trace.events:
        statement, function = event.statement, event.function
        if function is not None and isinstance(statement, ast.Assign) and statement.value is event.node:
            names = {ast.unparse(name) for target in assigned(statement) for name in ast.walk(target)}
            found |= set() if REDUCES.search(ast.unparse(function.node)) else names
    return found


def for_older_versions(facts: Facts) -> set[ast.AST]:
    """What stands under a test of a version."""
    tests = [node for _, node in live_nodes(facts) if isinstance(node, ast.If) and "version" in ast.unparse(node.test)]
    return {inner for test in tests for inner in ast.walk(test)}


def not_static(facts: Facts) -> Iterator[tuple[SourceFile, ast.AST]]:
    """Where objects of autograd functions are made whose ``forward`` is not static, in models as well."""
    for one in facts.trace.objects:
        if one.cls is not None and one.scope is not None and is_not_static(one.cls):
            yield one.scope.file, one.node
    classes = {part.cls for model in facts.models for part in parts_of(model.value) if part.cls is not None}
    for cls in sorted(classes, key=lambda each: each.name):
        for node in ast.walk(cls.node):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            called = value_of(node.func, cls.body) if named else []
            if any(isinstance(one, Class) and is_not_static(one) for one in called):
                yield cls.file, node


def is_not_static(cls: Class) -> bool:
    """True for an autograd function in the style of before PyTorch 1.5."""
    forward = cls.find("forward") if cls.derives_from("torch.autograd.Function") else None
    if not isinstance(forward, Function) or isinstance(forward.node, ast.Lambda):
        return False
    return "staticmethod" not in map(ast.unparse, forward.node.decorator_list)


def is_first(node: ast.AST) -> TypeGuard[ast.Subscript]:
    """True for ``x[0]``."""
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 0


def is_first_of_data(node: ast.AST) -> bool:
    """True for ``x.data[0]``."""
    return is_first(node) and isinstance(node.value, ast.Attribute) and node.value.attr == "data"


def sums_of(losses: set[str], file: SourceFile) -> set[str]:
    """The names in a file that start as a number and add up losses as tensors: ``total += loss.data``."""
    added = [n for n in file.nodes if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)]
    tensors = {f"{loss}.data" for loss in losses}
    sums = {n.target.id for n in added if any(ast.unparse(p) in tensors for p in own_values(n.value))}
    others = {
        target.id
        for node in file.nodes
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant)
        for target in assigned(node)
        if isinstance(target, ast.Name)
    }
    return sums - others


def own_values(node: ast.expr) -> Iterator[ast.expr]:
    """The terms and factors of an expression."""
    if isinstance(node, ast.BinOp):
        yield from own_values(node.left)
        yield from own_values(node.right)
    else:
        yield node
