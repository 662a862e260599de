"""Copying a transposed matrix at the speed of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from convert.arrays import Array, Tensor
from convert.files import PIECE

# Rows of the matrix as it lies in memory. Read together they fill a cache line of each row of the copy, and they are
# few enough to stay in the cache where the row length is a power of two. Others (8, 32, 64) were slower.
STRIP = 16


class Buffer:
    """Memory for one copy after another: pages that are new to the process cost more than the copying itself."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)
        self._block = np.empty(0, np.uint8)

    @property
    def block(self) -> Array:
        """Room for one reading from a file, beside the copy; of any content."""
        if not self._block.size:
            self._block = np.empty(PIECE, np.uint8)
        return self._block

    def empty_like(self, array: Tensor) -> Array:
        """An array of that shape and dtype, in C order and little-endian, of any content; good until the next call."""
        if self._bytes.size < array.nbytes:
            self._bytes = np.empty(array.nbytes, np.uint8)
        copy: Array = self._bytes[: array.nbytes].view(array.dtype.newbyteorder("<"))
        return copy.reshape(array.shape)


@dataclass(frozen=True)
class Deferred:
    """Bytes of a known number that are made when they are needed.

    Attributes:
        array: their source, of any strides, in memory or in a file.
    """

    array: Tensor

    def __len__(self) -> int:
        return self.array.nbytes

    def __bytes__(self) -> bytes:
        return bytes(self.make(Buffer()))

    def make(self, buffer: Buffer) -> memoryview:
        """The bytes in C order, little-endian; a copy in the buffer where the array does not lie so."""
        return flat_bytes(self.array, buffer)


class Unread(Protocol):
    """A tensor whose values are not in memory."""

    def read(self, buffer: Buffer) -> Array:
        """The values in C order and little-endian, in the buffer."""


def flat_bytes(tensor: Tensor, buffer: Buffer | None = None) -> memoryview:
    """The tensor's bytes in C order, little-endian, without a copy where it lies so already.

    Args:
        tensor: of any strides, in memory or in a file.
        buffer: where a copy goes; memory of its own unless given.
    """
    buffer = buffer or Buffer()
    array = tensor if isinstance(tensor, np.ndarray) else cast("Unread", tensor).read(buffer)
    return _contiguous(array, buffer).reshape(-1).view(np.uint8).data


def copy_strips(source: Array, target: Array) -> None:
    """Copies values to where they lie in another order, by strips of rows of the source."""
    if source.ndim != 2 or target.flags.c_contiguous:
        target[...] = source
        return
    for row in range(0, len(source), STRIP):
        target[row : row + STRIP] = source[row : row + STRIP]


def _contiguous(array: Array, buffer: Buffer) -> Array:
    if array.flags.c_contiguous and array.dtype == array.dtype.newbyteorder("<"):
        return array
    copy = buffer.empty_like(array)
    if array.flags.c_contiguous:
        copy[...] = array
    else:
        copy_strips(array.T, copy.T)
    return copy
