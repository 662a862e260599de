"""Copying a transposed matrix at the speed of memory, and reading large arrays on several cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from convert.arrays import Array

Item = TypeVar("Item")
Result = TypeVar("Result")

# Rows of the matrix as it lies in memory. Read together they fill a cache line of each row of the copy, and they are
# few enough to stay in the cache where the row length is a power of two. Others (8, 32, 64) were slower.
STRIP = 16
THREADS = min(2, os.cpu_count() or 1)  # more would only wait for memory


@dataclass(frozen=True)
class Deferred:
    """Bytes of a known number that are made when they are needed.

    Attributes:
        array: their source, of any strides.
    """

    array: Array

    def __len__(self) -> int:
        return self.array.nbytes

    def __bytes__(self) -> bytes:
        return bytes(self.make())

    def make(self) -> memoryview:
        """The bytes in C order, little-endian; a copy where the array does not lie so."""
        return flat_bytes(self.array)


def flat_bytes(array: Array) -> memoryview:
    """The array's bytes in C order, little-endian, without a copy where it lies so already."""
    return contiguous(array).reshape(-1).view(np.uint8).data


def contiguous(array: Array) -> Array:
    """The array in C order, little-endian: itself if it is so already, else a copy."""
    dtype = array.dtype.newbyteorder("<")
    if array.flags.c_contiguous and array.dtype == dtype:
        return array
    copy = np.empty(array.shape, dtype)
    if array.ndim != 2 or array.flags.c_contiguous:
        copy[...] = array
        return copy
    for column in range(0, array.shape[1], STRIP):
        copy[:, column : column + STRIP] = array[:, column : column + STRIP]
    return copy


def on_cores(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in order; numpy and zlib let go of the interpreter's lock while they work."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
