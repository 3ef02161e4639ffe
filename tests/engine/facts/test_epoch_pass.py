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
