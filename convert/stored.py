"""Arrays whose values are still in a file. What is asked of their shape costs nothing; the values are read once.

Reading, checking and laying out are one pass: a block is read, its checksum taken and its values looked at while it is
in the processor's cache, and what was looked at is what goes into the result.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.arrays import Array, cast_values, count_not_finite
from convert.buffers import STRIP, Buffer, copy_strips
from convert.checksum import crc32
from convert.errors import RefusedCheckpoint
from convert.files import PIECE, Stretch
from convert.params import Shape, c_strides
from convert.storage import Storage

Note = Callable[[Array, int], None]


@dataclass(frozen=True, eq=False)
class StoredArray:
    """A view of a storage, as an array of numpy is one of memory.

    Attributes:
        storage: that it is a view of.
        stored: dtype of its elements in the file.
        shape: as an array's.
        strides: in elements, none below 0.
        offset: of the first element, in elements.
        dtype: of the values once they are read; another one than `stored` is cast to.
        note: is given the values, and how many are not finite, whenever they were read.
    """

    storage: Storage
    stored: np.dtype[Any]
    shape: Shape
    strides: Shape
    offset: int
    dtype: np.dtype[Any]
    note: Note | None = None

    @classmethod
    def over(cls, storage: Storage, dtype: np.dtype[Any], shape: Shape, *, fortran: bool = False) -> StoredArray:
        """All of a storage, in C order or in Fortran's."""
        strides = c_strides(shape[::-1])[::-1] if fortran else c_strides(shape)
        return cls(storage, dtype, shape, strides, 0, dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> StoredArray:  # noqa: N802 - numpy's name
        return dataclasses.replace(self, shape=self.shape[::-1], strides=self.strides[::-1])

    def reshape(self, shape: Shape) -> StoredArray:
        """The same elements with axes of one element put in or taken out."""
        strides = iter([stride for size, stride in zip(self.shape, self.strides, strict=True) if size != 1])
        assert [size for size in shape if size != 1] == [size for size in self.shape if size != 1]
        return dataclasses.replace(self, shape=shape, strides=tuple(1 if n == 1 else next(strides) for n in shape))

    def view(self, dtype: np.dtype[Any]) -> StoredArray:
        """The same bits as numbers of another kind, of as many bytes."""
        assert dtype.itemsize == self.stored.itemsize
        assert self.dtype == self.stored
        return dataclasses.replace(self, stored=dtype, dtype=dtype)

    def cast(self, dtype: np.dtype[Any]) -> StoredArray:
        """The values rounded to another floating-point dtype when they are read."""
        return dataclasses.replace(self, dtype=dtype)

    def noted(self, note: Note) -> StoredArray:
        """The same array, whose reading is told to `note`."""
        return dataclasses.replace(self, note=note)

    def read(self, buffer: Buffer | None = None) -> Array:
        """The values in C order and little-endian, each read and checked once; in the buffer until its next use.

        Raises:
            CheckpointError: the checksum does not fit, or the file changed.
        """
        buffer = buffer or Buffer()
        values = buffer.empty_like(self)
        not_finite = _Pass(self, buffer).fill(values) if self.size else 0
        if self.note:
            self.note(values, not_finite)
        return values

    def count_not_finite(self) -> int:
        """How many of the values are NaN or Inf."""
        return _Pass(self, buffer := Buffer()).fill(buffer.empty_like(self)) if self.size else 0

    def tobytes(self) -> bytes:
        """The values' bytes in C order, little-endian."""
        return self.read().tobytes()

    def over_memory(self, content: memoryview) -> Array:
        """The array over the bytes of its storage, read-only and without a copy, unless it is cast."""
        position, strides = self.offset * self.stored.itemsize, [n * self.stored.itemsize for n in self.strides]
        if not self.size:
            return np.empty(self.shape, self.dtype)
        return cast_values(np.ndarray(self.shape, self.stored, content, position, strides), self.dtype)


def read_all(tensors: Mapping[str, StoredArray]) -> dict[str, Array]:
    """The tensors in memory, read-only. Each storage is read once; those that share one still share it."""
    contents: dict[Stretch, memoryview] = {}
    arrays = {}
    for name, tensor in tensors.items():
        stretch = tensor.storage.stretch
        if stretch not in contents:
            contents[stretch] = tensor.storage.read()
        arrays[name] = tensor.over_memory(contents[stretch])
    return arrays


class _Pass:
    """One reading of an array's values.

    Args:
        array: of one element at least.
        buffer: has the block that is being looked at.
    """

    def __init__(self, array: StoredArray, buffer: Buffer) -> None:
        self.array = array
        self.storage = array.storage
        self.block = buffer.block
        self.itemsize = array.stored.itemsize
        self.limit = PIECE // self.itemsize  # elements of one reading
        self.is_whole = False
        self.checksum = 0

    def fill(self, values: Array) -> int:
        """Fills an array in C order with the values; returns how many are not finite."""
        target, strides = self._in_file_order(values)
        self.is_whole = self._is_whole(target.shape, strides)
        not_finite = sum(self._take(*part) for part in self._parts(target, self.array.offset, strides))
        if self.is_whole and self.storage.crc not in (None, self.checksum):
            raise self.storage.damage()
        return not_finite

    def _in_file_order(self, values: Array) -> tuple[Array, Shape]:
        """The target with its axes in the order in which they lie in the file, and their strides there."""
        axes = [n for n, size in enumerate(self.array.shape) if size != 1]
        target = values.reshape([self.array.shape[n] for n in axes] or [1])
        file_strides = [self.array.strides[n] for n in axes] or [1]
        order = sorted(range(target.ndim), key=lambda n: -file_strides[n])
        target, strides = target.transpose(order), [file_strides[n] for n in order]
        for n in reversed(range(target.ndim - 1)):  # two axes that are one, in the file and in the target, become one
            rows, columns = target.shape[n : n + 2]
            in_target = target.strides[n] == columns * target.strides[n + 1]
            if in_target and strides[n] == columns * strides[n + 1]:
                target = target.reshape(*target.shape[:n], rows * columns, *target.shape[n + 2 :])
                del strides[n]
        return target, tuple(strides)

    def _is_whole(self, sizes: Shape, strides: Shape) -> bool:
        """Whether the elements are all of the storage's, each once, and come in its order."""
        nbytes = self.array.size * self.itemsize
        return not self.array.offset and strides == c_strides(sizes) and nbytes == self.storage.nbytes

    def _parts(self, target: Array, offset: int, strides: Shape) -> Iterator[tuple[Array, int, Shape, int]]:
        """Parts of the target that one reading fills: what to fill, from which element, by which strides, how many."""
        step = strides[0]
        inner = 1 + sum((size - 1) * stride for size, stride in zip(target.shape[1:], strides[1:], strict=True))
        reach = inner + (len(target) - 1) * step
        if reach <= self.limit:
            yield target, offset, strides, reach
            return
        if step < inner:
            raise RefusedCheckpoint(
                f"{self.storage.prefix}a tensor has elements that overlap, which no state dict needs"
            )
        rows = 1 + (self.limit - inner) // step if inner <= self.limit else 0
        rows = rows - rows % STRIP if rows > STRIP else rows
        if not rows:
            for row, part in enumerate(target):
                yield from self._parts(part, offset + row * step, strides[1:])
            return
        for row in range(0, len(target), rows):
            part = target[row : row + rows]
            yield part, offset + row * step, strides, inner + (len(part) - 1) * step

    def _take(self, target: Array, offset: int, strides: Shape, reach: int) -> int:
        is_dense = strides == c_strides(target.shape)
        straight = is_dense and target.flags.c_contiguous and target.dtype == self.array.stored
        data = target.reshape(-1).view(np.uint8).data if straight else self.block[: reach * self.itemsize].data
        position = offset * self.itemsize
        if self.is_whole:
            self.storage.stretch.read_into(position, data)
            self.checksum = crc32(data, self.checksum) if self.storage.crc is not None else 0
        else:
            self.storage.read_into(position, data)
        if straight:
            return count_not_finite(target)
        byte_strides = [stride * self.itemsize for stride in strides]
        stored: Array = np.ndarray(target.shape, self.array.stored, data, strides=byte_strides)
        values = cast_values(stored, self.array.dtype)
        copy_strips(values, target)
        return count_not_finite(values)
