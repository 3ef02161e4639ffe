"""How far a run is, read from FLARE's log and shown to a person on standard error."""

from __future__ import annotations

import re
import sys
import time
from typing import TextIO

ROUND = re.compile(r"\bRound (\d+) started\.")
RESULTS = re.compile(r"Aggregated (\d+)/(\d+) results")
EVALUATION = re.compile(r"Beginning model validation")


class Progress:
    """Shows each round as it goes: one line that is rewritten in a terminal, a line per round elsewhere.

    Args:
        num_rounds: rounds of the job.
        stream: where it is shown; standard error by default.
    """

    def __init__(self, num_rounds: int, stream: TextIO | None = None) -> None:
        self._num_rounds = num_rounds
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._round = 0
        self._started = time.monotonic()

    def line(self, text: str) -> None:
        """Take note of a line of FLARE's log."""
        if started := ROUND.search(text):
            if self._round == 0:
                self._started = time.monotonic()
            self._round = int(started[1]) + 1
            self._show(f"round {self._round} of {self._num_rounds}{self._time_left()}")
        elif self._live and (results := RESULTS.search(text)):
            self._show(f"round {self._round} of {self._num_rounds}: {results[1]} of {results[2]} sites have answered")
        elif EVALUATION.search(text):
            self._show("evaluating the final model")

    def __enter__(self) -> Progress:
        self._show("starting the server and the sites")
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal's line as if nothing had been shown."""
        if self._live:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _time_left(self) -> str:
        done = self._round - 1
        if done == 0:
            return ""
        left = (time.monotonic() - self._started) / done * (self._num_rounds - done)
        return f", about {left:.0f} s left"

    def _show(self, text: str) -> None:
        self._stream.write(f"\r\x1b[2K{text}" if self._live else f"{text}\n")
        self._stream.flush()
