"""The part of the training data that one site of a simulation trains on.

A real site has its own data and trains on all of it: ``partitions`` stays 1. In a simulation every site reads the same
data; each then takes its own part, the same at every start, with the labels in the same proportions where they are
known.
"""

import re

import numpy as np
import nvflare.client as flare
from torch.utils.data import Subset

partitions = 1  # in how many parts the data is split; set by client.py


def part(dataset, seed=0):
    """This site's part of a data set; the data set itself where it is not split."""
    if partitions <= 1:
        return dataset
    return Subset(dataset, indices(len(dataset), labels_of(dataset), partitions, site_index(), seed))


def site_index():
    """The position of this site among the sites: 0 for ``site-1``."""
    number = re.search(r"(\d+)$", flare.get_site_name())
    if number is None:
        raise ValueError(
            f"site {flare.get_site_name()!r} has no number to choose its part of the data by; leave out --partitions"
        )
    return (int(number.group()) - 1) % partitions


def indices(length, labels, parts, index, seed=0):
    """The sorted positions of one part: shuffled by the seed, then dealt out label by label."""
    order = np.random.RandomState(seed).permutation(length)
    if labels is not None:
        order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    return np.sort(order[index::parts]).tolist()


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
