"""Metrics are compared with what the original printed, as far as it printed it."""

from __future__ import annotations

import pytest

from engine.verify.metrics import original_evaluation
from engine.verify.report import Outcome
from engine.verify.server import Answer


@pytest.mark.parametrize(
    ("printed", "outcome"),
    [
        ("0.6931471805599453", Outcome.HOLDS),
        ("0.6931471805599999", Outcome.HOLDS),  # the same batches, added in another order
        ("0.6931", Outcome.HOLDS),
        ("0.6942", Outcome.FAILS),
        ("0.69318", Outcome.FAILS),
    ],
)
def test_a_number_printed_in_full_may_be_added_in_another_order(printed: str, outcome: Outcome) -> None:
    evaluation = {"printed": [printed], "values": {}, "placed": True}
    answer = Answer.__new__(Answer)
    object.__setattr__(answer, "metrics", {"loss": 0.6931471805599453})
    assert original_evaluation([(evaluation, answer)], "loss").outcome is outcome
