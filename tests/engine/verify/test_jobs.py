"""How the jobs of a proof are played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from engine.verify.jobs import _end, _play


@pytest.mark.parametrize(("told", "error"), [(0, "zip() argument 2 is shorter"), (3, "")])
def test_a_job_that_is_cut_short_need_not_end_well(told: int, error: str) -> None:
    """A script that has been told of more rounds than it sees may count them after the last one it sees."""
    end = {"error": "zip() argument 2 is shorter", "changed_after_send": []}
    server = SimpleNamespace(answers=[], train=lambda rounds: [], end=lambda: {"site-1": end})

    @contextmanager
    def job(*given: object) -> Iterator[SimpleNamespace]:
        yield server

    seen = _play(SimpleNamespace(job=job), 1, 1, 1, {}, _end, told=told)
    assert [one["error"] for one in seen.ends] == [error]
    assert not seen.broken
