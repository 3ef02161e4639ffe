"""What a script has to be given on its command line."""

from __future__ import annotations

import pytest

from engine.facts import ArgumentsFact
from engine.facts.configuration import Option
from engine.plan.arguments import missing_options
from engine.plan.settings import Setting
from engine.result import Place


def option(name: str, required: bool = True) -> Option:
    return Option((name,), name.lstrip("-"), None, required, "", Place("train.py", 1))


ARGUMENTS = ArgumentsFact(
    "argparse", options=(option("epochs"), option("--lr"), option("--data"), option("every"), option("--seed", False))
)
DATA = Setting("--data", "data", None, "str", "", True)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], ["epochs", "every", "--lr"]),
        (["4", "--lr", "0.1"], ["every"]),
        (["4", "--lr=0.1", "2"], []),
        (["--lr=0.1", "4", "2"], []),
        (["4", "2", "--seed", "1"], ["--lr"]),
    ],
)
def test_what_nobody_gives_is_missing(given: list[str], missing: list[str]) -> None:
    assert [each.flags[0] for each in missing_options(ARGUMENTS, [DATA], given)] == missing
