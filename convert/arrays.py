"""The one array type of the project, and what numpy lacks in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# numpy has no bfloat16; a field of that name keeps its 16 bits apart from numbers of type uint16.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The frameworks' word for a dtype."""
    return dtype.names[0] if dtype.names else dtype.name


def count_not_finite(array: Array) -> int:
    """How many values of a floating-point array are NaN or Inf."""
    if array.dtype == BFLOAT16:
        return int(np.count_nonzero((array["bfloat16"] & 0x7F80) == 0x7F80))  # an exponent of all ones
    # A sum of squares is finite only where every value is, and takes one pass; values of 1e19 and more overflow it.
    with np.errstate(all="ignore"):
        if array.flags.forc and array.dtype.kind == "f" and np.isfinite(_sum_of_squares(array)):
            return 0
    return int(array.size - np.count_nonzero(np.isfinite(array)))


def _sum_of_squares(array: Array) -> float:
    flat = array.reshape(-1, order="A")
    return float(np.dot(flat, flat))
