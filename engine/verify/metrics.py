"""P3: the metrics that are sent are those of the received weights, and are what the original computes for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.verify.report import Check, Outcome
from engine.verify.server import Answer

TOLERANCE = 1e-5
"""Relative; an evaluation may see its batches in another order."""


def drawn(first: Answer, again: Answer, *others: Answer) -> str:
    """Why the numbers of an evaluation cannot be compared: it draws at random; empty where it does not.

    Args:
        first: the answer to an evaluation task.
        again: that to the same task, with the same random streams.
        others: those to the same task, each with other random streams; a few draws may come out alike by chance.
    """
    other = next((each for each in others if not same(again.metrics or {}, each.metrics or {})), None)
    if other is None or not same(first.metrics or {}, again.metrics or {}):
        return ""
    numbers = f"{_shown(again.metrics or {})} and then {_shown(other.metrics or {})}"
    return f"the evaluation draws at random: the same weights give {numbers}"


def unless_drawn(check: Check, reason: str) -> Check:
    """A check on the numbers of an evaluation; not made where these are drawn at random."""
    failed = check.outcome is Outcome.FAILS and reason
    return Check(check.proof, check.claim, Outcome.NOT_CHECKED, reason) if failed else check


def agreement(pairs: Sequence[tuple[Answer, Answer]], key: str | None) -> Check:
    """Metrics sent with trained weights against those of an evaluation of the same received weights alone.

    Args:
        pairs: an answer to a train task, and one to an evaluation task on the weights it had received.
        key: name of the key metric; None where the original evaluates nothing.

    Returns:
        One check.
    """
    claim = "metrics are those of the received weights"
    if key is None:
        return Check("P3", claim, Outcome.NOT_APPLICABLE, "the original evaluates nothing")
    if not pairs:
        return Check("P3", claim, Outcome.NOT_CHECKED, "no round was answered")
    for training, alone in pairs:
        sent = training.metrics or {}
        if key not in sent:
            return Check("P3", claim, Outcome.FAILS, f"{training.site} sent no {key!r}, only {sorted(sent)}")
        if not same(sent, alone.metrics or {}):
            detail = f"sent {_shown(sent)}; evaluated alone, the same weights give {_shown(alone.metrics or {})}"
            return Check("P3", claim, Outcome.FAILS, detail)
    shown = "; ".join(_shown(training.metrics or {}) for training, _ in pairs)
    return Check("P3", claim, Outcome.HOLDS, f"the same when evaluated alone in another process: {shown}")


def original_evaluation(observed: Sequence[tuple[Mapping[str, Any], Answer]], key: str | None) -> Check:
    """The client's metrics against what the original printed or computed for the same weights.

    Args:
        observed: an evaluation of the original (``printed`` and ``values``) and the client's answer on its weights.
        key: name of the key metric; None where the original evaluates nothing.

    Returns:
        One check.
    """
    claim = "metrics are what the original computes"
    if key is None:
        return Check("P3", claim, Outcome.NOT_APPLICABLE, "the original evaluates nothing")
    if not any(evaluation["printed"] or evaluation["values"] for evaluation, _ in observed):
        detail = "the original's evaluation printed no number and left none in a variable"
        return Check("P3", claim, Outcome.NOT_CHECKED, detail)
    unseen: set[str] = set()
    for evaluation, answer in observed:
        metrics = answer.metrics or {}
        missing = {name for name, value in metrics.items() if not _occurs(value, evaluation)}
        if (key in missing or key not in metrics) and not evaluation["placed"]:
            detail = f"the conversion names no evaluation, and after its last step the original printed no {key}"
            return Check("P3", claim, Outcome.NOT_CHECKED, detail)
        if key in missing or key not in metrics:
            printed = ", ".join(evaluation["printed"]) or "nothing"
            left = _shown(evaluation["values"])
            detail = f"the client computes {_shown(metrics)}; the original printed {printed} and left {left}"
            return Check("P3", claim, Outcome.FAILS, detail)
        unseen |= missing
    note = f"; not seen in the original: {', '.join(sorted(unseen))}" if unseen else ""
    return Check("P3", claim, Outcome.HOLDS, f"seen for {len(observed)} states of the model{note}")


def finite(answers: Sequence[Answer]) -> Check:
    """All metrics are finite plain numbers."""
    complaints = [text for answer in answers for text in answer.complaints if text.startswith("metric ")]
    if complaints:
        return Check("P3", "metrics are finite numbers", Outcome.FAILS, complaints[0])
    return Check("P3", "metrics are finite numbers", Outcome.HOLDS)


def same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """True where two evaluations gave the same numbers."""
    return left.keys() == right.keys() and all(_close(float(left[name]), float(right[name])) for name in left)


def _close(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=1e-12) or (math.isnan(left) and math.isnan(right))


def _occurs(value: float, evaluation: Mapping[str, Any]) -> bool:
    """True if a metric is among what the original printed, as far as it printed it, or left in a variable."""
    computed = evaluation["values"].values()
    return any(_prints(value, text) for text in evaluation["printed"]) or any(
        _close(value * scale, number) for number in computed for scale in (1, 100, 0.01)
    )


def _prints(value: float, text: str) -> bool:
    """True if a printed number shows this value, as it is or in percent.

    A whole number without ``%`` may count samples: it shows the value only exactly, or in percent.
    """
    percent, text = text.endswith("%"), text.rstrip("% ")
    if not text[-1].isdigit() and not text.endswith("."):
        return not math.isfinite(value)
    digits = Decimal(text).as_tuple().exponent
    slack = 0.501 * 10.0 ** int(digits)
    if int(digits) >= 0 and not percent:
        return value == float(text) or abs(value * 100 - float(text)) <= slack
    shown = float(text)
    return any(abs(value * scale - shown) <= slack or _close(value * scale, shown) for scale in (1, 100))


def _shown(metrics: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in metrics.items()) or "nothing"
