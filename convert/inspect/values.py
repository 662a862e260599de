"""The values of two tensors of one shape, compared piece by piece."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from convert.arrays import BFLOAT16, Array, cast_values
from convert.buffers import Buffer
from convert.inspect.measure import Progress, ignore_progress
from convert.inspect.pieces import in_step, pieces
from convert.stored import StoredArray


class ValueDifference(NamedTuple):
    """How far two tensors are apart.

    Attributes:
        differing: how many elements are not the same: by their bits, or by their values where the dtypes differ.
        max_abs: the greatest absolute difference of two elements; infinite where one of them is NaN or Inf and the
            other is not the same.
    """

    differing: int
    max_abs: float


class Buffers:
    """Memory for one comparison after another."""

    def __init__(self) -> None:
        self.left, self.right = Buffer(), Buffer()


def compare_values(
    one: StoredArray, other: StoredArray, buffers: Buffers, progress: Progress = ignore_progress
) -> ValueDifference:
    """Reads both tensors, which have one shape, once; the errors are those of `pieces`."""
    differing, max_abs = 0, 0.0
    for left, right in in_step(pieces(one, buffers.left), pieces(other, buffers.right)):
        count, greatest = _compare(left, right)
        differing, max_abs = differing + count, max(max_abs, greatest)
        progress(left.nbytes + right.nbytes)
    return ValueDifference(differing, max_abs)


def _compare(left: Array, right: Array) -> tuple[int, float]:
    if left.dtype == right.dtype:
        bits = np.dtype(f"u{left.itemsize}")
        differ = left.view(bits) != right.view(bits)
        count = int(np.count_nonzero(differ))
        if not count:
            return 0, 0.0
        left, right = _wide(left[differ]), _wide(right[differ])
    else:
        left, right = _wide(left), _wide(right)
        count = int(np.count_nonzero(~_are_same(left, right)))
    return count, _greatest(left, right)


def _greatest(left: Array, right: Array) -> float:
    with np.errstate(all="ignore"):
        apart = np.where(_are_same(left, right), 0.0, np.abs(left - right))
    greatest = float(apart.max()) if apart.size else 0.0
    return math.inf if math.isnan(greatest) else greatest


def _are_same(left: Array, right: Array) -> Array:
    same: Array = (left == right) | (np.isnan(left) & np.isnan(right))
    return same


def _wide(values: Array) -> Array:
    if values.dtype == BFLOAT16:
        values = cast_values(values, np.dtype(np.float32))
    return values.astype(np.float64)
