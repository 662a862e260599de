"""PyTorch's zip container, read and written: `data.pkl` describes the tensors, `data/<key>` holds each storage.

Written by caffe2/serialize/inline_container.cc of https://github.com/pytorch/pytorch at v2.14.0, which stores every
entry uncompressed with a CRC-32 that torch itself never checks on reading. It is checked here.
"""

from __future__ import annotations

import io
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convert.arrays import Array
from convert.buffers import flat_bytes
from convert.checkpoints.atomic import Chunk
from convert.checkpoints.contents import Contents
from convert.checkpoints.pickle_machine import PickleMachine
from convert.checkpoints.pickle_writing import pickled_int, pickled_ints, pickled_text
from convert.checkpoints.torch_pickles import (
    BIG_ENDIAN,
    STORAGE_DTYPES,
    TORCH_GLOBALS,
    TensorRef,
    is_tensor,
    load_persistent,
)
from convert.cores import on_cores
from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.frameworks import TORCH
from convert.params import Shape

# What stands before the name of each entry: these four bytes, and the lengths of the name and of the extra field.
LOCAL_HEADER = struct.Struct("<4s22xHH")
LOCAL_MAGIC = b"PK\x03\x04"

MAX_DIRECTORY = 2_000_000  # bytes; zipfile makes ten times as many of them, a training checkpoint has 300 kB

# Of what is written here.
ROOT = "archive"
ALIGNMENT = 64
PADDING_ID = b"FB"  # of the extra field that torch pads with
STORAGE_NAMES = {dtype: name for name, dtype in STORAGE_DTYPES.items()}


def open_torch_zip(path: Path, buffer: memoryview) -> Contents:
    """The pickled object, every tensor in it a `TensorRef`; the errors are those of `TorchZip`."""
    archive = TorchZip(path, buffer)
    return Contents(archive.read(), is_tensor, archive.tensors)


def torch_zip_chunks(tensors: Mapping[str, Array], framework: str = TORCH) -> Iterator[Chunk]:
    """The bytes of `{"model": state_dict}` as torch.save writes it, one tensor in memory at a time.

    Args:
        tensors: names to arrays in PyTorch's layout; any strides.
        framework: "torch"; there is no other.
    """
    assert framework == TORCH
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


class _Bounded(io.FileIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if size and size > MAX_DIRECTORY:
            raise RefusedCheckpoint(
                f"the zip container has a directory of {size:,} bytes; {MAX_DIRECTORY:,} are the limit"
            )
        return super().read(size)


class TorchZip:
    """The entries of one zip file over a buffer.

    Args:
        path: for messages and for the central directory.
        buffer: the whole file, usually a memory map.

    Raises:
        CheckpointError: no zip file, or one that torch.save did not write.
        RefusedCheckpoint: two entries of one name, which readers resolve differently.
    """

    def __init__(self, path: Path, buffer: memoryview) -> None:
        self.buffer = buffer
        self._counting = threading.Lock()
        self._taken = 0  # bytes of the entries read so far
        try:
            with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as error:
            raise CheckpointError(
                f"the zip container is damaged or cut short: {error}; fetch the file again and compare its digest"
            ) from error
        self.entries = {info.filename: info for info in infos}
        if len(self.entries) != len(infos):
            raise RefusedCheckpoint("the zip container has two entries of one name")
        self.root = self._root()

    def _root(self) -> str:
        roots = [name.removesuffix("data.pkl") for name in self.entries if name.endswith("/data.pkl")]
        if len(roots) != 1 or roots[0].count("/") != 1:
            raise CheckpointError("a zip file, but not one of torch.save: it has no data.pkl; give the .pth itself")
        if f"{roots[0]}constants.pkl" in self.entries:
            raise CheckpointError("a TorchScript program, not a state dict; save model.state_dict() instead")
        return roots[0]

    def read(self) -> Any:
        """The pickled object, every tensor in it a `TensorRef`."""
        order = self.entries.get(f"{self.root}byteorder")
        if order is not None and bytes(self._entry(order.filename)) != b"little":
            raise CheckpointError(BIG_ENDIAN)
        pickle = self._entry(f"{self.root}data.pkl")
        return PickleMachine(pickle, TORCH_GLOBALS, load_persistent=load_persistent).run()

    def tensors(self, refs: Mapping[str, TensorRef]) -> dict[str, Array]:
        """The tensors over the file's bytes, without a copy. Storages of other tensors are not looked at.

        Raises:
            CheckpointError: a storage is absent, fails its CRC, or is smaller than a tensor.
        """
        keys = list(dict.fromkeys(ref.storage.key for ref in refs.values()))
        entries = on_cores(lambda key: self._entry(f"{self.root}data/{key}"), keys)
        storages = dict(zip(keys, entries, strict=True))
        return {name: self._tensor(ref, storages[ref.storage.key]) for name, ref in refs.items()}

    def _tensor(self, ref: TensorRef, data: memoryview) -> Array:
        key = ref.storage.key
        if data.nbytes != ref.storage.numel * ref.storage.dtype.itemsize:
            claimed = f"{ref.storage.numel} elements of {ref.storage.dtype}"
            raise RefusedCheckpoint(f"storage {shown(key)} is said to hold {claimed}, it has {data.nbytes} bytes")
        return ref.view(data)

    def _entry(self, name: str) -> memoryview:
        info = self.entries.get(name)
        if info is None:
            raise CheckpointError(f"the zip container lacks {shown(name)}; fetch the file again")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
            raise RefusedCheckpoint(f"{shown(name)} is compressed or encrypted, which torch.save never does")
        data = self.buffer[self._data_start(info) :][: info.file_size]
        if data.nbytes != info.file_size:
            raise CheckpointError(f"the zip container is cut short within {shown(name)}; fetch the file again")
        with self._counting:  # several threads read entries
            self._taken += data.nbytes
            taken = self._taken
        if taken > len(self.buffer):  # the check of each would read the same bytes again and again
            raise RefusedCheckpoint("the zip container has entries that overlap")
        if zlib.crc32(data) != info.CRC:
            raise CheckpointError(f"{shown(name)} fails its checksum: the file is damaged; fetch it again")
        return data

    def _data_start(self, info: zipfile.ZipInfo) -> int:
        header = self.buffer[info.header_offset :][: LOCAL_HEADER.size]
        if header.nbytes != LOCAL_HEADER.size or bytes(header[:4]) != LOCAL_MAGIC:
            raise CheckpointError(f"the zip container has no header for {shown(info.filename)}; fetch the file again")
        _, name_length, extra_length = LOCAL_HEADER.unpack(header)
        return info.header_offset + LOCAL_HEADER.size + int(name_length) + int(extra_length)


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
    padding = -(position + LOCAL_HEADER.size + len(info.filename) + zip64 + 4) % ALIGNMENT
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
    storage += pickled_int(array.size) + b"tQ"
    window = pickled_int(0) + pickled_ints(array.shape) + pickled_ints(_strides(array.shape))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + window + b"\x89" + hooks + b"tR"


def _strides(shape: Shape) -> Shape:
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))[: len(shape)] if shape else ()
