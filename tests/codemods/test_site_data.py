"""The helper that chooses a site's part: complete, disjoint, of the sizes asked for, the same at every start."""

from __future__ import annotations

import pickle
from copy import deepcopy
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytest.importorskip("nvflare")

from torch.utils.data import Subset  # noqa: E402

import codemods.templates.site_data as site_data  # noqa: E402

KINDS = ("4", "4:stratified", "4:even", "4:dirichlet:alpha=0.1", "4:dirichlet:alpha=1000:weights=5,1,1,2")


class Data:
    """Samples that are their own positions, with or without labels."""

    def __init__(self, length: int, labels: object = None) -> None:
        self.length = length
        if labels is not None:
            self.targets = labels

    def __len__(self) -> int:
        return self.length


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(site_data, "partitions", "1")
    return site_data


def parts(helper: ModuleType, monkeypatch: pytest.MonkeyPatch, data: Data, how: str) -> list[list[int]]:
    """What every site of a simulation gets."""
    monkeypatch.setattr(helper, "partitions", how)
    found = []
    for site in range(1, int(how.partition(":")[0]) + 1):
        monkeypatch.setattr(helper.flare, "get_site_name", lambda site=site: f"site-{site}")
        found.append(helper.part(data).indices)
    return found


@given(
    st.integers(1, 400),
    st.lists(st.floats(0.05, 20), min_size=1, max_size=8),
    st.integers(1, 12),
    st.floats(1e-4, 1e4),
    st.integers(0, 99),
)
def test_every_sample_goes_to_exactly_one_site(
    length: int, weights: list[float], classes: int, alpha: float, seed: int
) -> None:
    labels = np.random.RandomState(seed).randint(0, classes, length)
    sizes = site_data.shares(length, weights)
    sites = range(len(sizes))
    for found in (
        [site_data.dealt(sizes, None, site, seed) for site in sites],
        [site_data.dealt(sizes, labels, site, seed) for site in sites],
        [site_data.skewed(sizes, labels, site, seed, alpha) for site in sites],
    ):
        assert [len(part) for part in found] == sizes.tolist()
        assert sorted(position for part in found for position in part) == list(range(length))
        assert all(part == sorted(part) for part in found)


@given(st.integers(1, 10_000), st.lists(st.floats(0.05, 20), min_size=1, max_size=8))
def test_sizes_are_in_proportion_to_the_weights(length: int, weights: list[float]) -> None:
    sizes = site_data.shares(length, weights)
    assert sizes.sum() == length
    assert np.abs(sizes - np.asarray(weights) / sum(weights) * length).max() < 1


@given(st.integers(2, 400), st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
def test_labels_are_dealt_in_the_same_proportion(length: int, sites: int, classes: int, seed: int) -> None:
    labels = np.random.RandomState(seed).randint(0, classes, length)
    sizes = site_data.shares(length, [1] * sites)
    counts = [
        np.bincount(labels[site_data.dealt(sizes, labels, site, seed)], minlength=classes) for site in range(sites)
    ]
    assert np.ptp(counts, axis=0).max() <= 1


def test_a_large_alpha_is_stratified_and_a_small_one_gives_sites_labels_of_their_own() -> None:
    labels = np.repeat(range(4), 100)
    sizes = site_data.shares(400, [3, 1])

    def counts(alpha: float) -> list[list[int]]:
        return [np.bincount(labels[site_data.skewed(sizes, labels, i, 0, alpha)]).tolist() for i in range(2)]

    assert np.abs(np.asarray(counts(1e7)) - [[75] * 4, [25] * 4]).max() <= 1
    assert sum(n > 0 for n in counts(0.01)[1]) < 4
    assert np.ptp(counts(1)[1]) > 25


@pytest.mark.parametrize("how", KINDS)
def test_the_parts_are_the_same_at_every_start(how: str, helper: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data(90, np.arange(90) % 3)
    first = parts(helper, monkeypatch, data, how)
    np.random.seed(7)  # the streams of the script have no part in it
    assert parts(helper, monkeypatch, data, how) == first
    assert sorted(sum(first, [])) == list(range(90))


def test_one_site_has_the_whole_in_its_own_order(helper: ModuleType) -> None:
    data = Data(10)
    for how in (1, "1", "1:dirichlet:alpha=0.1", "1:even"):
        helper.partitions = how
        assert helper.part(data) is data


def test_labels_are_looked_at_unless_the_split_is_even(helper: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data(40, np.repeat([0, 1], 20))
    by_label = [np.bincount(data.targets[part]).tolist() for part in parts(helper, monkeypatch, data, "4")]
    assert by_label == [[5, 5]] * 4
    even = parts(helper, monkeypatch, data, "4:even")
    assert even == parts(helper, monkeypatch, Data(40), "4:even") == parts(helper, monkeypatch, Data(40), "4")


@pytest.mark.parametrize(
    ("how", "labels", "message"),
    [
        ("3:even:weights=1,1", None, "cannot be split by --partitions 3:even:weights=1,1"),
        ("3:even:weights=1000,1,1", None, "a site would have none"),
        ("3:dirichlet:alpha=1", None, "needs classes"),
    ],
)
def test_what_cannot_be_split_is_said(
    how: str, labels: object, message: str, helper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=message):
        parts(helper, monkeypatch, Data(30, labels), how)


class Described(Data):
    """A data set with more to it than its samples."""

    classes = ("cat", "dog")

    def __init__(self, length: int) -> None:
        super().__init__(length, np.arange(length) % 2)
        self.names = [f"{position}.png" for position in range(length)]
        self.arrays = (np.arange(length), np.ones(3))
        self.transform, self.epoch = str, 0

    def __getitem__(self, position: int) -> str:
        return self.transform(position)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


@pytest.fixture
def described(helper: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[Described, Any]:
    """A data set and the second half of it."""
    monkeypatch.setattr(helper, "partitions", "2")
    monkeypatch.setattr(helper.flare, "get_site_name", lambda: "site-2")
    data = Described(10)
    return data, helper.part(data)


def test_a_part_is_asked_what_its_data_set_is(described: tuple[Described, Any]) -> None:
    data, part = described
    part.set_epoch(3)
    assert (part.classes, data.epoch, part.epoch, hasattr(part, "colour")) == (("cat", "dog"), 3, 3, False)
    part.transform = float
    assert part[0] == float(part.indices[0])


def test_of_what_its_data_set_has_for_each_sample_a_part_has_its_own(described: tuple[Described, Any]) -> None:
    data, part = described
    assert len(part) == len(part.targets) == len(part.names) == len(part.arrays[0]) == 5
    assert part.names == [data.names[position] for position in part.indices]
    assert part.arrays[0].tolist() == part.indices
    assert part.arrays[1].tolist() == [1, 1, 1]


def test_a_part_travels_to_the_processes_of_a_loader(described: tuple[Described, Any]) -> None:
    data, part = described
    for copy in (pickle.loads(pickle.dumps(part)), deepcopy(part)):
        assert (copy.indices, copy.classes, copy[1]) == (part.indices, data.classes, part[1])


def test_a_part_of_a_subset_has_its_positions_in_the_whole(helper: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Described(30)
    chosen = range(20, 30)
    found = parts(helper, monkeypatch, Subset(whole, chosen), "2")
    assert sorted(found[0] + found[1]) == list(chosen)
    assert helper.part(Subset(whole, chosen)).dataset is whole
