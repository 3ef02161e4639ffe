"""The numbers an evaluation computes, under the names the source gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise, permutations

from engine.facts.program import MetricFact
from engine.facts.source_text import assigned, own_nodes, text_of

# Words in the order of what they tell of a model, with the name they stand for and which way is better.
WORDS = (
    ({"acc", "accuracy", "accs", "accuracies", "top1", "acc1", "prec1", "correct", "corrects"}, "accuracy", "max"),
    ({"dice", "dsc"}, "dice", "max"),
    ({"iou", "miou", "jaccard"}, "iou", "max"),
    ({"f1", "fscore", "fbeta"}, "f1", "max"),
    ({"auc", "auroc", "rocauc"}, "auc", "max"),
    ({"ap", "map"}, "map", "max"),
    ({"ssim"}, "ssim", "max"),
    ({"psnr"}, "psnr", "max"),
    ({"bleu"}, "bleu", "max"),
    ({"rouge"}, "rouge", "max"),
    ({"kappa", "qwk"}, "kappa", "max"),
    ({"r2"}, "r2", "max"),
    ({"recall"}, "recall", "max"),
    ({"precision", "prec"}, "precision", "max"),
    ({"top5", "acc5", "prec5"}, "top5_accuracy", "max"),
    ({"ppl", "perplexity"}, "perplexity", "min"),
    ({"rmsle"}, "rmsle", "min"),
    ({"rmse"}, "rmse", "min"),
    ({"mse"}, "mse", "min"),
    ({"mae"}, "mae", "min"),
    ({"wer"}, "wer", "min"),
    ({"cer"}, "cer", "min"),
    (set(), "hit_ratio", "max"),  # beside NDCG alone
    ({"ndcg"}, "ndcg", "max"),
    ({"mrr"}, "mrr", "max"),
    ({"fid"}, "fid", "min"),
    ({"loss", "losses", "nll", "bce", "elbo", "objective"}, "loss", "min"),
    ({"err", "error", "errors", "err1"}, "error", "min"),
    ({"score", "scores"}, "score", "max"),
)
REPORTS = re.compile(
    r"(^|\.)(print|info|debug|warning|log|write|format|add_scalar|scalar_summary|tqdm\.write|set_postfix|append)$"
)
COUNTS = {"correct", "corrects"}
REDUCES = {"mean", "nanmean", "average", "sum", "median"}
COLLECTS = {
    "append", "extend", "stack", "vstack", "hstack", "concatenate", "concat", "cat", "array", "asarray", "list",
    "sorted", "tolist", "numpy", "zeros", "ones", "diag", "diagonal", "bincount",
}  # fmt: skip
BEST = {"best", "lowest", "highest", "min", "max"}


def classify(*texts: str) -> tuple[str, str] | None:
    """The name and direction of a metric by the words of its expression; None where they tell nothing."""
    words = {word for text in texts for word in _words(text)}
    for known, name, direction in WORDS:
        if words & known:
            return ("perplexity", "min") if name == "loss" and "exp" in words else (name, direction)
    return None


def _words(text: str) -> list[str]:
    """The words of the identifiers and keys in a piece of source, in lower case."""
    identifiers = re.findall(r"[A-Za-z]\w*", text.replace("IoU", "Iou"))
    return [word.lower() for name in identifiers for word in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", name)]


def returned_metrics(function: ast.AST, targets: list[str]) -> tuple[str, tuple[MetricFact, ...]]:
    """How a function gives back what it computes, and the metrics in it.

    Args:
        function: the evaluating function.
        targets: the names its caller binds the result to, in order.
    """
    node = _last_return(function)
    if node is None:
        return "none", printed_metrics(function.body)
    value = _written_out(function, node.value)
    if isinstance(value, ast.Tuple):
        found = [
            _metric(function, element, index, targets[index] if len(targets) == len(value.elts) else "")
            for index, element in enumerate(value.elts)
        ]
        if any(metric is not None and metric.name == "ndcg" for metric in found):
            found = [
                one or _hit_ratio(element, index)
                for index, (element, one) in enumerate(zip(value.elts, found, strict=True))
            ]
        named = [*targets, *[""] * len(value.elts)]  # another call of the function may take more than it returns here
        said = [f"{text_of(element)} {target}" for element, target in zip(value.elts, named, strict=False)]
        return "tuple", _ordered(one for _, one in sorted(zip(said, found, strict=True), key=lambda p: _split(p[0])))
    entries = _entries(function, value)
    if entries is not None:
        entries = sorted(entries, key=lambda entry: _split(str(entry[0])))
        return "dict", _ordered([_metric(function, element, key, str(key)) for key, element in entries])
    single = _metric(function, node.value, None, *targets[:1], text_of(value), getattr(function, "name", ""))
    return "value", _ordered([single])


def keyed_metrics(keys: Iterable[str]) -> tuple[MetricFact, ...]:
    """The metrics that keys of a dictionary name; what there is for each class is no number where there is a mean."""
    each = {key: bool({"class", "cls", "per"} & set(_words(key))) for key in keys}
    named = ((key, classify(key)) for key in sorted(each, key=lambda key: (_split(key), each[key], key)))
    return _ordered(MetricFact(*found, repr(key), key) for key, found in named if found is not None)


def best_first(
    metrics: tuple[MetricFact, ...], spelled: dict[str, MetricFact], code: ast.AST
) -> tuple[MetricFact, ...]:
    """The metrics; the one by which the program itself tells its best model first, as ``if auc > best_auc`` does.

    Args:
        metrics: the most telling first, which is their order where the program does not say, or names several.
        spelled: the metrics by how the code writes them.
        code: what may compare them with the best so far.
    """
    told = {
        spelled[own]
        for node in ast.walk(code)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
        for own, other in permutations(map(text_of, (node.left, node.comparators[0])))
        if own in spelled and BEST & set(_words(other))
    }
    return metrics if len(told) != 1 else (*told, *(metric for metric in metrics if metric not in told))


def spelled_by_caller(metrics: tuple[MetricFact, ...], returns: str, targets: list[str]) -> dict[str, MetricFact]:
    """The metrics that a function returns, by how the code that binds its result to targets writes them."""
    if returns == "tuple":
        keys = {metric: f"[{metric.key!r}]" if metric.key is not None else "" for metric in metrics}
        return {f"{targets[m.index]}{keys[m]}": m for m in metrics if m.index < len(targets)}
    if returns == "dict":
        return {f"{target}[{metric.index!r}]": metric for target in targets[:1] for metric in metrics}
    return dict(zip(targets[:1], metrics, strict=False)) if returns == "value" else {}


def _hit_ratio(node: ast.AST, index: int) -> MetricFact | None:
    """The hit ratio that recommenders report beside NDCG, where ``HR`` means nothing else."""
    is_one = {"hr", "hit", "hits"} & set(_words(text_of(node)))
    return MetricFact("hit_ratio", "max", text_of(node), index) if is_one else None


def _split(text: str) -> int:
    """The rank of a metric by the data it was measured on: held-out data before the training data."""
    words = set(_words(text))
    return 0 if words & {"val", "valid", "validation", "dev"} else 2 if words & {"train", "trn", "training"} else 1


def _last_return(function: ast.AST) -> ast.Return | None:
    """The last ``return`` with a value in a function's own code."""
    found = [node for node in own_nodes(function.body) if isinstance(node, ast.Return)]
    found = [node for node in found if node.value is not None and not _is_none(node.value)]
    return max(found, key=lambda node: node.lineno, default=None)


