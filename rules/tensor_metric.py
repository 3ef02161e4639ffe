"""FLR204: metrics that are tensors."""

from __future__ import annotations

import re

from engine.result import Safety
from engine.rewrite import Match, RewriteRule
from rules.base import Invalid, PatternRule

EVALUATES = re.compile(r"test|eval|valid|accuracy|metric", re.IGNORECASE)
ENDS_IN_SUM = re.compile(r"\.\s*(sum|mean)\s*\(\s*\)[\s)]*($|[;#\\])", re.MULTILINE)


def summed_up(match: Match) -> bool:
    """True in a function that evaluates, where the sum is used as a plain number afterwards."""
    import libcst as cst

    from engine.tree import dotted, walk

    total = dotted(match.captures["total"])
    functions = [node for node in walk(match.names.module) if isinstance(node, cst.FunctionDef)]
    inside = [function for function in functions if any(node is match.node for node in walk(function))]
    if total is None or not any(EVALUATES.search(function.name.value) for function in inside):
        return False
    attributes = [node for node in walk(inside[-1]) if isinstance(node, cst.Attribute)]
    return not any(dotted(node.value) == total for node in attributes)


class TensorMetric(PatternRule):
    """
    ## What it does
    Finds evaluations that sum up tensors where a plain number is meant: `correct += (predicted == labels).sum()`.

    ## Why is this bad
    The metric that comes out is a tensor, perhaps on a GPU. FLARE's metrics are plain numbers, and a tensor among them
    stops the server.

    ## Example
    ```python
    correct += (predicted == labels).sum()
    ```

    ## Remedy
    `correct += (predicted == labels).sum().item()`.

    ## Fix safety
    The fix is safe: the number is the same, and it is made only where no method of the sum is used afterwards.

    ## References
    - [torch.Tensor.item](https://pytorch.org/docs/stable/generated/torch.Tensor.item.html)
    """

    CODE = "FLR204"
    MESSAGE = "This metric is a tensor; FLARE's metrics are plain numbers."
    REMEDY = "Add .item()."
    SAFETY = Safety.SAFE
    REWRITES = tuple(
        RewriteRule(f"$total += $values.{method}()", f"$total += $values.{method}().item()", where=summed_up)
        for method in ("sum", "mean")
    )

    @classmethod
    def may_match(cls, text: str) -> bool:
        """False, too, where no statement ends in a sum, as most evaluations have it: with ``.item()``."""
        return "+=" in text and bool(ENDS_IN_SUM.search(text)) and super().may_match(text)

    VALID = [
        "def test(model):\n    correct = 0\n    correct += (p == y).sum().item()\n    return correct",
        "def train(model):\n    loss = 0\n    loss += (p - y).mean()\n    loss.backward()",
        "def test(model):\n    correct = 0\n    correct += (p == y).sum()\n    return correct.item()",
    ]
    INVALID = [
        Invalid(
            "def test(model):\n    correct = 0\n    correct += (p == y).sum()\n    return correct / 10",
            expected_replacement=(
                "def test(model):\n    correct = 0\n    correct += (p == y).sum().item()\n    return correct / 10"
            ),
        )
    ]
