"""Metrics are compared with what the original printed, as far as it printed it."""

from __future__ import annotations

import pytest

from engine.verify.metrics import drawn, original_evaluation, unless_drawn
from engine.verify.report import Check, Outcome
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


def evaluated(loss: float) -> Answer:
    answer = Answer.__new__(Answer)
    object.__setattr__(answer, "metrics", {"loss": loss})
    return answer


def test_an_evaluation_that_gives_other_numbers_for_the_same_weights_draws_at_random() -> None:
    answers = {loss: evaluated(loss) for loss in (0.5, 0.25)}
    told = drawn(answers[0.5], answers[0.5], answers[0.25])
    assert told.endswith("the same weights give loss 0.5 and then loss 0.25")
    assert drawn(answers[0.5], answers[0.5], answers[0.5]) == ""
    assert drawn(answers[0.5], answers[0.5], answers[0.5], answers[0.25]) == told  # the first came out alike by chance


def test_an_evaluation_that_goes_by_what_was_there_before_does_not_draw_at_random() -> None:
    assert drawn(evaluated(0.5), evaluated(0.25), evaluated(0.125)) == ""


def test_numbers_that_are_drawn_are_no_failure() -> None:
    wrong, right = Check("P3", "metrics", Outcome.FAILS, "0.5"), Check("P3", "metrics", Outcome.HOLDS)
    assert unless_drawn(wrong, "drawn") == Check("P3", "metrics", Outcome.NOT_CHECKED, "drawn")
    assert unless_drawn(wrong, "") == wrong
    assert unless_drawn(right, "drawn") == right
