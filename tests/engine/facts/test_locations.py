"""Locations: what is changed, under all its names, and what of it lives on to the next pass."""

from __future__ import annotations

import pytest

from tests.engine.facts.one_pass import changed, followed

CHANGED = {
    "kept = x": {"kept"},
    "kept += x[0]": {"kept"},
    "kept[0] = x[0, 0]": {"kept"},
    "kept.data[0] = x[0, 0]": {"kept"},
    "kept.view(-1)[0] = x[0, 0]": {"kept"},
    "alias = kept\nalias += x[0]": {"kept"},
    "alias = kept\nfurther = alias\nfurther[0] = x[0, 0]": {"kept"},
    "alias = kept\nalias = torch.zeros(3)\nalias += x[0]": set(),
    "alias = kept.clone()\nalias += x[0]": set(),
    "new = torch.zeros(3)\nnew += x[0]": set(),
    "kept = len(x)": set(),
    "keeper.value = x": {"value"},
    "keeper.keep(x)": {"value"},
    "held = keeper.value\nheld[0] = x[0, 0]": {"value"},
    "fresh = Keeper()\nfresh.keep(x)": set(),
    "twice.kept = x": {"kept"},
    "if epoch > 0:\n    print(last)\nlast = x": {"last"},
    "last = x\nprint(last)": set(),
}


@pytest.mark.parametrize("lines", CHANGED)
def test_what_is_changed_and_lives_on(lines, tmp_path):
    assert changed(followed(tmp_path, lines)) == CHANGED[lines]
