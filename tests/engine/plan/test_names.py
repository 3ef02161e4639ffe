"""Names of what is added: none of those that the user's files use."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan.names import CANDIDATES, free_names
from engine.source import SourceFile


def names(*texts: str):
    return free_names(
        [SourceFile(Path(f"{number}.py"), f"{number}.py", b"", text) for number, text in enumerate(texts)]
    )


def test_the_plainest_name_where_it_is_free() -> None:
    chosen = names("import torch\n")
    assert {role: getattr(chosen, role) for role in CANDIDATES} == {
        role: first for role, (first, *_) in CANDIDATES.items()
    }


@pytest.mark.parametrize(
    "text",
    [
        "flare = 1",
        "print(flare)",
        "def flare(): pass",
        "class flare: pass",
        "def f(flare): pass",
        "lambda *flare: 0",
        "import flare.client",
        "from sun import x as flare",
        "for flare in y: pass",
        "with x as flare: pass",
        "try: pass\nexcept E as flare: pass",
        "def f():\n    global flare",
        "[flare for flare in x]",
        "(flare := 1)",
        "match x:\n    case [flare, *_]: pass",
        "match x:\n    case [*flare]: pass",
    ],
)
def test_a_name_that_is_used_is_taken(text: str) -> None:
    assert names(f"{text}\n").flare == "nv_flare"


@pytest.mark.parametrize("text", ["x.flare = 1", "f(flare=1)", "'flare'", "# flare", "x['flare']"])
def test_an_attribute_a_keyword_or_text_is_no_name(text: str) -> None:
    assert names(f"{text}\n").flare == "flare"


def test_a_name_that_one_file_uses_is_taken_in_all() -> None:
    assert names("x = 1\n", "flare = 1\n").flare == "nv_flare"


def test_when_all_candidates_are_taken_they_are_numbered() -> None:
    assert names("flare = nv_flare = nvidia_flare = 1\n").flare == "flare_2"


def test_the_very_import_that_would_be_added_leaves_the_name_free() -> None:
    assert names("from collections import Counter\nCounter('abc')\n").counter == "Counter"
    assert names("from collections import Counter\nCounter = dict\n").counter == "StepCounter"
    assert names("from collections import Counter\n", "class Counter: pass\n").counter == "StepCounter"
    assert names("from shop import Counter\n").counter == "StepCounter"


def test_no_two_parts_share_a_name() -> None:
    chosen = names("metrics = params = steps = results = 1\n")
    assert len({getattr(chosen, role) for role in CANDIDATES}) == len(CANDIDATES)
