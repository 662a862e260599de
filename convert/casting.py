"""Casting a source's values on request, before they are converted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16, Array, dtype_name
from convert.errors import FerryError

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("float32"),
    "float16": np.dtype("float16"),
    "bfloat16": BFLOAT16,
}
DEFAULT = "float32"


def cast_state_dict(tensors: Mapping[str, Array], dtype: str = "") -> tuple[dict[str, Array], dict[str, int]]:
    """The tensors in one floating-point dtype.

    Args:
        tensors: names to arrays.
        dtype: "float32", "float16" or "bfloat16". Left out, it is float32, and only casts that keep every value are
            made: of float16 and bfloat16.

    Returns:
        The tensors, those that needed no cast as they were, and how many were cast from which dtype. Tensors that
        are no floating-point numbers are left for the comparison with the table to name.

    Raises:
        FerryError: a cast that would lose values was not asked for.
    """
    target = DTYPES[dtype or DEFAULT]
    counts: dict[str, int] = {}
    result: dict[str, Array] = {}
    for name, array in tensors.items():
        result[name] = array
        if array.dtype != target and (array.dtype.kind == "f" or array.dtype == BFLOAT16):
            if not dtype and array.dtype.itemsize > target.itemsize:
                raise FerryError(
                    f"{name} is {dtype_name(array.dtype)}, which float32 cannot hold: --dtype float32 rounds it"
                )
            result[name] = _cast(array, target)
            counts[dtype_name(array.dtype)] = counts.get(dtype_name(array.dtype), 0) + 1
    return result, counts


def _cast(array: Array, target: np.dtype[np.generic]) -> Array:
    wide = _widened(array)
    with np.errstate(over="ignore"):  # an overflow becomes Inf, which the comparison with the table names
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
