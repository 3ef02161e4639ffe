"""A judgement that a conversion rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """A judgement that a conversion rests on.

    Attributes:
        subject: what it is about.
        decision: what was decided.
        otherwise: how to decide otherwise.
        exempts: the proofs of `verify` that it rules out, such as ``P2``.
    """

    subject: str
    decision: str
    otherwise: str = ""
    exempts: tuple[str, ...] = ()
