"""FLR117: ids given out in the order of a set."""

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

SORTED = (RewriteRule("list(set($items))", "sorted(set($items))"), RewriteRule("set($items)", "sorted(set($items))"))


class UnorderedVocabulary(ProgramRule):
    """
    ## What it does
    Refuses a program that numbers words or classes in the order of a `set`.

    ## Why is this bad
    Python hashes strings differently in each process, so that every site and every run gives the same word another id.
    Averaging embeddings then mixes the vectors of different words.

    ## Example
    ```python
    words = list(set(text.split()))
    ids = {word: i for i, word in enumerate(words)}
    ```

    ## Remedy
    Sort it: `words = sorted(set(text.split()))`. Sites with different texts need one vocabulary in common besides, read
    from a file that all of them have.

    ## Fix safety
    The fix is unsafe: a vocabulary that was saved before had another order.

    ## References
    - [Python: hash randomization](https://docs.python.org/3/using/cmdline.html#envvar-PYTHONHASHSEED)
    """

    CODE = "FLR117"
    MESSAGE = "Ids are given out in the order of a set, which differs from process to process and from site to site."
    REMEDY = "Sort the set (sorted(set(...))), and give all sites one vocabulary."
    SAFETY = Safety.UNSAFE
    VALID = [
        "words = sorted(set(text.split()))\nids = {word: i for i, word in enumerate(words)}",
        "words = list(set(text.split()))\nprint(len(words))",
        "def unused(text):\n    return {word: i for i, word in enumerate(set(text))}",
    ]
    INVALID = [
        Invalid(
            "words = list(set(text.split()))\nids = {word: i for i, word in enumerate(words)}",
            expected_replacement="words = sorted(set(text.split()))\nids = {word: i for i, word in enumerate(words)}",
        ),
        Invalid(
            "ids = {}\nfor i, word in enumerate(set(text.split())):\n    ids[word] = i",
            expected_replacement="ids = {}\nfor i, word in enumerate(sorted(set(text.split()))):\n    ids[word] = i",
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The sets whose enumeration gives out ids: those enumerated, or the value of the name that is."""
        nodes = list(live_nodes(facts))
        sets = {
            (file.name, ast.unparse(target)): node.value
            for file, node in nodes
            if isinstance(node, ast.Assign) and is_unordered(node.value)
            for target in node.targets
        }
        found = []
        for file, node in nodes:
            enumerated = numbered(node)
            if enumerated is None:
                continue
            unordered = enumerated if is_unordered(enumerated) else sets.get((file.name, ast.unparse(enumerated)))
            if unordered is not None and unordered not in found:
                found.append(unordered)
                yield cls.found(file, unordered)

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """``sorted(set(...))``."""
        matches = (rule.match(node, names) for rule in SORTED)
        return next((match.replacement for match in matches if match), None)


def numbered(node: ast.AST) -> ast.AST | None:
    """``words`` in ``{word: i for i, word in enumerate(words)}`` and in the loop that does the same."""
    if isinstance(node, ast.DictComp) and len(node.generators) == 1:
        loop, stored = node.generators[0], [node.value]
    elif isinstance(node, ast.For):
        loop, stored = node, [each.value for each in node.body if isinstance(each, ast.Assign)]
    else:
        return None
    call, target = loop.iter, loop.target
    if not (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "enumerate" and call.args
    ):
        return None
    ids = [value.left if isinstance(value, ast.BinOp) else value for value in stored]
    index = ast.unparse(target.elts[0]) if isinstance(target, ast.Tuple) else ""
    return call.args[0] if any(ast.unparse(each) == index for each in ids) else None


def is_unordered(node: ast.AST) -> bool:
    """True for ``set(...)``, a set comprehension, and ``list`` or ``tuple`` of one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return node.func.id == "set" or (node.func.id in ("list", "tuple") and is_unordered(node.args[0]))
    return isinstance(node, ast.SetComp)
