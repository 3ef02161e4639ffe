"""The helper that cuts arrays of samples down to a site's part."""

from __future__ import annotations

from types import ModuleType

import pytest

from codemods.partition_data import shared_functions

np = pytest.importorskip("numpy")
pytest.importorskip("nvflare")


@pytest.fixture
def helper() -> ModuleType:
    """The module that the step adds."""
    from importlib.resources import files

    templates = files("codemods").joinpath("templates")
    text = templates.joinpath("site_arrays.py").read_text()
    module = ModuleType("site_data")
    exec(text + shared_functions(templates.joinpath("site_data.py").read_text()), module.__dict__)
    return module


def parts(helper: ModuleType, monkeypatch: pytest.MonkeyPatch, how: str, *arrays) -> list[tuple]:
    """What every site of a simulation gets."""
    helper.partitions = how
    found = []
    for index in range(int(how.partition(":")[0])):
        monkeypatch.setattr(helper.flare, "get_site_name", lambda name=f"site-{index + 1}": name)
        found.append(helper.part(*arrays))
    return found


@pytest.mark.parametrize("how", ["3", "3:even", "3:dirichlet:alpha=0.5", "3:stratified:weights=4,1,1"])
def test_rows_stay_together_and_each_is_given_once(helper, monkeypatch, how: str) -> None:
    x, y = np.arange(60).reshape(30, 2), np.arange(30) % 2
    found = parts(helper, monkeypatch, how, x, y)
    rows = np.concatenate([part_x[:, 0] // 2 for part_x, _ in found])
    assert sorted(rows) == list(range(30))
    for part_x, part_y in found:
        assert (part_x[:, 0] // 2 % 2 == part_y).all()
        assert len(part_y) == (20 if "weights" in how and part_y is found[0][1] else len(part_x))


def test_labels_are_dealt_out_alike(helper, monkeypatch) -> None:
    y = np.array([0] * 30 + [1] * 6)
    for part_x, part_y in parts(helper, monkeypatch, "3", np.zeros((36, 2)), y):
        assert (len(part_x), int(part_y.sum())) == (12, 2)


def test_samples_may_stand_in_columns(helper, monkeypatch) -> None:
    x, y = np.arange(20).reshape(2, 10), np.arange(10).reshape(1, 10)
    found = parts(helper, monkeypatch, "2:even", x, y)
    assert [(part_x.shape, part_y.shape) for part_x, part_y in found] == [((2, 5), (1, 5))] * 2
    assert sorted(np.concatenate([part_y[0] for _, part_y in found])) == list(range(10))


def test_one_site_has_the_arrays_themselves(helper) -> None:
    x, y = np.zeros((4, 2)), np.zeros(4)
    assert helper.part(x, y)[0] is x
    assert helper.part(x) is x


def test_arrays_of_other_samples_are_refused(helper, monkeypatch) -> None:
    with pytest.raises(ValueError, match="do not hold the same samples"):
        parts(helper, monkeypatch, "2", np.zeros((4, 2)), np.zeros(3))
