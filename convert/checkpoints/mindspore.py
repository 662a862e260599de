"""MindSpore's container: an entry for each parameter, one after the other, as messages of protobuf, perhaps a checksum.

`Checkpoint`, `Value` and `TensorProto` of mindspore/ccsrc/utils/checkpoint.proto, and `save_checkpoint` of
mindspore/train/serialization.py, of https://github.com/mindspore-ai/mindspore at v2.10.0. Tensors are little-endian and
in C order, a Dense weight is (out, in): PyTorch's layout.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16
from convert.checkpoints.contents import Contents, contents_of_arrays
from convert.checkpoints.protobuf import Span, WireReader
from convert.checkpoints.slices import joined
from convert.checkpoints.views import MAX_NDIM, checked_shape, view_array
from convert.checksum import crc32
from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import PIECE, ByteFile, Stretch
from convert.params import Shape
from convert.storage import Storage
from convert.stored import StoredArray

VALUE = 1  # of Checkpoint
TAG, TENSOR, MAP_TENSOR = 1, 2, 3  # of Value
DIMS, TYPE, CONTENT = 1, 2, 3  # of TensorProto

FLOATS: dict[str, np.dtype[Any]] = {
    "Float16": np.dtype("<f2"),
    "Float32": np.dtype("<f4"),
    "Float64": np.dtype("<f8"),
    "BFloat16": BFLOAT16,
}
# The last words of names that weights have; entries of other types than the above that have none are no weights.
WEIGHTS = {"weight", "bias", "gamma", "gamma_", "beta", "moving_mean", "moving_variance"}

TRAILER = b"crc_num"  # before the checksum, which has ten bytes, big-endian
DIGITS = 10
MAX_ENTRIES = 20_000  # a training checkpoint of the largest ConvNeXt has 1,200
MAX_TAG = 1_000  # bytes; a ConvNeXt's have 60
MAX_TYPE = 32

EMA, MODEL = "ema.", "model"  # what MindSpore puts before the names of averages; what the others are called then


@dataclass(frozen=True)
class Entry:
    """One parameter.

    Attributes:
        tag: its name.
        kind: MindSpore's word for the type of its values.
        dims: its shape; of one that is kept in slices, in each of them.
        parts: where its values lie, in one piece or in slices.
    """

    tag: str
    kind: str
    dims: Shape
    parts: tuple[Stretch, ...]

    @property
    def is_weight(self) -> bool:
        """Whether it may be a weight: a single number is the count or the rate of a training."""
        return self.kind in FLOATS and bool(self.dims)

    @property
    def name(self) -> str:
        """Its name, as a message has it."""
        return shown(repr(self.tag))


def open_mindspore(file: ByteFile) -> Contents:
    """The tensors of one file. Averages that stand beside weights of the same names are a state dict of their own.

    Raises:
        CheckpointError: cut short, a checksum that does not hold, weights that are no floating-point numbers.
        RefusedCheckpoint: a message that is none of MindSpore's, a name twice, a tensor not as large as it says.
    """
    end, checksum = _trailer(file)
    entries = _read(file, end)
    sums = _checked_sums(file, end, checksum, entries) if checksum is not None else {}
    tensors, left_out = {}, {}
    for entry in entries:
        if entry.is_weight:
            tensors[entry.tag] = _tensor(entry, sums.get(entry.tag))
        elif entry.tag.rpartition(".")[2] in WEIGHTS:
            raise CheckpointError(
                f"{entry.name} is {shown(entry.kind)} of shape {entry.dims}, where weights are Float32, Float16, "
                "Float64 or BFloat16; save the network's own parameters"
            )
        else:
            left_out[entry.tag] = shown(entry.kind)
    return dataclasses.replace(contents_of_arrays(_by_model(tensors)), left_out=left_out)


def _trailer(file: ByteFile) -> tuple[int, int | None]:
    """How many bytes are messages, and their CRC-32 where the file has it: MindSpore itself looks no further."""
    length = len(TRAILER) + DIGITS
    start = bytes(file.read(file.size - length, length)) if file.size > length else b""
    if not start.startswith(TRAILER):
        return file.size, None
    return file.size - length, int.from_bytes(start[len(TRAILER) :], "big")


def _read(file: ByteFile, end: int) -> list[Entry]:
    """Every entry, slices joined."""
    reader = WireReader(file, end)
    entries: dict[str, Entry] = {}
    last = None
    for count, (number, value) in enumerate(reader.fields(Span(0, end))):
        if number != VALUE or not isinstance(value, Span):
            raise RefusedCheckpoint(f"field {number} where an entry should begin; the file is damaged, fetch it again")
        if count == MAX_ENTRIES:
            raise RefusedCheckpoint(f"more than {MAX_ENTRIES:,} entries, which are the limit")
        entry = _entry(reader, file, value)
        if entry.tag in entries:
            entry = _with_slice(entries[entry.tag], entry, is_next=entry.tag == last)
        entries[entry.tag] = entry
        last = entry.tag
    return list(entries.values())


def _entry(reader: WireReader, file: ByteFile, value: Span) -> Entry:
    place = f"the entry at byte {value.start}"
    fields = _single(reader, value, place)
    if MAP_TENSOR in fields:
        raise RefusedCheckpoint(f"{place} is a map of an embedding (MapParameter), which no state dict here has")
    tag = _text(reader, fields.pop(TAG, None), MAX_TAG, f"{place} has no name")
    tensor = fields.pop(TENSOR, None)
    if not isinstance(tensor, Span) or fields:
        raise RefusedCheckpoint(f"{place}, {shown(repr(tag))}, is no tensor alone; the file is damaged, fetch it again")
    place = shown(repr(tag))
    dims: list[int] = []
    fields = _single(reader, tensor, place, dims)
    kind = _text(reader, fields.pop(TYPE, None), MAX_TYPE, f"{place} has no type")
    content = fields.pop(CONTENT, None)
    if not isinstance(content, Span) or fields:
        raise RefusedCheckpoint(f"{place} has other fields than dims, type and content; fetch the file again")
    try:
        shape = checked_shape(tuple(dims))
    except ValueError as error:
        raise RefusedCheckpoint(f"{place}: {error}") from error
    return Entry(tag, kind, shape, (Stretch(file, content.start, content.nbytes),))


def _single(reader: WireReader, message: Span, place: str, dims: list[int] | None = None) -> dict[int, int | Span]:
    """The fields of a message, each of which stands once but for sizes, which go to `dims`, one by one or packed."""
    fields: dict[int, int | Span] = {}
    for number, value in reader.fields(message):
        if dims is not None and number == DIMS:
            dims += _sizes(reader, value, place)
            if len(dims) > MAX_NDIM:
                raise RefusedCheckpoint(f"{place} has more than {MAX_NDIM} dims")
        elif number in fields:
            raise RefusedCheckpoint(f"{place} has field {number} twice; the file is damaged, fetch it again")
        else:
            fields[number] = value
    return fields


def _sizes(reader: WireReader, value: int | Span, place: str) -> Iterator[int]:
    if isinstance(value, int):
        yield value
        return
    if value.nbytes > 10 * MAX_NDIM:
        raise RefusedCheckpoint(f"{place} has more than {MAX_NDIM} dims")
    position = value.start
    while position < value.end:
        size, position = reader.varint(position, value.end)
        yield size


def _text(reader: WireReader, value: int | Span | None, limit: int, lacking: str) -> str:
    if not isinstance(value, Span) or not value.nbytes:
        raise RefusedCheckpoint(f"{lacking}; the file is damaged, fetch it again")
    if value.nbytes > limit:
        raise RefusedCheckpoint(f"a name of {value.nbytes:,} bytes at byte {value.start}; {limit:,} are the limit")
    try:
        return reader.take(value).decode()
    except UnicodeDecodeError as error:
        raise RefusedCheckpoint(
            f"a name at byte {value.start} is no text; the file is damaged, fetch it again"
        ) from error


def _with_slice(entry: Entry, other: Entry, *, is_next: bool) -> Entry:
    """An entry with one more slice. MindSpore cuts slices of one length, but for the last, and writes them in order."""
    first, before, (added,) = entry.parts[0].nbytes, entry.parts[-1].nbytes, other.parts
    is_slice = is_next and entry.is_weight and (entry.kind, entry.dims) == (other.kind, other.dims)
    has_length = before == first and 0 < added.nbytes <= first
    if not is_slice or not has_length or first * len(entry.parts) + added.nbytes > _nbytes(entry):
        raise RefusedCheckpoint(f"{entry.name} stands there twice, and the two are no slices of one tensor, in order")
    return dataclasses.replace(entry, parts=(*entry.parts, added))


def _nbytes(entry: Entry) -> int:
    total = FLOATS[entry.kind].itemsize
    for size in entry.dims:
        total *= size
    return total


def _tensor(entry: Entry, crc: int | None) -> StoredArray:
    data = joined(entry.parts)
    if _nbytes(entry) > data.nbytes and len(entry.parts) > 1:
        raise CheckpointError(
            f"{entry.name} lacks a slice: {data.nbytes:,} bytes of {_nbytes(entry):,}; fetch it again"
        )
    try:
        array = view_array(data, FLOATS[entry.kind], entry.dims, fortran=False)
    except ValueError as error:
        raise RefusedCheckpoint(f"{entry.name}: {error}") from error
    return dataclasses.replace(array, storage=Storage(data, crc, entry.name))


def _checked_sums(file: ByteFile, end: int, expected: int, entries: Sequence[Entry]) -> dict[str, int]:
    """Each entry's own CRC-32, by its name, so that what is read later is what was checked now.

    Raises:
        CheckpointError: the checksum of all is not the file's.
    """
    buffer = memoryview(bytearray(PIECE))
    sums: dict[str, int] = {}
    total = position = 0
    for entry in entries:  # in the file's order, and slices follow each other
        own = 0
        for part in entry.parts:
            total, _ = _sum(file, position, part.start, (total, 0), buffer)
            position = part.start + part.nbytes
            total, own = _sum(file, part.start, position, (total, own), buffer)
        sums[entry.tag] = own
    total, _ = _sum(file, position, end, (total, 0), buffer)
    if total != expected:
        file.check_unchanged()
        raise CheckpointError("its checksum does not hold: the file is damaged; fetch it again")
    return sums


def _sum(file: ByteFile, start: int, end: int, sums: tuple[int, int], buffer: memoryview) -> tuple[int, int]:
    """Two running checksums with the bytes between two positions taken in, a block at a time."""
    total, own = sums
    for position in range(start, end, PIECE):
        block = buffer[: min(PIECE, end - position)]
        file.read_into(position, block)
        total, own = crc32(block, total), crc32(block, own)
    return total, own


def _by_model(tensors: Mapping[str, StoredArray]) -> Mapping[str, Any]:
    """The tensors as they are; where averages stand beside them, both as state dicts of their own."""
    averages = {tag.removeprefix(EMA): array for tag, array in tensors.items() if tag.startswith(EMA)}
    others = {tag: array for tag, array in tensors.items() if not tag.startswith(EMA)}
    return {MODEL: others, EMA.removesuffix("."): averages} if averages.keys() & others.keys() else tensors
