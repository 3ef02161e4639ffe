"""FLR102: API that today's PyTorch no longer has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result, Safety
from engine.rewrite import RewriteRule
from rules.base import Invalid, ProgramRule
from rules.reading import live_nodes

if TYPE_CHECKING:
    import libcst as cst

    from engine.facts import Facts
    from engine.names import Names

ITEM = RewriteRule("$loss.data[0]", "$loss.item()")


class ObsoleteApi(ProgramRule):
    """
    ## What it does
    Refuses `loss.data[0]` in code that the entry runs. A loss has been a tensor without dimensions since PyTorch 0.4,
    so that this raises an `IndexError`.

    ## Why is this bad
    The original script fails in its first epoch, so there is no training to federate and nothing to compare with.

    ## Example
    ```python
    loss.backward()
    total += loss.data[0]  # IndexError: invalid index of a 0-dim tensor
    ```

    ## Remedy
    Write `loss.item()` and run the script once by itself.

    ## Fix safety
    The fix is safe: `loss.item()` is the number that was meant.

    ## References
    - [PyTorch 0.4.0 migration guide](https://pytorch.org/blog/pytorch-0_4_0-migration-guide/)
    """

    CODE = "FLR102"
    MESSAGE = "A loss has no dimension to index; this raises on today's PyTorch, so the script cannot run as it is."
    REMEDY = "Write .item() instead and run the script once by itself."
    SAFETY = Safety.SAFE
    VALID = [
        "loss.backward()\ntotal = loss.item()",
        "import torch\nbatch = torch.zeros(3)\nfirst = batch.data[0]",
        "def unused(loss):\n    return loss.data[0]\nloss.backward()",
    ]
    INVALID = [
        Invalid(
            "import torch\nloss = model(x)\nloss.backward()\ntotal = loss.data[0] / 2",
            expected_replacement="import torch\nloss = model(x)\nloss.backward()\ntotal = loss.item() / 2",
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Losses, that is what `backward` is called on, indexed as if they had a dimension."""
        backward = [event.node.func for event in facts.trace.named(".backward")]
        losses = {ast.unparse(func.value) for func in backward if isinstance(func, ast.Attribute)}
        for file, node in live_nodes(facts):
            if is_first_of_data(node) and ast.unparse(node.value.value) in losses:
                yield cls.found(file, node)

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """``loss.item()``."""
        match = ITEM.match(node, names)
        return match.replacement if match else None


def is_first_of_data(node: ast.AST) -> bool:
    """True for ``x.data[0]``."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "data"
        and isinstance(node.slice, ast.Constant)
        and node.slice.value == 0
    )
