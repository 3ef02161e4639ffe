"""A job in NumPy trains what plain NumPy computes for the same sites."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("nvflare")

from benchmarks.jobs import numpy_run  # noqa: E402


@pytest.mark.simulator
def test_sites_that_send_what_a_round_has_changed() -> None:
    """Whole models are what `tests/test_conversions.py` runs."""
    assert numpy_run({"params_transfer_type": "DIFF"}) < 1e-12


@pytest.mark.simulator
def test_weights_to_start_from() -> None:
    """They are taken from the file as they are, not rounded to float32 as those of the script."""
    assert numpy_run({}, start=np.random.default_rng(3).normal(size=31)) < 1e-12
