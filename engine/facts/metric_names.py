"""What a number is called that measures a model, and which way it is better: by the words of the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from engine.facts.program import MetricFact
from engine.facts.source_text import text_of

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
    ({"mcc", "matthews"}, "mcc", "max"),
    ({"pearson", "pearsonr"}, "pearson", "max"),
    ({"spearman", "spearmanr"}, "spearman", "max"),
    ({"r2"}, "r2", "max"),
    ({"recall"}, "recall", "max"),
    ({"precision", "prec"}, "precision", "max"),
    ({"sensitivity"}, "sensitivity", "max"),
    ({"specificity"}, "specificity", "max"),
    ({"top5", "acc5", "prec5"}, "top5_accuracy", "max"),
    ({"ppl", "perplexity"}, "perplexity", "min"),
    ({"rmsle"}, "rmsle", "min"),
    ({"rmse"}, "rmse", "min"),
    ({"mse"}, "mse", "min"),
    ({"mae"}, "mae", "min"),
    ({"mape"}, "mape", "min"),
    ({"smape"}, "smape", "min"),
    ({"eer"}, "eer", "min"),
    ({"wer"}, "wer", "min"),
    ({"cer"}, "cer", "min"),
    (set(), "hit_ratio", "max"),  # beside NDCG alone
    ({"ndcg"}, "ndcg", "max"),
    ({"mrr"}, "mrr", "max"),
    ({"fid"}, "fid", "min"),
    ({"elbo"}, "elbo", "max"),
    ({"loss", "losses", "nll", "bce", "objective", "logloss"}, "loss", "min"),
    ({"err", "error", "errors", "err1"}, "error", "min"),
    ({"score", "scores"}, "score", "max"),
)
LOSSES = {"loss", "losses", "err", "error", "errors"}
BETTER_HIGH = {word for known, _, direction in WORDS if direction == "max" for word in known}
LONG = {"mean_squared_error": "mse", "root_mean_squared_error": "rmse", "mean_absolute_error": "mae"}
LONG_NAMES = re.compile(rf"\b({'|'.join(LONG)})\b")
ROOT = re.compile(r"sqrt\(|\*\* ?(0?\.5|\(1 / 2\))")
# What is left of a metric, or its negative: by name, and for any other by which way is better.
OPPOSITES = {"accuracy": ("error", "min"), "error": ("accuracy", "max")}
BY_DIRECTION = {"max": ("loss", "min"), "min": ("score", "max")}


def classify(text: str) -> tuple[str, str] | None:
    """The name and direction of a metric by the words of its expression; None where they tell nothing.

    What is taken from one, from 100 or from nothing is better the other way: ``1 - correct / total`` is an error.
    """
    words = {word for identifier in _identifiers(text) for word in _telling(_words(identifier))}
    if "log10" in text and words & {"mse", "error", "loss"}:
        return "psnr", "max"
    turned = _turned_round(text)
    if turned is not None:
        found = classify(turned)
        return OPPOSITES.get(found[0], BY_DIRECTION[found[1]]) if found is not None else None
    for known, name, direction in WORDS:
        if words & known:
            if name == "mse" and ROOT.search(text):
                return "rmse", "min"
            return ("perplexity", "min") if name == "loss" and "exp" in words else (name, direction)
    return None


def words_of(text: str) -> list[str]:
    """The words of the identifiers and keys in a piece of source, in lower case."""
    return [word for identifier in _identifiers(text) for word in _words(identifier)]


def _identifiers(text: str) -> list[str]:
    """The identifiers and words in a piece of source; ``map(float, losses)`` is no metric's name."""
    text = re.sub(r"(?<![\w.])map\(", "(", text.replace("IoU", "Iou").replace("top_5", "top5"))
    return re.findall(r"[A-Za-z]\w*", LONG_NAMES.sub(lambda match: LONG[match[0]], text))


def _words(identifier: str) -> list[str]:
    """The words an identifier is made of, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", identifier)]


def _telling(words: list[str]) -> list[str]:
    """The words of an identifier that tell what it is: ``dice_loss`` is a loss, ``top1_err`` an error."""
    if "top5" in words and not LOSSES & set(words):
        return ["top5"]
    return [word for word in words if word not in BETTER_HIGH] if LOSSES & set(words) else words


def _turned_round(text: str) -> str | None:
    """What an expression takes from one, from 100 or from nothing, up to a constant factor; None for any other."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    while (inner := _scaled(node)) is not None:
        node = inner
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return ast.unparse(node.operand)
    if not isinstance(node, ast.BinOp):
        return None
    if isinstance(node.left, ast.Constant):
        return ast.unparse(node.right) if isinstance(node.op, (ast.Sub, ast.Div)) else None
    return ast.unparse(node).removeprefix("-") if _is_product(node) and ast.unparse(node).startswith("-") else None


def _is_product(node: ast.expr) -> bool:
    """True for a product or a ratio."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div))


def _scaled(node: ast.expr) -> ast.expr | None:
    """What an expression converts, averages or multiplies by a constant; None for any other."""
    if _is_product(node) and isinstance(node.right, ast.Constant):
        return node.left
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant):
        return node.right
    if isinstance(node, ast.Call) and text_of(node.func).rpartition(".")[2] in ("item", "mean", "float", "round"):
        return node.args[0] if node.args else getattr(node.func, "value", None)
    return None


def rank_by_data(text: str) -> int:
    """The rank of a metric by the data it was measured on: held-out data before the training data."""
    words = set(words_of(text))
    if words & {"val", "valid", "validate", "validation", "dev"}:
        return 0
    return 2 if words & {"train", "trn", "training"} else 1


def ordered(found: Iterable[MetricFact | None]) -> tuple[MetricFact, ...]:
    """The metrics, each name once, the most telling first."""
    order = [name for _, name, _ in WORDS]
    unique: dict[str, MetricFact] = {}
    for metric in found:
        if metric is not None:
            unique.setdefault(metric.name, metric)
    return tuple(sorted(unique.values(), key=lambda metric: order.index(metric.name)))