def _is_none(node: ast.AST) -> bool:
    """True for the literal None."""
    return isinstance(node, ast.Constant) and node.value is None


def _metric(function: ast.AST, node: ast.AST, index: int | str | None, *hints: str) -> MetricFact | None:
    """The metric an expression of a function is; its own words count before the hints."""
    text = text_of(node)
    if _is_many_of(node, many_valued(function.body)):
        return None
    for words in (text, *hints[:1], text_of(_written_out(function, node)), *hints[1:]):
        found = classify(words)
        if found is not None:
            return MetricFact(found[0], found[1], text, index)
    return None


def many_valued(body: list[ast.stmt]) -> set[str]:
    """The names that stand for more than a number after some statements: collected, or averaged into something else."""
    found: set[str] = set()
    nodes = sorted(own_nodes(body), key=lambda node: getattr(node, "lineno", 0))
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            many = _is_many_of(node.value, found) or _builds(node.value)
            found = found | {name} if many else found - {name}
        elif isinstance(node, ast.Call) and _last_part(node) in ("append", "extend"):
            found |= {text_of(part.value) for part in [node.func] if isinstance(part, ast.Attribute)}
    for node in nodes:
        kept = {text_of(part) for part in assigned(node)}
        values = ast.walk(node) if isinstance(node, (ast.Assign, ast.Expr)) else ()
        for call in (part for part in values if isinstance(part, ast.Call) and _last_part(part) in REDUCES):
            owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
            found |= {part.id for part in [*call.args[:1], *owner] if isinstance(part, ast.Name)} - kept
    return found


