"""A tensor's values in C order, piece by piece: each is read and checked once, and few are in memory at any time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from convert.arrays import Array
from convert.buffers import Buffer
from convert.checksum import crc32
from convert.files import PIECE
from convert.params import c_strides
from convert.stored import StoredArray

STRIP_BYTES = 32 << 20  # of a tensor that lies in another order; a transposed one of more is read once for each strip


def pieces(array: StoredArray, buffer: Buffer) -> Iterator[Array]:
    """The values in C order and little-endian, flat; each piece is good until the next.

    Args:
        array: of any strides.
        buffer: what the pieces lie in.

    Raises:
        CheckpointError: the checksum does not fit, or the file changed; at the latest after the last piece.
    """
    if not array.size:
        return
    if not _is_in_order(array):
        for strip in _strips(array):
            yield strip.read(buffer).reshape(-1)
        return
    yield from _whole(array, buffer) if _is_all(array) else _part(array, buffer)


def stated_checksum(array: StoredArray) -> int | None:
    """The CRC-32 of the values that the file states, and `pieces` compares; None where it states none of just these."""
    return array.storage.crc if _is_in_order(array) and _is_all(array) else None


def _is_all(array: StoredArray) -> bool:
    return not array.offset and array.size * array.stored.itemsize == array.storage.nbytes


def _is_in_order(array: StoredArray) -> bool:
    axes = [n for n, size in enumerate(array.shape) if size != 1]
    sizes, strides = tuple(array.shape[n] for n in axes), tuple(array.strides[n] for n in axes)
    return array.dtype == array.stored and strides == c_strides(sizes)


def _whole(array: StoredArray, buffer: Buffer) -> Iterator[Array]:
    """The pieces of a tensor that is all of its storage, whose checksum is taken on the way."""
    storage, checksum = array.storage, 0
    for start in range(0, storage.nbytes, PIECE):
        piece = buffer.block[: min(PIECE, storage.nbytes - start)]
        storage.stretch.read_into(start, piece.data)
        if storage.crc is not None:
            checksum = crc32(piece.data, checksum)
        yield _little_endian(piece.view(array.stored))
    if storage.crc not in (None, checksum):
        raise storage.damage()


def _part(array: StoredArray, buffer: Buffer) -> Iterator[Array]:
    """The pieces of a tensor that is a part of its storage, each within one of the blocks that are checked alone."""
    position = array.offset * array.stored.itemsize
    end = position + array.size * array.stored.itemsize
    while position < end:
        piece = buffer.block[: min(PIECE - position % PIECE, end - position)]
        array.storage.read_into(position, piece.data)
        yield _little_endian(piece.view(array.stored))
        position += piece.size


def _little_endian(values: Array) -> Array:
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def _strips(array: StoredArray) -> Iterator[StoredArray]:
    """The tensor by rows, as many at a time as a strip holds; by rows of a row where one alone is too large."""
    if array.nbytes <= STRIP_BYTES or not array.ndim:
        yield array
        return
    rows = STRIP_BYTES // (array.dtype.itemsize * math.prod(array.shape[1:]))
    for row in range(0, array.shape[0], rows or 1):
        offset = array.offset + row * array.strides[0]
        if rows:
            shape = (min(rows, array.shape[0] - row), *array.shape[1:])
            yield dataclasses.replace(array, shape=shape, offset=offset)
        else:
            inner = dataclasses.replace(array, shape=array.shape[1:], strides=array.strides[1:], offset=offset)
            yield from _strips(inner)


def in_step(one: Iterator[Array], other: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """Pieces of two tensors of as many values, cut so that each pair has the same ones; ends both."""
    left, right = np.empty(0), np.empty(0)
    while True:
        left = left if left.size else next(one, left)
        right = right if right.size else next(other, right)
        count = min(left.size, right.size)
        if not count:
            return
        yield left[:count], right[:count]
        left, right = left[count:], right[count:]
