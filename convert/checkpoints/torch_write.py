"""Writing PyTorch's zip container canonically: the same tensors give the same bytes, and `torch.load` reads them.

Layout as caffe2/serialize/inline_container.cc of https://github.com/pytorch/pytorch at v2.14.0 has it: entries stored,
each storage on a 64-byte boundary. The pickle is the plainest that `torch.load(weights_only=True)` accepts.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from convert.arrays import Array
from convert.checkpoints.pdparams import pickled_text
from convert.checkpoints.torch_pickles import STORAGE_DTYPES
from convert.params import Shape
from convert.strips import flat_bytes

ROOT = "archive"
ALIGNMENT = 64
PADDING_ID = b"FB"  # of the extra field that torch pads with
LOCAL_HEADER = 30  # bytes of a local header without name and extra field
STORAGE_NAMES = {dtype: name for name, dtype in STORAGE_DTYPES.items()}


class _Pieces(io.RawIOBase):
    """Takes what zipfile writes. It cannot seek, so that entries are written forward only."""

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pieces.append(data)
        return len(data)

    def take(self) -> list[bytes | memoryview]:
        taken, self.pieces = self.pieces, []
        return taken


def torch_zip_chunks(tensors: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """The bytes of `{"model": state_dict}` as torch.save writes it, one tensor in memory at a time.

    Args:
        tensors: names to arrays in PyTorch's layout; any strides.
    """
    pieces = _Pieces()
    position = 0
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as archive:
        for name, data in _entries(tensors):
            with archive.open(_info(name, data.nbytes, position), "w") as entry:
                entry.write(data)
            for piece in pieces.take():
                position += len(piece)
                yield piece
    yield from pieces.take()


def _entries(tensors: Mapping[str, Array]) -> Iterator[tuple[str, memoryview]]:
    yield "data.pkl", memoryview(_pickle(tensors))
    yield "byteorder", memoryview(b"little")
    for number, array in enumerate(tensors.values()):
        yield f"data/{number}", flat_bytes(array)
    yield "version", memoryview(b"3\n")


def _info(name: str, size: int, position: int) -> zipfile.ZipInfo:
    """An entry of fixed date and system, padded so that its data begin on the boundary."""
    info = zipfile.ZipInfo(f"{ROOT}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # the writing machine's otherwise
    info.file_size = size  # decides on zip64 before the header is written
    zip64 = 20 if size * 1.05 > zipfile.ZIP64_LIMIT else 0
    padding = -(position + LOCAL_HEADER + len(info.filename) + zip64 + 4) % ALIGNMENT
    info.extra = PADDING_ID + struct.pack("<H", padding) + b"Z" * padding
    return info


def _pickle(tensors: Mapping[str, Array]) -> bytes:
    items = b"".join(
        pickled_text(name) + _tensor(str(number), array) for number, (name, array) in enumerate(tensors.items())
    )
    return b"\x80\x02}" + pickled_text("model") + b"}(" + items + b"us."


def _tensor(key: str, array: Array) -> bytes:
    kind = STORAGE_NAMES[array.dtype.newbyteorder("<")].encode()
    storage = b"(" + pickled_text("storage") + b"ctorch\n" + kind + b"\n" + pickled_text(key) + pickled_text("cpu")
    storage += _int(array.size) + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = b"(" + storage + _int(0) + _ints(array.shape) + _ints(_strides(array.shape)) + b"\x89" + hooks + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def _strides(shape: Shape) -> Shape:
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))[: len(shape)] if shape else ()


def _ints(numbers: Shape) -> bytes:
    return b"(" + b"".join(map(_int, numbers)) + b"t"


def _int(number: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", number)
