"""The metrics that statements compute and print or store, under the names the source gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator
from itertools import pairwise

from engine.facts.many_values import is_many, is_many_of, many_valued
from engine.facts.metric_names import classify, ordered, rank_by_data, words_of
from engine.facts.program import MetricFact
from engine.facts.source_text import text_of

REPORTS = re.compile(
    r"(^|\.)(print|info|debug|warning|log|write|format|add_scalar|scalar_summary|tqdm\.write|set_postfix|append)$"
)
TAGGED = re.compile(r"(^|\.)(add_scalar|scalar_summary|log_metric|log_scalar)$")
"""Calls whose first argument is the name of the number that follows."""
COUNTS = {"correct", "corrects"}


def printed_metrics(
    body: list[ast.stmt], before: Iterable[ast.stmt] = (), given: Container[str] = ()
) -> tuple[MetricFact, ...]:
    """The metrics that statements compute after their loops and print or store: the last of each name counts.

    Args:
        body: the statements.
        before: assignments that stand before them.
        given: the names that stand for no numbers.
    """
    found: dict[str, MetricFact] = {}
    many = many_valued([*before, *body])
    for node in _after_loops(body):
        for text, hint in _computed(node):
            value = ast.parse(f"[{text}]", mode="eval").body.elts[0]
            words = _named(text, hint) if not is_many_of(value, many) else None
            if text in given or any(known.text == text for known in found.values()):
                continue
            if words is not None and (words[0] not in found or _better(text, found[words[0]].text)):
                found[words[0]] = MetricFact(words[0], words[1], text)
    return ordered(found.values())


def names_given(statement: ast.stmt | None, call: ast.Call) -> list[str]:
    """The names that what a call gives back is bound to, in order; the word before it where it is printed right away;
    the key, the tag or the list under which it is kept.

    Args:
        statement: where the call stands.
        call: the call of an evaluating function.
    """
    if isinstance(statement, ast.Assign) and statement.value is call:
        target = statement.targets[0]
        return [text_of(part) for part in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target])]
    kept = next(_kept_under(statement, call), None) if statement is not None else None
    if kept is not None:
        return [kept]
    report = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(report, ast.Call) and report is not call and REPORTS.search(text_of(report.func)):
        return next(
            (re.findall(r"[A-Za-z_]\w*", before)[-1:] for value, before, _ in _said(report) if value is call), []
        )
    return []


def _kept_under(statement: ast.stmt, call: ast.Call) -> Iterator[str]:
    """The key, keyword, tag or list under which a statement keeps what a call gives back: ``{"val_acc": test(model)}``,
    ``add_scalar("Accuracy/val", test(model), epoch)``, ``val_accs.append(test(model))``."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Dict):
            named = zip(node.keys, node.values, strict=True)
            yield from (str(key.value) for key, one in named if one is call and isinstance(key, ast.Constant))
        elif isinstance(node, ast.Call) and node is not call:
            yield from (keyword.arg for keyword in node.keywords if keyword.value is call and keyword.arg)
            if call not in node.args:
                continue
            if TAGGED.search(text_of(node.func)) and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
            elif isinstance(node.func, ast.Attribute) and node.func.attr == "append":
                yield text_of(node.func.value)


def _better(text: str, known: str) -> bool:
    """True where a number of the same name counts instead of one computed before: not for the training data's."""
    is_kept = text.endswith("]")  # a place in a list or a table, to which it was written before
    return not is_kept and (not known.isidentifier() or rank_by_data(text) < rank_by_data(known))


def _named(text: str, hint: str) -> tuple[str, str] | None:
    """The metric a number is by its own name, or by what is said of it where that tells nothing, or no more than
    that it is a score."""
    own = classify(text)
    return classify(hint) or own if own is None or own[0] == "score" else own


