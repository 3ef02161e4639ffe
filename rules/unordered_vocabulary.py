"""FLR117: ids given out in the order of a set."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from engine.facts.source_text import FUNCTIONS
from engine.result import Result, Safety
from engine.rewrite import RewriteRule
from rules.base import Invalid, ProgramRule
from rules.reading import live_nodes

if TYPE_CHECKING:
    import libcst as cst

    from engine.facts import Facts
    from engine.names import Names
    from engine.source import SourceFile

DEEPEST = 8
KEEPS_ORDER = ("list", "tuple", "map", "filter", "iter", "reversed")
SET_METHODS = ("union", "intersection", "difference", "symmetric_difference", "copy")
NEXT = ast.parse("next(ids)", mode="eval").body
SORTED = (RewriteRule("list(set($items))", "sorted(set($items))"), RewriteRule("set($items)", "sorted(set($items))"))


class UnorderedVocabulary(ProgramRule):
    """
    ## What it does
    Refuses a program that numbers words or classes in the order of a `set`, or by `hash()`.

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
    HASHED = "hash() gives the same text another number in every process, and so at every site."
    SAFETY = Safety.UNSAFE
    VALID = [
        "words = sorted(set(text.split()))\nids = {word: i for i, word in enumerate(words)}",
        "words = list(set(text.split()))\nprint(len(words))",
        "words = list(set(text.split()))\nwords.sort()\nids = {word: i for i, word in enumerate(words)}",
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
        Invalid(
            "ids = {}\nfor word in set(text.split()):\n    ids[word] = len(ids)",
            expected_replacement="ids = {}\nfor word in sorted(set(text.split())):\n    ids[word] = len(ids)",
        ),
        Invalid(
            "chars = set(text)\nchar_of = dict(enumerate(chars))\nids = {char: i for i, char in char_of.items()}",
            expected_replacement="chars = sorted(set(text))\nchar_of = dict(enumerate(chars))\n"
            "ids = {char: i for i, char in char_of.items()}",
        ),
        Invalid("bucket = hash(word) % 1000"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The sets in whose order ids are given out: what is gone through, or the value of the name that is."""
        nodes = list(live_nodes(facts))
        yield from (cls.found(file, node, cls.HASHED) for file, node in nodes if is_hashed(node))
        enumerated = [(file, words) for file, words in ((file, numbered(node)) for file, node in nodes) if words]
        sets = Sets(nodes if enumerated else [])
        found = [(file, sets.behind(words, file)) for file, words in enumerated]
        for index, (file, unordered) in enumerate(found):
            if unordered is not None and (file, unordered) not in found[:index]:
                yield cls.found(file, unordered)

    @classmethod
    def fix(cls, node: cst.CSTNode, names: Names) -> cst.CSTNode | None:
        """``sorted(set(...))``."""
        matches = (rule.match(node, names) for rule in SORTED)
        return next((match.replacement for match in matches if match), None)


class Sets:
    """Which expressions go by the order of a set: directly, through a name, or through a function that gives it back.

    Args:
        nodes: what the program executes.
    """

    def __init__(self, nodes: list[tuple[SourceFile, ast.AST]]) -> None:
        self.bound: dict[tuple[str, str], list[tuple[int, ast.expr | None]]] = {}
        self.given_back: dict[str, list[ast.expr]] = {}
        for file, node in nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._bind(file, target, node.lineno, node.value)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sort":
                self._bind(file, node.func.value, node.lineno, None)
            elif isinstance(node, FUNCTIONS):
                returns = (each.value for each in ast.walk(node) if isinstance(each, ast.Return))
                self.given_back[node.name] = [value for value in returns if value is not None]

    def _bind(self, file: SourceFile, target: ast.expr, line: int, value: ast.expr | None) -> None:
        self.bound.setdefault((file.name, ast.unparse(target)), []).append((line, value))

    def behind(self, node: ast.expr, file: SourceFile, depth: int = 0) -> ast.expr | None:
        """The expression that makes the set in whose order something comes; None where that is another order."""
        if depth > DEEPEST:
            return None
        if (file.name, ast.unparse(node)) in self.bound:
            value = self._value(node, file)
            return value if value is not None and self.behind(value, file, depth + 1) is not None else None
        return (
            node if any(self.behind(part, file, depth + 1) for part in self._parts(node)) or makes_set(node) else None
        )

    def _value(self, node: ast.expr, file: SourceFile) -> ast.expr | None:
        """What a name was given last above its use; None where that was sorted in place."""
        bound = self.bound[file.name, ast.unparse(node)]
        return max((each for each in bound if each[0] < node.lineno), key=lambda each: each[0], default=bound[0])[1]

    def _parts(self, node: ast.expr) -> list[ast.expr]:
        """Those parts of an expression in whose order the whole comes."""
        match node:
            case ast.Call(func=ast.Name(name), args=[*arguments]) if name in KEEPS_ORDER:
                return arguments[-1:]
            case ast.Call(func=ast.Name(name)) if name in self.given_back:
                return self.given_back[name]
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in SET_METHODS:
                return [owner]
            case ast.ListComp(generators=[loop, *_]) | ast.GeneratorExp(generators=[loop, *_]):
                return [loop.iter]
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return [each.value for each in elements if isinstance(each, ast.Starred)]
            case ast.BinOp(left=left, right=right):
                return [left, right]
            case ast.Subscript(value=whole, slice=ast.Slice()):
                return [whole]
        return []


def makes_set(node: ast.AST) -> bool:
    """True for ``set(...)``, ``frozenset(...)``, a set comprehension and a set of texts."""
    if isinstance(node, ast.Set):
        return any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in node.elts)
    called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    return called in ("set", "frozenset") or isinstance(node, ast.SetComp)


def is_hashed(node: ast.AST) -> bool:
    """True for ``hash(word) % buckets``."""
    match node:
        case ast.BinOp(
            left=ast.Call(func=ast.Name("hash")) | ast.Call(args=[ast.Call(func=ast.Name("hash"))]), op=ast.Mod()
        ):
            return True
    return False


def numbered(node: ast.AST) -> ast.expr | None:
    """``words`` where ids are given out in its order: in ``{word: i for i, word in enumerate(words)}``,
    ``dict(zip(words, range(9)))``, ``dict(enumerate(words))``, and a loop that numbers what it goes through."""
    match node:
        case ast.DictComp(key=key, value=value, generators=[loop]):
            return _numbered_by(loop, [(key, value)])
        case ast.Call(func=ast.Name("dict"), args=[ast.GeneratorExp() | ast.ListComp() as made]):
            pair = made.elt.elts if isinstance(made.elt, ast.Tuple) else []
            return _numbered_by(made.generators[0], [tuple(pair)]) if len(pair) == 2 else None
        case ast.Call(
            func=ast.Name("dict"), args=[ast.Call(func=ast.Name("zip"), args=[words, ast.Call(func=numbers)])]
        ):
            return words if ast.unparse(numbers).rpartition(".")[2] in ("range", "count", "arange") else None
        case ast.Call(func=ast.Name("dict"), args=[ast.Call(func=ast.Name("enumerate"), args=[words, *_])]):
            return words
        case ast.For():
            inside = [each for statement in node.body for each in ast.walk(statement)]
            counters = {ast.unparse(each.target) for each in inside if isinstance(each, ast.AugAssign)}
            return _numbered_by(node, list(_stored(inside)), counters)
    return None


def _stored(nodes: list[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The keys and the values of ``ids[word] = i`` and ``ids.setdefault(word, i)``; a new number for ``len(ids)``."""
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Subscript(value=owner, slice=key)], value=value):
                pass
            case ast.Call(func=ast.Attribute(value=owner, attr="setdefault"), args=[key, value]):
                pass
            case _:
                continue
        size = f"len({ast.unparse(owner)})"
        yield key, NEXT if ast.unparse(_counted(value)) == size else value


def _numbered_by(
    loop: ast.For | ast.comprehension, stored: list[tuple[ast.expr, ast.expr]], counters: Collection[str] = ()
) -> ast.expr | None:
    """What a loop goes through, or looks up, to number it."""
    target = ast.unparse(loop.target) if stored else ""
    for key, value in stored:
        match _counted(value), loop.iter, loop.target:
            case ast.Name(index), ast.Call(func=ast.Name("enumerate"), args=[words, *_]), ast.Tuple(
                elts=[ast.Name(name), _]
            ):
                if index == name:
                    return words
            case ast.Call(func=ast.Attribute(value=words, attr="index")), _, _:
                return words
            case ast.Name(index), _, ast.Name(name) if index == name and isinstance(key, ast.Subscript):
                return key.value
            case ast.Call(func=ast.Name("next")), _, _ if ast.unparse(key) == target:
                return loop.iter
            case number, _, _ if ast.unparse(key) == target and ast.unparse(number) in counters:
                return loop.iter
    return None


def _counted(value: ast.expr) -> ast.expr:
    """``i`` of ``i + 1``."""
    return value.left if isinstance(value, ast.BinOp) else value
