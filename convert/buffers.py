"""Copying a transposed matrix at the speed of memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convert.arrays import Array

# Rows of the matrix as it lies in memory. Read together they fill a cache line of each row of the copy, and they are
# few enough to stay in the cache where the row length is a power of two. Others (8, 32, 64) were slower.
STRIP = 16


class Buffer:
    """Memory for one copy after another: pages that are new to the process cost more than the copying itself."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def empty_like(self, array: Array) -> Array:
        """An array of that shape and dtype, in C order and little-endian, of any content; good until the next call."""
        if self._bytes.size < array.nbytes:
            self._bytes = np.empty(array.nbytes, np.uint8)
        copy: Array = self._bytes[: array.nbytes].view(array.dtype.newbyteorder("<"))
        return copy.reshape(array.shape)


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
        return bytes(self.make(Buffer()))

    def make(self, buffer: Buffer) -> memoryview:
        """The bytes in C order, little-endian; a copy in the buffer where the array does not lie so."""
        return flat_bytes(self.array, buffer)


def flat_bytes(array: Array, buffer: Buffer | None = None) -> memoryview:
    """The array's bytes in C order, little-endian, without a copy where it lies so already.

    Args:
        array: of any strides.
        buffer: where a copy goes; memory of its own unless given.
    """
    return _contiguous(array, buffer or Buffer()).reshape(-1).view(np.uint8).data


def _contiguous(array: Array, buffer: Buffer) -> Array:
    if array.flags.c_contiguous and array.dtype == array.dtype.newbyteorder("<"):
        return array
    copy = buffer.empty_like(array)
    if array.ndim != 2 or array.flags.c_contiguous:
        copy[...] = array
        return copy
    for column in range(0, array.shape[1], STRIP):
        copy[:, column : column + STRIP] = array[:, column : column + STRIP]
    return copy
