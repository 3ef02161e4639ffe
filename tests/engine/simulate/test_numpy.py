"""A job in NumPy trains what plain NumPy computes for the same sites."""

from __future__ import annotations

import pytest

pytest.importorskip("nvflare")

from benchmarks.jobs import numpy_run  # noqa: E402


@pytest.mark.simulator
def test_sites_that_send_what_a_round_has_changed() -> None:
    """Whole models are what `tests/test_conversions.py` runs."""
    assert numpy_run({"params_transfer_type": "DIFF"}) < 1e-12
