"""A pass of the epoch loop: statements in their order, branches both ways, inner loops twice."""

from __future__ import annotations

import pytest

from tests.engine.facts.one_pass import followed, origins

FOUND = {
    "found = x\nfound = 1": set(),
    "found, other = model(x), 1": {"batch", "output"},
    "other, found = model(x), 1": set(),
    "found, *rest = x": {"batch"},
    "if y.sum() > 0:\n    found = x": {"batch", "found"},
    "if y.sum() > 0:\n    found = x\nelse:\n    found = other": {"batch", "other"},
    "for i in range(2):\n    found = other\n    other = x": {"batch"},
    "for i, part in enumerate(x):\n    found = i": set(),
    "for i, part in enumerate(x):\n    if i == 0:\n        found = part": {"batch"},
    "for i, part in enumerate(x):\n    if i == 1:\n        found = part": {"batch", "found"},
    "while y.sum() > 0:\n    found = other\n    other = x": {"batch"},
    "try:\n    found = x\nexcept ValueError:\n    found = other": {"batch", "other"},
    "with open(x) as found:\n    pass": {"batch"},
    "match y:\n    case 0:\n        found = x\n    case _:\n        found = other": {"batch", "other"},
    "def give():\n    global other\n    other = x\n    return other\nfound = give()": {"batch"},
}


@pytest.mark.parametrize("lines", FOUND)
def test_what_statements_leave(lines, tmp_path):
    assert origins(followed(tmp_path, lines), "found") == FOUND[lines]


DEEP = "\n".join("    " * depth + f"for i{depth} in range(2):" for depth in range(15)) + "\n" + "    " * 15 + "pass"
NESTED = "if y.sum() > 0:\n    found = x" + "".join(f"\nelif y.sum() > {n}:\n    found = x" for n in range(400))
CHAIN = "\n".join(f"def f{n}(x):\n    return f{n + 1}(x)" for n in range(20)) + "\ndef f20(x):\n    return x\nf0(x)"


@pytest.mark.parametrize(
    ("lines", "limit"),
    [
        (DEEP, "an epoch comes to more than 20,000 statements"),
        (NESTED, "an epoch is nested too deeply"),
        (CHAIN, "the functions of an epoch call one another more than 12 deep"),
        ("found = x", ""),
    ],
)
def test_an_end_before_the_end_says_why(lines, limit, tmp_path):
    assert followed(tmp_path, lines).limit == limit
