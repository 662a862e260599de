"""The one array type of the project, and what numpy lacks in it."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Tensor(Protocol):
    """What a conversion asks of a tensor, whose values are in memory (`Array`) or still in a file (`StoredArray`)."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def T(self) -> Any: ...  # noqa: N802 - numpy's name
    def reshape(self, shape: tuple[int, ...], /) -> Any: ...
    def view(self, dtype: np.dtype[Any], /) -> Any: ...
    def tobytes(self) -> bytes: ...


TensorType = TypeVar("TensorType", bound=Tensor)


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


def cast_values(array: Array, target: np.dtype[Any]) -> Array:
    """The values in another floating-point dtype: `array` itself where it has that already, else rounded to nearest.

    A value that is too large becomes Inf.
    """
    if array.dtype == target:
        return array
    wide = _widened(array)
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32 if target == BFLOAT16 else target)
    if target != BFLOAT16:
        return narrow
    bits = np.ascontiguousarray(narrow).view(np.uint32)
    # Round to nearest, ties to even, as both frameworks do; a NaN keeps a bit of its payload.
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(wide), np.uint16(0x7FC0), rounded).view(BFLOAT16).reshape(array.shape)


def _widened(array: Array) -> Array:
    if array.dtype != BFLOAT16:
        return array
    bits = np.ascontiguousarray(array).view(np.uint16).astype(np.uint32)
    return (bits << 16).view(np.float32).reshape(array.shape)


def _sum_of_squares(array: Array) -> float:
    flat = array.reshape(-1, order="A")
    return float(np.dot(flat, flat))