def collected_before(code: ast.AST, line: int) -> list[ast.stmt]:
    """The assignments that make a name stand for many elements, as it still does where a line of the code begins."""
    last: dict[str, ast.Assign] = {}
    for node in sorted(own_nodes(code.body), key=lambda node: getattr(node, "lineno", 0)):
        if isinstance(node, ast.Assign) and node.lineno < line:
            last[text_of(node.targets[0])] = node
    return [node for node in last.values() if _collects(node.value)]


def _is_many_of(node: ast.AST, many: set[str]) -> bool:
    """True for what stands for many numbers, and for what is computed of that element by element."""
    if isinstance(node, (ast.BinOp, ast.UnaryOp)):
        parts = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        return any(_is_many_of(part, many) for part in parts)
    return _collects(node) or text_of(node) in many


def _collects(node: ast.AST) -> bool:
    """True for what gives a list or an array of many elements."""
    listed = (ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Set, ast.SetComp, ast.Tuple)
    is_one = isinstance(node, ast.Call) and list(map(text_of, node.args)) == ["1"]  # torch.zeros(1)
    return isinstance(node, listed) or isinstance(node, ast.Call) and _last_part(node) in COLLECTS and not is_one


def _last_part(call: ast.Call) -> str:
    """The last part of the name of what is called."""
    return text_of(call.func).rpartition(".")[2]


def _written_out(function: ast.AST, node: ast.AST | None) -> ast.AST | None:
    """What a name was last assigned in a function; any other expression itself."""
    if not isinstance(node, ast.Name):
        return node
    assigned = [
        statement
        for statement in own_nodes(function.body)
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == node.id for target in statement.targets)
    ]
    return max(assigned, key=lambda statement: statement.lineno).value if assigned else node


