"""Casting a source's values on request, before they are converted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16, Array, TensorType, cast_values, dtype_name
from convert.errors import FerryError
from convert.stored import StoredArray

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("float32"),
    "float16": np.dtype("float16"),
    "bfloat16": BFLOAT16,
}
DEFAULT = "float32"


def cast_state_dict(tensors: Mapping[str, TensorType], dtype: str = "") -> tuple[dict[str, TensorType], dict[str, int]]:
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
    result: dict[str, TensorType] = {}
    for name, array in tensors.items():
        result[name] = array
        if array.dtype != target and (array.dtype.kind == "f" or array.dtype == BFLOAT16):
            if not dtype and array.dtype.itemsize > target.itemsize:
                raise FerryError(f"{name} is {dtype_name(array.dtype)}, which float32 cannot hold")
            result[name] = _cast(array, target)
            was = f"{'big-endian ' * (array.dtype.byteorder == '>')}{dtype_name(array.dtype)}"
            counts[was] = counts.get(was, 0) + 1
    return result, counts


def widened(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The same values with float16 and bfloat16 as float32, which holds every one of theirs."""
    return {
        name: cast_values(array, DTYPES[DEFAULT]) if _is_half(array.dtype) else array for name, array in tensors.items()
    }


def holds(dtype: str, values: np.dtype[Any]) -> bool:
    """Whether that floating-point dtype holds every value of another one."""
    if DTYPES[dtype] == values:
        return True
    return dtype == DEFAULT and (values.kind == "f" or _is_half(values)) and values.itemsize <= DTYPES[dtype].itemsize


def _is_half(dtype: np.dtype[Any]) -> bool:
    return dtype == BFLOAT16 or (dtype.kind == "f" and dtype.itemsize == 2)


def _cast(tensor: TensorType, target: np.dtype[Any]) -> TensorType:
    """The tensor in another dtype; one that is still in a file is cast when it is read."""
    cast: Any = tensor.cast(target) if isinstance(tensor, StoredArray) else cast_values(np.asarray(tensor), target)
    result: TensorType = cast
    return result
