"""The arrays of the model as the one array that FLARE's NumPy recipe exchanges, and back."""

import numpy as np


def pack(*arrays):
    """A copy of one array as it is; several end to end in one."""
    if len(arrays) == 1:
        return np.array(arrays[0], ndmin=1)
    return np.concatenate([np.ravel(array) for array in arrays])


def unpack(packed, *arrays):
    """What was packed, each in the shape and type of the array it stands for."""
    sizes = [np.size(array) for array in arrays]
    if np.size(packed) != sum(sizes):
        raise ValueError(f"received {np.size(packed)} numbers for arrays of {sizes}: the server has another model")
    parts = np.split(np.ravel(packed), np.cumsum(sizes)[:-1])
    return [_like(part, array) for part, array in zip(parts, arrays, strict=True)]


def _like(part, array):
    """Numbers in the shape and type of an array, or as the plain number it stands for."""
    if not isinstance(array, np.ndarray):
        return float(part[0])
    if not np.issubdtype(array.dtype, np.inexact):
        raise TypeError(f"an array of {array.dtype} cannot hold a mean of sites; build it with floats")
    return part.reshape(array.shape).astype(array.dtype)
