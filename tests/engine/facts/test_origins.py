"""Origins: where the value of an expression comes from."""

from __future__ import annotations

import pytest

from tests.engine.facts.one_pass import changed, followed, origins

COMES_FROM = {
    "x": {"batch"},
    "model(x)": {"batch", "output"},
    "model.weight.grad": {"output"},
    "data": {"data"},
    "1": set(),
    "x.shape[0]": set(),
    "len(x)": set(),
    "f'{x}'": set(),
    "other": {"other"},
    "other + x": {"other", "batch"},
    "[other, *x]": {"other", "batch"},
    "[part for part in x]": {"batch"},
    "torch.cat([other, x])": {"other", "batch"},
    "keeper.value": {"value"},
    "keeper.value.mean()": {"value"},
    "twice(other)": {"other"},
    "twice(other, train=False)": {"other", "output"},
    "(lambda part: part + x)(other)": {"batch", "other"},
}
IN_PLACE = {
    "kept.copy_(x[0])": {"kept"},
    "torch.add(other, x[0], out=kept)": {"kept"},
    "torch.utils.swap(x)": set(),
    "kept.requires_grad_(bool(x[0, 0]))": set(),
    "(kept := x)": {"kept"},
}


@pytest.mark.parametrize("expression", COMES_FROM)
def test_where_a_value_comes_from(expression, tmp_path):
    assert origins(followed(tmp_path, f"found = {expression}"), "found") == COMES_FROM[expression]


@pytest.mark.parametrize("call", IN_PLACE)
def test_what_a_call_changes_in_place(call, tmp_path):
    assert changed(followed(tmp_path, call)) == IN_PLACE[call]


def test_what_is_cleared_comes_from_nothing(tmp_path):
    assert origins(followed(tmp_path, "kept.add_(x[0])\nkept.zero_()"), "kept") == set()


def test_the_loss_of_the_training_is_known(tmp_path):
    done = followed(tmp_path, "(model(x) + keeper.value).sum().backward()")
    assert {"value", "batch", "output"} <= {one if isinstance(one, str) else one.name for one in done.trains}
