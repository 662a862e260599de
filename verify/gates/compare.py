"""How far two arrays are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array


@dataclass(frozen=True)
class Comparison:
    """How far one framework's numbers stand from the other's.

    Attributes:
        max_abs: the largest absolute difference; NaN if either side has a NaN.
        max_rel: max_abs over the largest absolute expected value.
        worst: index of max_abs.
    """

    max_abs: float
    max_rel: float
    worst: tuple[int, ...]


def size_of(value: float) -> float:
    """What to order a difference by: NaN is as far as can be."""
    return math.inf if math.isnan(value) else value


def compare(expected: Array, actual: Array) -> Comparison:
    """Compares arrays of one shape; a ValueError if the shapes differ or there is nothing to compare."""
    if expected.shape != actual.shape or not expected.size:
        raise ValueError(f"cannot compare shapes {expected.shape} and {actual.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(expected.astype(np.float64) - actual.astype(np.float64))
        flat = int(np.argmax(difference))  # of the first NaN, where there is one
        worst = tuple(int(i) for i in np.unravel_index(flat, expected.shape))
        max_abs = float(difference[worst])
        scale = float(np.max(np.abs(expected)))
    return Comparison(max_abs, max_abs / scale if scale else (0.0 if max_abs == 0 else np.inf), worst)
