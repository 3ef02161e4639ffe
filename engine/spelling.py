"""What somebody meant who wrote a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable


def meant(name: str, known: Iterable[str], listed: str = "list") -> str:
    """The known name that is written most alike, as a question; where none is, the command that lists them.

    Args:
        name: what was written; small and capital letters count alike.
        known: the names that there are.
        listed: what lists them, of `python -m codemods`.
    """
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"`python -m codemods {listed}` names them"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is written most alike; empty where none is."""
    from difflib import get_close_matches

    names = {each.lower(): each for each in known}
    return next((names[near] for near in get_close_matches(name.lower(), names, 1)), "")