def _entries(function: ast.AST, value: ast.AST | None) -> list[tuple[str, ast.AST]] | None:
    """The entries of a dictionary written out in a function; None for anything else."""
    if isinstance(value, ast.Dict):
        pairs = list(zip(value.keys, value.values, strict=True))
        named = [
            (key.value, item) for key, item in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
        return named + _stored_entries(function, value)
    if isinstance(value, ast.Call) and text_of(value.func) in ("dict", "OrderedDict", "collections.OrderedDict"):
        if value.args and isinstance(value.args[0], (ast.List, ast.Tuple)):
            pairs = [pair.elts for pair in value.args[0].elts if isinstance(pair, ast.Tuple) and len(pair.elts) == 2]
            return [(key.value, item) for key, item in pairs if isinstance(key, ast.Constant)]
        return [(keyword.arg, keyword.value) for keyword in value.keywords if keyword.arg] or _stored_entries(
            function, value
        )
    return None


def _stored_entries(function: ast.AST, value: ast.AST) -> list[tuple[str, ast.AST]]:
    """Entries stored by ``out["val"] = ...`` in a dictionary a function builds; those of a loop over keys as well."""
    names = {
        target.id
        for statement in own_nodes(function.body)
        if isinstance(statement, ast.Assign) and statement.value is value
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    keys = {
        node.target.id: [item.value for item in node.iter.elts if isinstance(item, ast.Constant)]
        for node in own_nodes(function.body)
        if isinstance(node, ast.For)
        and isinstance(node.target, ast.Name)
        and isinstance(node.iter, (ast.List, ast.Tuple))
    }
    found = []
    for statement in own_nodes(function.body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(target, ast.Subscript) or text_of(target.value) not in names:
            continue
        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
            found.append((target.slice.value, statement.value))
        elif isinstance(target.slice, ast.Name):
            found.extend((key, statement.value) for key in keys.get(target.slice.id, ()) if key != "train")
    return found


def printed_metrics(body: list[ast.stmt], before: Iterable[ast.stmt] = ()) -> tuple[MetricFact, ...]:
    """The metrics that statements compute after their loops and print or store: the last of each name counts.

    Args:
        body: the statements.
        before: assignments that stand before them.
    """
    found: dict[str, MetricFact] = {}
    many = many_valued([*before, *body])
    for node in _after_loops(body):
        for text, hint in _computed(node):
            value = ast.parse(f"[{text}]", mode="eval").body.elts[0]
            words = _named(text, hint) if not _is_many_of(value, many) else None
            if any(known.text == text for known in found.values()):
                continue
            if words is not None and (words[0] not in found or _better(text, found[words[0]].text)):
                found[words[0]] = MetricFact(words[0], words[1], text)
    return _ordered(found.values())


def _better(text: str, known: str) -> bool:
    """True where a number of the same name counts instead of one computed before: not for the training data's."""
    is_kept = text.endswith("]")  # a place in a list or a table, to which it was written before
    return not is_kept and (not known.isidentifier() or _split(text) < _split(known))


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
    elif isinstance(statement, ast.Assign) and _is_number(statement.value) and not _is_many(statement.value):
        counts = COUNTS & set(_words(text_of(statement.targets[0]))) and not _is_ratio(statement.value)
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
        if COUNTS & set(_words(text)) and not _is_ratio(node):
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


def names_given(statement: ast.stmt | None, call: ast.Call) -> list[str]:
    """The names that what a call gives back is bound to, in order; the word before it where it is printed right away.

    Args:
        statement: where the call stands.
        call: the call of an evaluating function.
    """
    if isinstance(statement, ast.Assign) and statement.value is call:
        target = statement.targets[0]
        return [text_of(part) for part in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target])]
    report = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(report, ast.Call) and report is not call and REPORTS.search(text_of(report.func)):
        return next(
            (re.findall(r"[A-Za-z_]\w*", before)[-1:] for value, before, _ in _said(report) if value is call), []
        )
    return []


def _labelled(value: ast.expr, before: str, spec: str) -> Iterator[tuple[ast.expr, str]]:
    """A value that is formatted as a number with the metric that the last word before it names."""
    word = next(iter(re.findall(r"[A-Za-z_]\w*", before)[-1:]), "")
    found = classify(word)
    if found and found[0] not in ("error", "score") and re.search(r"[feg%]$", spec):
        yield value, word


def _is_computed(node: ast.expr) -> bool:
    """True for an expression that can only be a number that was computed: a ratio, a mean, ``value.item()``."""
    return _is_ratio(node) or text_of(node).endswith(".item()")


def _is_ratio(node: ast.AST) -> bool:
    """True for an expression with a division or a mean in it."""
    return any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div) for part in ast.walk(node)) or bool(
        re.search(r"mean\(|avg|average", text_of(node))
    )


def _is_number(node: ast.AST) -> bool:
    """True for an expression that may be a number: no string, list, dictionary or formatting of one."""
    if isinstance(
        node, (ast.Constant, ast.JoinedStr, ast.List, ast.Dict, ast.Tuple, ast.Set, ast.ListComp, ast.DictComp)
    ):
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return not isinstance(node.left, (ast.Constant, ast.JoinedStr))
    return not re.search(r"\.format\(|\bstr\(", text_of(node))


def _is_many(node: ast.AST) -> bool:
    """True for an object of a class, and for as many numbers as there are samples: ``softmax(out)[:, 1].numpy()``."""
    if isinstance(node, ast.Subscript):
        sliced = any(isinstance(part, ast.Slice) for part in ast.walk(node.slice))
        return sliced or _is_many(node.value)
    called = text_of(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return called in ("softmax", "sigmoid", "numpy", "tolist", "log_softmax") or _builds(node)


def _builds(node: ast.AST) -> bool:
    """True for ``nn.BCELoss()``: by its name a class is called, so that what comes out is an object."""
    return isinstance(node, ast.Call) and _last_part(node)[:1].isupper()


def _ordered(found: Iterable[MetricFact | None]) -> tuple[MetricFact, ...]:
    """The metrics, each name once, the most telling first."""
    order = [name for _, name, _ in WORDS]
    unique: dict[str, MetricFact] = {}
    for metric in found:
        if metric is not None:
            unique.setdefault(metric.name, metric)
    return tuple(sorted(unique.values(), key=lambda metric: order.index(metric.name)))
