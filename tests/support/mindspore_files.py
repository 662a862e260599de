"""Checkpoints of MindSpore, as itself wrote them and put together here, good and bad."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from convert.arrays import BFLOAT16, Array

DATA = Path(__file__).resolve().parents[1] / "data" / "mindspore"
EPOCH = DATA / "mindvision_small_epoch.ckpt"
PLAIN = 419_509  # bytes of it before `epoch`: what MindSpore wrote without it, bit for bit

TYPES = {
    np.dtype("<f2"): "Float16",
    np.dtype("<f4"): "Float32",
    np.dtype("<f8"): "Float64",
    np.dtype("<i8"): "Int64",
    np.dtype("<i4"): "Int32",
    np.dtype("?"): "Bool",
    BFLOAT16: "BFloat16",
}


def plain() -> bytes:
    """mindvision's network, weights alone."""
    return EPOCH.read_bytes()[:PLAIN]


def with_checksum(content: bytes) -> bytes:
    """The content with the trailer of `crc_check=True`."""
    return content + b"crc_num" + zlib.crc32(content).to_bytes(10, "big")


def varint(number: int) -> bytes:
    """A number as protobuf has it; below 0 in ten bytes."""
    number %= 1 << 64
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def counted(number: int, content: bytes) -> bytes:
    """Field of that number with counted bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(dims: tuple[int, ...], kind: str, content: bytes, *, packed: bool = False) -> bytes:
    """A TensorProto."""
    sizes = counted(1, b"".join(map(varint, dims))) if packed else b"".join(b"\x08" + varint(size) for size in dims)
    return sizes + counted(2, kind.encode()) + counted(3, content)


def entry(tag: str | bytes, proto: bytes) -> bytes:
    """A Value within its Checkpoint."""
    return counted(1, counted(1, tag if isinstance(tag, bytes) else tag.encode()) + counted(2, proto))


def array_entry(tag: str, array: Array, *, packed: bool = False) -> bytes:
    """The entry of an array."""
    return entry(tag, tensor(array.shape, TYPES[array.dtype], array.tobytes(), packed=packed))


def checkpoint(tensors: Mapping[str, Array]) -> bytes:
    """What MindSpore writes of those parameters."""
    return b"".join(array_entry(tag, array) for tag, array in tensors.items())


def boundaries(content: bytes) -> list[int]:
    """Where each entry of a checkpoint ends."""
    ends, position = [], 0
    while position < len(content):
        length = shift = 0
        position += 1  # the key
        while True:
            byte = content[position]
            length |= (byte & 0x7F) << shift
            position, shift = position + 1, shift + 7
            if byte < 0x80:
                break
        position += length
        ends.append(position)
    return ends
