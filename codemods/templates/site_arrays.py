"""The part of the training data that one site of a simulation trains on.

A real site has its own data and trains on all of it: ``partitions`` stays ``"1"``. In a simulation every site reads the
same data; each then takes its own part, which is the same at every start.
"""

import re

import numpy as np
import nvflare.client as flare

# In how many parts the data is split, and how; set by client.py. "4" and "4:stratified": every label in the same
# proportion where labels are known; "4:even": whatever the labels; "4:dirichlet:alpha=0.5": every site has a mix of
# labels of its own, the more so the smaller alpha is. With "weights=3,1,1,1" the first part is three times the others.
partitions = "1"


def part(*arrays, seed=0):
    """This site's part of arrays of samples; the arrays themselves where they are not split."""
    number, _, how = str(partitions).partition(":")
    parts = int(number)
    if parts > 1:
        axis = samples_axis(arrays)
        chosen = positions(np.shape(arrays[0])[axis], labels_of(arrays), parts, how, seed)
        arrays = tuple(np.take(array, chosen, axis=axis) for array in arrays)
    return arrays if len(arrays) > 1 else arrays[0]


def samples_axis(arrays):
    """The axis along which all arrays have as many entries: the first, or else the last."""
    for axis in (0, -1):
        counts = {np.shape(array)[axis] for array in arrays}
        if len(counts) == 1 and counts != {1}:
            return axis
    raise ValueError(f"arrays of shapes {[np.shape(array) for array in arrays]} do not hold the same samples")


def labels_of(arrays):
    """The label of every sample where one of several arrays holds classes, the last that does, otherwise None."""
    found = [_discrete(array) for array in arrays if len(arrays) > 1]
    return next((labels for labels in reversed(found) if labels is not None), None)


def positions(length, labels, parts, how, seed=0):
    """The sorted positions of this site's samples."""
    kind, _, rest = how.partition(":")
    options = dict(option.split("=") for option in rest.split(":") if option)
    sizes = shares(length, [float(weight) for weight in options.get("weights", ",".join("1" * parts)).split(",")])
    if len(sizes) != parts or min(sizes) < 1:
        raise ValueError(f"{length} samples cannot be split by --partitions {partitions}: a site would have none")
    if kind != "dirichlet":
        return dealt(sizes, None if kind == "even" else labels, site_index(parts), seed)
    if labels is None:
        raise ValueError("a Dirichlet partition needs classes, and none of the arrays holds them")
    return skewed(sizes, labels, site_index(parts), seed, float(options["alpha"]))