def _after_loops(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The simple statements outside loops, ``with`` and ``try`` blocks looked into."""
    for statement in body:
        if isinstance(statement, (ast.With, ast.AsyncWith, ast.Try)):
            yield from _after_loops(statement.body)
        elif isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)):
            yield statement


def _computed(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The numbers a statement computes or prints, as text with the words said beside them."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, (ast.Div, ast.Mult)):
        yield text_of(statement.target), ""
    elif isinstance(statement, ast.Assign) and _is_number(statement.value) and not is_many(statement.value):
        counts = is_count(text_of(statement.targets[0])) and not is_ratio(statement.value)
        if isinstance(statement.targets[0], ast.Name) and not counts:
            yield statement.targets[0].id, text_of(statement.value)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        yield from _printed(statement.value)


def _printed(call: ast.Call) -> Iterator[tuple[str, str]]:
    """The numbers a call prints; a bare count followed by its total is their ratio."""
    if not REPORTS.search(text_of(call.func)):
        return
    labels = dict(_labels(call))
    arguments: list[ast.expr] = []
    for node in ast.walk(call):
        if isinstance(node, ast.FormattedValue):
            arguments.append(node.value)
        elif isinstance(node, ast.Call) and node is not call and REPORTS.search(text_of(node.func)):
            arguments.extend(node.args)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
            arguments.extend(node.right.elts if isinstance(node.right, ast.Tuple) else [node.right])
    arguments.extend(argument for argument in call.args if not isinstance(argument, ast.Constant))
    for index, node in enumerate(arguments):
        text = text_of(node)
        following = text_of(arguments[index + 1]) if index + 1 < len(arguments) else ""
        if is_count(text) and not is_ratio(node):
            if re.search(r"len\(|total|count|size|num", following):
                yield f"{text} / {following}", ""
        elif _is_number(node):
            yield text, "" if classify(text) else labels.get(node, "")


def _labels(call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
    """The numbers a call prints as such, each with the word that stands right before it in the text."""
    for value, before, spec in _said(call):
        if spec or _is_computed(value):
            yield from _labelled(value, before, spec or "f")


def _said(call: ast.Call) -> Iterator[tuple[ast.expr, str, str]]:
    """The values a call reports, each with the text that stands right before it, and its format where it has one."""
    for text, value in pairwise(call.args):
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield value, text.value, ""
    for node in ast.walk(call):
        if isinstance(node, ast.JoinedStr):
            for before, value in pairwise(node.values):
                if isinstance(before, ast.Constant) and isinstance(value, ast.FormattedValue):
                    spec = ast.unparse(value.format_spec).strip("'\"") if value.format_spec else ""
                    yield value.value, str(before.value), spec
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            text = node.func.value.value if isinstance(node.func.value, ast.Constant) else ""
            parts = re.findall(r"([^{}]*)\{:?([^{}]*)\}", text) if isinstance(text, str) else []
            yield from ((value, *part) for value, part in zip(node.args, parts, strict=False))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
            parts = re.findall(r"([^%]*)%([-+ #0-9.]*[a-zA-Z])", str(node.left.value))
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            yield from ((value, *part) for value, part in zip(values, parts, strict=False))


def _labelled(value: ast.expr, before: str, spec: str) -> Iterator[tuple[ast.expr, str]]:
    """A value that is formatted as a number with the metric that the last word before it names."""
    word = next(iter(re.findall(r"[A-Za-z_]\w*", before)[-1:]), "")
    found = classify(word)
    if found and found[0] not in ("error", "score") and re.search(r"[feg%]$", spec):
        yield value, word


def _is_computed(node: ast.expr) -> bool:
    """True for an expression that can only be a number that was computed: a ratio, a mean, ``value.item()``."""
    return is_ratio(node) or text_of(node).endswith(".item()")


def is_count(text: str) -> bool:
    """True for what is named as the number of samples that the model has right."""
    words = set(words_of(text))
    return bool(COUNTS & words) and not words & {"acc", "accuracy"}


def is_ratio(node: ast.AST) -> bool:
    """True for an expression with a division or a mean in it."""
    return any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div) for part in ast.walk(node)) or bool(
        re.search(r"mean\(|avg|average", text_of(node))
    )


def _is_number(node: ast.AST) -> bool:
    """True for an expression that may be a number: no string, list, dictionary or formatting of one."""
    if isinstance(
        node,
        (ast.Constant, ast.JoinedStr, ast.List, ast.Dict, ast.Tuple, ast.Set, ast.ListComp, ast.DictComp, ast.Starred),
    ):
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return not isinstance(node.left, (ast.Constant, ast.JoinedStr))
    return not re.search(r"\.format\(|\bstr\(", text_of(node))
