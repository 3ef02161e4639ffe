"""What a number is called that measures a model, and which way it is better: by the words of the source."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.facts.program import MetricFact

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


def classify(*texts: str) -> tuple[str, str] | None:
    """The name and direction of a metric by the words of its expression; None where they tell nothing."""
    words = {word for text in texts for word in words_of(text)}
    for known, name, direction in WORDS:
        if words & known:
            return ("perplexity", "min") if name == "loss" and "exp" in words else (name, direction)
    return None


def words_of(text: str) -> list[str]:
    """The words of the identifiers and keys in a piece of source, in lower case."""
    identifiers = re.findall(r"[A-Za-z]\w*", text.replace("IoU", "Iou"))
    return [word.lower() for name in identifiers for word in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", name)]


def rank_by_data(text: str) -> int:
    """The rank of a metric by the data it was measured on: held-out data before the training data."""
    words = set(words_of(text))
    return 0 if words & {"val", "valid", "validation", "dev"} else 2 if words & {"train", "trn", "training"} else 1


def ordered(found: Iterable[MetricFact | None]) -> tuple[MetricFact, ...]:
    """The metrics, each name once, the most telling first."""
    order = [name for _, name, _ in WORDS]
    unique: dict[str, MetricFact] = {}
    for metric in found:
        if metric is not None:
            unique.setdefault(metric.name, metric)
    return tuple(sorted(unique.values(), key=lambda metric: order.index(metric.name)))
