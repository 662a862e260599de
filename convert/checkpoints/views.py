"""Arrays as views of the bytes that a file has."""

from __future__ import annotations

from typing import Any

import numpy as np

from convert.files import Stretch
from convert.params import Shape
from convert.storage import Storage
from convert.stored import StoredArray

MAX_NDIM = 32


def checked_shape(shape: Any) -> Shape:
    """The shape, if it is a tuple of sizes that an array can have; else a ValueError."""
    if not isinstance(shape, tuple) or len(shape) > MAX_NDIM:
        raise ValueError("a shape that is no tuple of at most 32 sizes")
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError("a shape with a size that is no whole number >= 0")
    return shape


def view_array(data: Stretch, dtype: np.dtype[np.generic], shape: Shape, *, fortran: bool) -> StoredArray:
    """An array over those bytes, which are not read yet; a ValueError if they are too few or too many."""
    expected = dtype.itemsize
    for size in shape:
        expected *= size
    if expected != data.nbytes:
        raise ValueError(f"shape {shape} of {dtype} takes {expected} bytes, the file carries {data.nbytes}")
    return StoredArray.over(Storage(data), dtype, shape, fortran=fortran)
