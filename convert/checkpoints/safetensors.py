"""The safetensors container: a JSON header of names, dtypes, shapes and offsets, then the tensors' bytes.

Format: https://github.com/huggingface/safetensors at v0.8.0, README.md. Read and written here and not by the library,
whose numpy side has no bfloat16 and copies each tensor; tests compare with it in both directions.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16, Tensor
from convert.buffers import Deferred
from convert.checkpoints.atomic import Chunk
from convert.checkpoints.contents import Contents, contents_of_arrays
from convert.checkpoints.views import checked_shape, view_array
from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import ByteFile, Stretch
from convert.frameworks import PADDLE, TORCH
from convert.stored import StoredArray

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
# Floating-point numbers that the format has and the frameworks' layers do not.
SMALL_FLOATS = {"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4"}
OTHER_NUMBERS = {"U16", "U32", "U64", "C64"}
FORMS = {TORCH: "pt", PADDLE: "paddle"}  # the words of the metadata
NAMES = {dtype: name for name, dtype in DTYPES.items()}

FIELDS = {"dtype", "shape", "data_offsets"}
LENGTH = struct.Struct("<Q")
MAX_HEADER = 2_000_000  # bytes, of JSON that takes 25 times as many when parsed; a ConvNeXt's has 40 kB
ALIGNMENT = 8


def open_safetensors(file: ByteFile) -> Contents:
    """The tensors and the metadata of one file; the errors are those of `read_safetensors`."""
    tensors, metadata = _read(file)
    return dataclasses.replace(contents_of_arrays(tensors), metadata=metadata)


def read_safetensors(file: ByteFile) -> dict[str, StoredArray]:
    """Names to arrays over the file, in the order of the data.

    Raises:
        CheckpointError: cut short or not JSON.
        RefusedCheckpoint: tensors that overlap, leave holes, or are not as large as their shape says.
    """
    return _read(file)[0]


def _read(file: ByteFile) -> tuple[dict[str, StoredArray], dict[str, str]]:
    if file.size < LENGTH.size:
        raise CheckpointError(f"the file is cut short: it has {file.size} bytes; fetch it again")
    (length,) = LENGTH.unpack(file.read(0, LENGTH.size))
    if length > MAX_HEADER:
        raise RefusedCheckpoint(f"a header of {length:,} bytes; {MAX_HEADER:,} are the limit")
    if file.size < LENGTH.size + length:
        raise CheckpointError(f"the file is cut short: its header has {length:,} bytes; fetch it again")
    header, metadata = _header(Stretch(file, LENGTH.size, length))
    data = Stretch(file, LENGTH.size + length, file.size - LENGTH.size - length)
    tensors: dict[str, StoredArray] = {}
    position = 0
    for name, entry in sorted(header.items(), key=_offsets):
        start, end = _offsets((name, entry))
        if start != position or end < start:
            raise RefusedCheckpoint(f"{name[:80]!r} begins at byte {start} of the data, expected {position}")
        if end > data.nbytes:
            raise CheckpointError(f"the file is cut short within {name[:80]!r}; fetch it again")
        tensors[name] = _tensor(name, entry, data.part(start, end - start))
        position = end
    if position != data.nbytes:
        raise RefusedCheckpoint(f"{data.nbytes - position} bytes follow the last tensor; fetch the file again")
    return tensors, metadata


def safetensors_chunks(tensors: Mapping[str, Tensor], framework: str) -> list[Chunk]:
    """The file's bytes in order; a tensor is copied only when its chunk is made.

    Args:
        tensors: any strides; written contiguously in the mapping's order.
        framework: "torch" or "paddle", noted as the only metadata: with several keys the library's own bytes are not
            reproducible.
    """
    return list(_chunks(tensors, FORMS[framework]))


def _chunks(tensors: Mapping[str, Tensor], form: str) -> Iterator[Chunk]:
    header: dict[str, Any] = {"__metadata__": {"format": form}}
    position = 0
    for name, array in tensors.items():
        end = position + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [position, end],
        }
        position = end
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % ALIGNMENT)
    yield LENGTH.pack(len(raw)) + raw
    for array in tensors.values():
        yield Deferred(array)


def _header(content: Stretch) -> tuple[dict[str, Any], dict[str, str]]:
    """The header's tensors and its metadata, as the library reads them.

    That is UTF-8 alone, each key once, and no number that is below 0 or has a fraction.
    """
    hooks = dict.fromkeys(("parse_float", "parse_constant"), _refuse_number)
    header = parse_json(content, "the header", **hooks, parse_int=_whole)
    metadata = header.pop("__metadata__", {})
    _check_metadata(metadata)
    if not all(isinstance(entry, dict) for entry in header.values()):
        raise CheckpointError("the header has an entry that is no tensor")
    if not all(map(_is_unicode, header)):
        raise RefusedCheckpoint("the header has a name of half a letter (a lone surrogate)")
    return header, metadata


def parse_json(content: Stretch, part: str, **hooks: Any) -> dict[str, Any]:
    """The JSON object in those bytes. `part` names them in messages, `hooks` are those of `json.loads`."""
    if content.nbytes > MAX_HEADER:
        raise RefusedCheckpoint(f"{part} of {content.nbytes:,} bytes; {MAX_HEADER:,} are the limit")
    try:
        text = str(content.read(0, content.nbytes), "utf-8")
        document = json.loads(text, object_pairs_hook=_without_doubles, **hooks)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{part} is no JSON: {error}; fetch the file again") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{part} is no JSON object; fetch the file again")
    return document


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _refuse_number(text: str) -> Any:
    raise RefusedCheckpoint(f"the header has {shown(text, 20)}, where sizes are whole numbers")


def _whole(text: str) -> int:
    return _refuse_number(text) if text.startswith("-") else int(text)  # also -0, which other readers refuse


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for item in metadata.items() for text in item):
        raise RefusedCheckpoint("the header's __metadata__ has more than texts")


def _brief(kind: Any) -> str:
    return shown(kind, 20) if isinstance(kind, str) else f"a {type(kind).__name__}"


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise RefusedCheckpoint("the header names one key twice")
    return dict(pairs)


def _offsets(item: tuple[str, dict[str, Any]]) -> tuple[int, int]:
    offsets = item[1].get("data_offsets")
    if not isinstance(offsets, list) or [type(offset) for offset in offsets] != [int, int] or min(offsets) < 0:
        raise RefusedCheckpoint(f"{item[0][:80]!r} has no data_offsets of two whole numbers")
    return offsets[0], offsets[1]


def _tensor(name: str, entry: dict[str, Any], data: Stretch) -> StoredArray:
    if entry.keys() != FIELDS:
        raise RefusedCheckpoint(f"{name[:80]!r} has other fields than dtype, shape and data_offsets")
    kind, shape = entry["dtype"], entry["shape"]
    if isinstance(kind, str) and kind in SMALL_FLOATS:
        raise CheckpointError(f"{name[:80]!r} has a dtype that is not supported: {kind}; save tensor.float()")
    if isinstance(kind, str) and kind in OTHER_NUMBERS:  # U16 may stand for bfloat16, as Paddle keeps its bits
        raise CheckpointError(
            f"{name[:80]!r} has a dtype that is not supported: {kind}; weights are float32, float16 or bfloat16"
        )
    if not isinstance(kind, str) or kind not in DTYPES:
        raise RefusedCheckpoint(f"{name[:80]!r} has a dtype that is not supported: {_brief(kind)}")
    if not isinstance(shape, list):
        raise RefusedCheckpoint(f"{name[:80]!r} has no shape")
    try:
        return view_array(data, DTYPES[kind], checked_shape(tuple(shape)), fortran=False)
    except ValueError as error:
        raise RefusedCheckpoint(f"{name[:80]!r}: {error}") from error
