"""PyTorch's zip container, read and written: `data.pkl` describes the tensors, `data/<key>` holds each storage.

Written by caffe2/serialize/inline_container.cc of https://github.com/pytorch/pytorch at v2.14.0, which stores every
entry uncompressed with a CRC-32 that torch itself never checks on reading. It is checked here.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from convert.arrays import Tensor
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
from convert.checksum import crc32
from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import ByteFile, Stretch, held
from convert.frameworks import TORCH
from convert.params import c_strides
from convert.stored import Storage, StoredArray

# What stands before the name of each entry: these four bytes, and the lengths of the name and of the extra field.
LOCAL_HEADER = struct.Struct("<4s22xHH")
LOCAL_MAGIC = b"PK\x03\x04"

MAX_PICKLE = 64_000_000  # bytes, which are taken into memory; of the largest training checkpoint they are 5 MB
MAX_DIRECTORY = 2_000_000  # bytes; zipfile makes ten times as many of them, a training checkpoint has 300 kB

# Of what is written here.
ROOT = "archive"
ALIGNMENT = 64
PADDING_ID = b"FB"  # of the extra field that torch pads with
STORAGE_NAMES = {dtype: name for name, dtype in STORAGE_DTYPES.items()}


def open_torch_zip(file: ByteFile) -> Contents:
    """The pickled object, every tensor in it a `TensorRef`; the errors are those of `TorchZip`."""
    archive = TorchZip(file)
    return Contents(archive.read(), is_tensor, archive.tensors)


def torch_zip_chunks(tensors: Mapping[str, Tensor], framework: str = TORCH) -> Iterator[Chunk]:
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


class _Directory(io.RawIOBase):
    """The file as zipfile reads it, which is not given more than a directory's worth at once."""

    def __init__(self, file: ByteFile) -> None:
        self._file = file
        self._position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as a file does; zipfile asks for it
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._file.size - self._position)
        count = left if size is None or size < 0 else size
        if count > MAX_DIRECTORY:
            raise RefusedCheckpoint(
                f"the zip container has a directory of {count:,} bytes; {MAX_DIRECTORY:,} are the limit"
            )
        content = bytes(self._file.read(self._position, min(count, left)))
        self._position += len(content)
        return content


class TorchZip:
    """The entries of one zip file.

    Args:
        file: that they lie in.

    Raises:
        CheckpointError: no zip file, or one that torch.save did not write.
        RefusedCheckpoint: two entries of one name, which readers resolve differently.
    """

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self._taken = 0  # bytes of the entries that were asked for
        try:
            with zipfile.ZipFile(_Directory(file)) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, struct.error) as error:
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
        if order is not None and bytes(self._read(order.filename)) != b"little":
            raise CheckpointError(BIG_ENDIAN)
        pickle = self._read(f"{self.root}data.pkl")
        return PickleMachine(held(pickle), TORCH_GLOBALS, load_persistent=load_persistent).run()

    def tensors(self, refs: Mapping[str, TensorRef]) -> dict[str, StoredArray]:
        """The tensors over the file's bytes, which are not read yet. Storages of other tensors are not looked at.

        Raises:
            CheckpointError: a storage is absent, or smaller than a tensor. Whether it fits its CRC is seen when it is
                read.
        """
        keys = list(dict.fromkeys(ref.storage.key for ref in refs.values()))
        storages = {key: self._storage(f"{self.root}data/{key}") for key in keys}
        return {name: self._tensor(ref, storages[ref.storage.key]) for name, ref in refs.items()}

    def _tensor(self, ref: TensorRef, storage: Storage) -> StoredArray:
        key = ref.storage.key
        if storage.nbytes != ref.storage.numel * ref.storage.dtype.itemsize:
            claimed = f"{ref.storage.numel} elements of {ref.storage.dtype}"
            raise RefusedCheckpoint(f"storage {shown(key)} is said to hold {claimed}, it has {storage.nbytes} bytes")
        return ref.view(storage)

    def _read(self, name: str) -> bytes:
        entry = self._storage(name)
        if entry.nbytes > MAX_PICKLE:
            raise RefusedCheckpoint(f"{shown(name)} has {entry.nbytes:,} bytes; {MAX_PICKLE:,} are the limit")
        content = bytes(entry.stretch.read(0, entry.nbytes))
        if crc32(content, 0) != entry.crc:
            raise CheckpointError(f"{shown(name)} fails its checksum: the file is damaged; fetch it again")
        return content

    def _storage(self, name: str) -> Storage:
        info = self.entries.get(name)
        if info is None:
            raise CheckpointError(f"the zip container lacks {shown(name)}; fetch the file again")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
            raise RefusedCheckpoint(f"{shown(name)} is compressed or encrypted, which torch.save never does")
        start = self._data_start(info)
        if start + info.file_size > self.file.size:
            raise CheckpointError(f"the zip container is cut short within {shown(name)}; fetch the file again")
        self._taken += info.file_size
        if self._taken > self.file.size:  # the check of each would read the same bytes again and again
            raise RefusedCheckpoint("the zip container has entries that overlap")
        return Storage(Stretch(self.file, start, info.file_size), info.CRC, shown(name))

    def _data_start(self, info: zipfile.ZipInfo) -> int:
        in_file = 0 <= info.header_offset <= self.file.size - LOCAL_HEADER.size
        header = bytes(self.file.read(info.header_offset, LOCAL_HEADER.size)) if in_file else b""
        if not header.startswith(LOCAL_MAGIC):
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


def _entries(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, memoryview]]:
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


def _pickle(tensors: Mapping[str, Tensor]) -> bytes:
    items = b"".join(
        pickled_text(name) + _tensor(str(number), array) for number, (name, array) in enumerate(tensors.items())
    )
    return b"\x80\x02}" + pickled_text("model") + b"}(" + items + b"us."


def _tensor(key: str, array: Tensor) -> bytes:
    kind = STORAGE_NAMES[array.dtype.newbyteorder("<")].encode()
    storage = b"(" + pickled_text("storage") + b"ctorch\n" + kind + b"\n" + pickled_text(key) + pickled_text("cpu")
    storage += pickled_int(array.size) + b"tQ"
    window = pickled_int(0) + pickled_ints(array.shape) + pickled_ints(c_strides(array.shape))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + window + b"\x89" + hooks + b"tR"
