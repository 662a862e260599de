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
    with np.errstate(invalid="ignore"):
        if not array.size or (np.isfinite(array.min()) and np.isfinite(array.max())):
            return 0
    return int(array.size - np.count_nonzero(np.isfinite(array)))
