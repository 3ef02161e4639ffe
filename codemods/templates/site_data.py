"""The part of the training data that one site of a simulation trains on.

A real site has its own data and trains on all of it: ``partitions`` stays ``"1"``. In a simulation every site reads the
same data; each then takes its own part, which is the same at every start.
"""

import re

import numpy as np
import nvflare.client as flare
from torch.utils.data import Subset

# In how many parts the data is split, and how; set by client.py. "4" and "4:stratified": every label in the same
# proportion where labels are known; "4:even": whatever the labels; "4:dirichlet:alpha=0.5": every site has a mix of
# labels of its own, the more so the smaller alpha is. With "weights=3,1,1,1" the first part is three times the others.
partitions = "1"


def part(dataset, seed=0):
    """This site's part of a data set; the data set itself where it is not split."""
    number, _, how = str(partitions).partition(":")
    parts = int(number)
    if parts <= 1:
        return dataset
    kind, _, rest = how.partition(":")
    options = dict(option.split("=") for option in rest.split(":") if option)
    sizes = shares(len(dataset), [float(weight) for weight in options.get("weights", ",".join("1" * parts)).split(",")])
    if len(sizes) != parts or min(sizes) < 1:
        raise ValueError(f"{len(dataset)} samples cannot be split by --partitions {partitions}: a site would have none")
    labels = None if kind == "even" else labels_of(dataset)
    if kind != "dirichlet":
        return chosen(dataset, dealt(sizes, labels, site_index(parts), seed))
    if labels is None:
        raise ValueError("a Dirichlet partition needs classes, and the data set has no targets, labels or y with them")
    return chosen(dataset, skewed(sizes, labels, site_index(parts), seed, float(options["alpha"])))


def chosen(dataset, positions):
    """The samples at some positions; of a Subset, with their positions in the data set that it was taken from."""
    if type(dataset) is Subset:
        return Subset(dataset.dataset, [dataset.indices[position] for position in positions])
    return Part(dataset, positions)


class Part(Subset):
    """Some samples of a data set that in all else is that data set: ``loader.dataset.classes`` is what it was."""

    def __getattr__(self, name):
        if name.startswith("__") or "dataset" not in vars(self):
            raise AttributeError(name)
        return self._own(getattr(self.dataset, name))

    def __setattr__(self, name, value):
        whole = vars(self).get("dataset")
        super().__setattr__(name, value) if name in ("dataset", "indices") else setattr(whole, name, value)

    def _own(self, value):
        """A value, cut down to the chosen samples where it has one item for each of all."""
        if type(value) is list and len(value) == len(self.dataset):
            return [value[position] for position in self.indices]
        if tuple(getattr(value, "shape", ()))[:1] == (len(self.dataset),):
            return getattr(value, "iloc", value)[self.indices]
        return tuple(map(self._own, value)) if type(value) is tuple else value


def site_index(parts):
    """The position of this site among the sites: 0 for ``site-1``."""
    number = re.search(r"(\d+)$", flare.get_site_name())
    if number is None:
        raise ValueError(
            f"site {flare.get_site_name()!r} has no number to choose its part of the data by; leave out --partitions"
        )
    return (int(number.group()) - 1) % parts


def shares(length, weights):
    """A length in whole parts, in proportion to weights; what is left over goes to the largest remainders."""
    exact = np.asarray(weights) / sum(weights) * length
    sizes = np.floor(exact + 1e-9).astype(int)
    sizes[np.argsort(sizes - exact, kind="stable")[: length - sizes.sum()]] += 1
    return sizes


def dealt(sizes, labels, index, seed=0):
    """The sorted positions of one part: shuffled by the seed, then dealt out label by label."""
    order = np.random.RandomState(seed).permutation(sum(sizes))
    if labels is not None:
        order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    turns = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])  # when each part gets its next sample
    owners = np.repeat(np.arange(len(sizes)), sizes)[np.lexsort((np.repeat(-sizes, sizes), turns))]
    return np.sort(order[owners == index]).tolist()


def skewed(sizes, labels, index, seed=0, alpha=0.5):
    """The sorted positions of one part: the mix of labels of every part is drawn from a Dirichlet distribution around
    that of the data, as far as labels are left (Hsu, Qi and Brown, 2019)."""
    random = np.random.RandomState(seed)
    names, labels = np.unique(labels, return_inverse=True)
    left = np.bincount(labels, minlength=len(names))
    stacks = [random.permutation(np.flatnonzero(labels == label)) for label in range(len(names))]
    for part_index, size in enumerate(sizes):
        mix = random.dirichlet(alpha * len(names) * np.bincount(labels) / len(labels))
        if np.isnan(mix).any():  # so small an alpha that only one label is left
            mix = np.eye(len(names))[random.randint(len(names))]
        taken = np.zeros_like(left)
        while taken.sum() < size:
            wanted = mix * (left > taken)
            wanted = wanted if wanted.sum() > 0 else left - taken
            taken = np.minimum(taken + shares(size - taken.sum(), wanted), left)
        if part_index == index:
            own = [stack[:n] for stack, n in zip(stacks, taken, strict=True)]
            return np.sort(np.concatenate(own)).tolist()
        stacks = [stack[n:] for stack, n in zip(stacks, taken, strict=True)]
        left = left - taken


def labels_of(dataset):
    """The label of every sample where a data set has them at hand, otherwise None."""
    if isinstance(dataset, Subset):
        labels = labels_of(dataset.dataset)
        return None if labels is None else np.asarray(labels)[np.asarray(dataset.indices)]
    for name in ("targets", "labels", "y"):
        labels = getattr(dataset, name, None)
        if labels is not None and not callable(labels) and len(labels) == len(dataset):
            return _discrete(labels)
    tensors = getattr(dataset, "tensors", None)
    return _discrete(tensors[-1]) if tensors and len(tensors) > 1 else None


def _discrete(labels):
    """Labels that are classes, one per sample; None for anything else."""
    labels = np.asarray(labels).squeeze()
    return labels if labels.ndim == 1 and len(np.unique(labels)) <= max(2, len(labels) // 5) else None
