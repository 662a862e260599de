"""PyTorch's zip container, read and written: `data.pkl` describes the tensors, `data/<key>` holds each storage.

Written by caffe2/serialize/inline_container.cc of https://github.com/pytorch/pytorch at v2.14.0, which stores every
entry uncompressed with a CRC-32 that torch itself never checks on reading. It is checked here.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.arrays import Tensor
from convert.buffers import flat_bytes
from convert.checkpoints.atomic import Chunk
from convert.checkpoints.contents import Contents
from convert.checkpoints.numpy_pickles import PickledArray
from convert.checkpoints.pickle_objects import ObjectMachine
from convert.checkpoints.pickle_writing import pickled_int, pickled_ints, pickled_text
from convert.checkpoints.programs import what_zip_is
from convert.checkpoints.torch_pickles import (
    BIG_ENDIAN,
    STORAGE_DTYPES,
    TORCH_GLOBALS,
    StorageRefs,
    TensorRef,
    is_tensor,
)
from convert.checkpoints.zip_directory import LOCAL, MAX_DIRECTORY, ZipEntry, read_directory
from convert.checksum import crc32
from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import ByteFile, Stretch, held
from convert.frameworks import TORCH
from convert.params import c_strides
from convert.storage import Storage
from convert.stored import StoredArray
from convert.targets import AUTHORS, Envelope

MAX_HELD = 16_000_000  # bytes of a pickle; of the largest training checkpoint they are 5 MB, with numpy's arrays all
MAX_WORD = 100  # bytes of an entry that has one word
SPECIAL = ("data.pkl", "byteorder", "version")  # entries that torch.load reads
VERSION = re.compile(rb"([1-9]|10)\n?")

# Of what is written here.
ROOT = "archive"
ALIGNMENT = 64
PADDING_ID = b"FB"  # of the extra field that torch pads with
STORAGE_NAMES = {dtype: name for name, dtype in STORAGE_DTYPES.items()}


def open_torch_zip(file: ByteFile) -> Contents:
    """The pickled object, every tensor in it a `TensorRef`; the errors are those of `TorchZip`."""
    archive = TorchZip(file)
    root = archive.read()
    return Contents(root, is_tensor, archive.tensors, beside=archive.beside)


def _entries_of(file: ByteFile) -> dict[str, ZipEntry]:
    try:
        return read_directory(file)
    except RefusedCheckpoint as error:  # of a program, whose code is compressed
        tail = min(file.size, MAX_DIRECTORY)
        if program := what_zip_is(bytes(file.read(file.size - tail, tail)), file.path):
            raise CheckpointError(program) from error
        raise


def torch_zip_chunks(
    tensors: Mapping[str, Tensor], framework: str = TORCH, envelope: Envelope = AUTHORS
) -> Iterator[Chunk]:
    """The bytes of a state dict in its envelope as torch.save writes them, one tensor in memory at a time.

    Args:
        tensors: names to arrays in PyTorch's layout; any strides.
        framework: "torch"; there is no other.
        envelope: `{"model": state_dict}` unless given.
    """
    assert framework == TORCH
    pieces = _Pieces()
    position = 0
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as archive:
        for name, data in _entries(tensors, envelope):
            with archive.open(_info(name, data.nbytes, position), "w") as entry:
                entry.write(data)
            for piece in pieces.take():
                position += len(piece)
                yield piece
    yield from pieces.take()


class TorchZip:
    """The entries of one zip file.

    Args:
        file: that they lie in.

    Attributes:
        file: the same.
        beside: what kinds of objects stand beside the tensors, once the pickle was read.
        entries: by name.
        root: the folder in which all of them lie, with its slash.

    Raises:
        CheckpointError: no zip file, or one that torch.save did not write.
        RefusedCheckpoint: what two readers would see differently.
    """

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self.beside: tuple[str, ...] = ()
        self.entries = _entries_of(file)
        self.root = self._root()
        self._check_special_names()

    def _root(self) -> str:
        roots = [name.removesuffix("data.pkl") for name in self.entries if name.endswith("/data.pkl")]
        if program := what_zip_is(" ".join(self.entries).encode(), self.file.path):
            raise CheckpointError(program)
        if len(roots) != 1 or roots[0].count("/") != 1:
            raise CheckpointError("a zip file, but not one of torch.save: it has no data.pkl; give the .pth itself")
        return roots[0]

    def _check_special_names(self) -> None:
        special = {f"{self.root}{name}".casefold(): f"{self.root}{name}" for name in SPECIAL}
        for name in self.entries:
            if special.get(name.casefold(), name) != name:  # which torch.load reads, as it does not mind the case
                raise RefusedCheckpoint(f"the zip container has {shown(name)}, in another case than torch.save writes")
            if not name.startswith(self.root):
                raise RefusedCheckpoint(f"the zip container has {shown(name)}, which is not in {shown(self.root)}")

    def read(self) -> Any:
        """The pickled object, every tensor in it a `TensorRef`."""
        order, version = f"{self.root}byteorder", f"{self.root}version"
        if order in self.entries and self._content(order) != b"little":
            raise CheckpointError(BIG_ENDIAN)
        if version in self.entries and not VERSION.fullmatch(self._content(version)):
            raise RefusedCheckpoint(f"{shown(version)} has no number from 1 to 10, as torch.save writes it")
        stretch = self._pickle(self._storage(f"{self.root}data.pkl"))
        machine = ObjectMachine(stretch, TORCH_GLOBALS, load_persistent=StorageRefs(parts=5).load)
        root = machine.run()
        if machine.position != machine.size:
            left = machine.size - machine.position
            raise RefusedCheckpoint(f"{left} bytes follow the pickle's end; fetch the file again")
        self.beside = tuple(machine.beside)
        return root

    def tensors(self, refs: Mapping[str, TensorRef | PickledArray]) -> dict[str, StoredArray]:
        """The tensors over the file's bytes, which are not read yet. Storages of other tensors are not looked at.

        Raises:
            CheckpointError: a storage is absent, or smaller than a tensor. Whether it fits its CRC is seen when it is
                read.
        """
        keys = dict.fromkeys(ref.storage.key for ref in refs.values() if isinstance(ref, TensorRef))
        storages = {key: self._storage(f"{self.root}data/{key}") for key in keys}
        return {
            name: self._tensor(ref, storages[ref.storage.key]) if isinstance(ref, TensorRef) else ref.finished()
            for name, ref in refs.items()
        }

    def _tensor(self, ref: TensorRef, storage: Storage) -> StoredArray:
        key = ref.storage.key
        if storage.nbytes != ref.storage.numel * ref.storage.dtype.itemsize:
            claimed = f"{ref.storage.numel} elements of {ref.storage.dtype}"
            raise RefusedCheckpoint(f"storage {shown(key)} is said to hold {claimed}, it has {storage.nbytes} bytes")
        return ref.view(storage)

    def _pickle(self, storage: Storage) -> Stretch:
        """The bytes of an entry, in memory if they are not many, their checksum compared in either case."""
        if storage.nbytes <= MAX_HELD:
            return held(self._checked(storage))
        return Stretch(_CheckedEntry(self.file, storage), 0, storage.nbytes)

    def _content(self, name: str) -> bytes:
        storage = self._storage(name)
        if storage.nbytes > MAX_WORD:
            raise RefusedCheckpoint(f"{shown(name)} has {storage.nbytes:,} bytes; {MAX_WORD:,} are the limit")
        return self._checked(storage)

    def _checked(self, storage: Storage) -> bytes:
        content = bytes(storage.stretch.read(0, storage.nbytes))
        if crc32(content, 0) != storage.crc:
            raise CheckpointError(f"{storage.name} fails its checksum: the file is damaged; fetch it again")
        return content

    def _storage(self, name: str) -> Storage:
        entry = self.entries.get(name)
        if entry is None:
            raise CheckpointError(f"the zip container lacks {shown(name)}; fetch the file again")
        return Storage(Stretch(self.file, entry.start, entry.nbytes), entry.crc, shown(name))


@dataclass(frozen=True, eq=False)
class _CheckedEntry:
    """An entry as a file of its own, every block of it compared with its checksum whenever it is read."""

    file: ByteFile
    storage: Storage

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def size(self) -> int:
        return self.storage.nbytes

    def read(self, position: int, count: int) -> memoryview:
        target = memoryview(bytearray(count))
        self.read_into(position, target)
        return target.toreadonly()

    def read_into(self, position: int, target: memoryview) -> None:
        self.storage.read_into(position, target)

    def check_unchanged(self) -> None:
        self.file.check_unchanged()

    def sha256(self) -> str:
        return hashlib.sha256(self.read(0, self.size)).hexdigest()

    def beside(self, name: str) -> ByteFile:
        return self.file.beside(name)


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


def _entries(tensors: Mapping[str, Tensor], envelope: Envelope) -> Iterator[tuple[str, memoryview]]:
    yield "data.pkl", memoryview(_pickle(tensors, envelope))
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
    padding = -(position + LOCAL.size + len(info.filename) + zip64 + 4) % ALIGNMENT
    info.extra = PADDING_ID + struct.pack("<H", padding) + b"Z" * padding
    return info


def _pickle(tensors: Mapping[str, Tensor], envelope: Envelope) -> bytes:
    items = b"".join(
        pickled_text(name) + _tensor(str(number), array) for number, (name, array) in enumerate(tensors.items())
    )
    state_dict = b"}(" + items + b"u"
    if not envelope.key:
        return b"\x80\x02" + state_dict + b"."
    beside = b"".join(pickled_text(key) + b"}s" for key in envelope.beside)
    return b"\x80\x02}" + beside + pickled_text(envelope.key) + state_dict + b"s."


def _tensor(key: str, array: Tensor) -> bytes:
    kind = STORAGE_NAMES[array.dtype.newbyteorder("<")].encode()
    storage = b"(" + pickled_text("storage") + b"ctorch\n" + kind + b"\n" + pickled_text(key) + pickled_text("cpu")
    storage += pickled_int(array.size) + b"tQ"
    window = pickled_int(0) + pickled_ints(array.shape) + pickled_ints(c_strides(array.shape))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + window + b"\x89" + hooks + b"tR"
