"""Damaged and hostile checkpoints of MindSpore, each with what its error says."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from mindspore_files import (
    TYPES,
    array_entry,
    boundaries,
    checkpoint,
    counted,
    entry,
    plain,
    tensor,
    varint,
    with_checksum,
)

FLOATS = np.arange(6, dtype="<f4").reshape(2, 3)
RAW = FLOATS.tobytes()
GOOD = array_entry("a.weight", FLOATS)
ENTRY = entry("w", tensor((2, 3), "Float32", RAW))
DIMS, TYPE, CONTENT = b"\x08\x02\x08\x03", counted(2, b"Float32"), counted(3, RAW)
CUT, DAMAGED = "the file is cut short", "the file is damaged"


def flipped(content: bytes, place: int, bit: int = 4) -> bytes:
    """The content with one bit changed."""
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/readme.txt", "no checkpoint")
    return file.getvalue()


def sliced(tag: str, *sizes: int, dims: tuple[int, ...] = (2, 3)) -> bytes:
    """A Float32 tensor in slices of so many bytes."""
    ends = np.cumsum([0, *sizes])
    return b"".join(entry(tag, tensor(dims, "Float32", RAW[start:end])) for start, end in pairwise(ends))


class Run:
    """A pickle of it would make a file where it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch hostile.marker",)


WHOLE = plain()
ENDS = boundaries(WHOLE)
SUMMED = with_checksum(WHOLE)

BAD: Mapping[str, tuple[bytes, str]] = {
    # cut
    "cut after the first byte": (WHOLE[:1], "is no checkpoint"),
    "cut within the first length": (WHOLE[:2], "is no checkpoint"),
    "cut within a name": (WHOLE[:20], CUT),
    "cut within a tensor": (WHOLE[: ENDS[0] - 100], CUT),
    "cut one byte before an entry's end": (WHOLE[: ENDS[5] - 1], CUT),
    "cut after an entry's first byte": (WHOLE[: ENDS[5] + 1], CUT),
    "cut in the last entry": (WHOLE[:-1], CUT),
    "a checksum cut by a byte": (SUMMED[:-1], "wire type 3"),
    "a checksum cut to its word": (SUMMED[:-10], "wire type 3"),
    "a checksum and nothing else": (SUMMED[-17:], "is the checksum of a MindSpore checkpoint without the checkpoint"),
    # changed
    "a flipped bit under a checksum": (flipped(SUMMED, ENDS[0] - 100), "its checksum does not hold"),
    "a flipped bit of a name under a checksum": (flipped(SUMMED, ENDS[0] + 12, 1), "its checksum does not hold"),
    "a flipped bit of the checksum": (flipped(SUMMED, len(SUMMED) - 1), "its checksum does not hold"),
    "a checksum of more than 32 bits": (flipped(SUMMED, len(SUMMED) - 9), "its checksum does not hold"),
    "an entry taken out under a checksum": (WHOLE[: ENDS[4]] + SUMMED[ENDS[5] :], "its checksum does not hold"),
    # of another kind
    "encrypted by AES-GCM": (b"\xd8\x5e\x3a\x7f" + bytes(60), "is an encrypted checkpoint of MindSpore (AES-GCM)"),
    "encrypted by AES-CBC": (b"\xd9\x5e\x3a\x7f" + bytes(60), "is an encrypted checkpoint of MindSpore (AES-CBC)"),
    "encrypted by SM4-CBC": (b"\xda\x5e\x3a\x7f" + bytes(60), "is an encrypted checkpoint of MindSpore (SM4-CBC)"),
    "a zip": (zipped(), "a zip file, but not one of torch.save"),
    "a pickle that would run": (pickle.dumps(Run()), "which no state dict needs; it was not run"),
    "a page": (b"<!DOCTYPE html><html>" + bytes(60), "is a web page"),
    "a page after blank lines": (b"\n\n\n<html><body>404</body></html>", "is a web page"),
    "text after a blank line": (b"\n\nepoch: 3\nlr: 0.1\n", "is no checkpoint"),
    "a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
    # twice
    "a name twice": (GOOD + GOOD, "'a.weight' stands there twice"),
    "a name twice with another between": (GOOD + ENTRY + GOOD, "'a.weight' stands there twice"),
    "a name twice in another type": (
        sliced("w", 12) + entry("w", tensor((2, 3), "Float16", RAW[:6])),
        "'w' stands there twice",
    ),
    "slices of other dims": (
        entry("w", tensor((2, 3), "Float32", RAW[:12])) + entry("w", tensor((3, 2), "Float32", RAW[12:])),
        "'w' stands there twice",
    ),
    "slices out of order": (sliced("w", 8, 16), "'w' stands there twice"),
    "a slice of another length between": (sliced("w", 8, 4, 8), "'w' stands there twice"),
    "slices apart": (sliced("w", 12) + GOOD + sliced("w", 12), "'w' stands there twice"),
    "an empty slice": (sliced("w", 24, 0), "'w' stands there twice"),
    "a slice missing": (sliced("w", 8, 8), "'w' lacks a slice: 16 bytes of 24"),
    "an integer twice": (array_entry("n", np.arange(2)) * 2, "'n' stands there twice"),
    # sizes
    "dims that the content is too short for": (
        entry("w", tensor((2, 4), "Float32", RAW)),
        "shape (2, 4) of float32 takes 32 bytes, the file carries 24",
    ),
    "dims that the content is too long for": (
        entry("w", tensor((2, 2), "Float32", RAW)),
        "shape (2, 2) of float32 takes 16 bytes, the file carries 24",
    ),
    "dims of 2^62": (entry("w", tensor((1 << 62, 1 << 62), "Float32", RAW)), "the file carries 24"),
    "dims below 0": (entry("w", tensor((-1, 6), "Float32", RAW)), "a size that is no whole number >= 0"),
    "dims whose product wraps": (entry("w", tensor((1 << 32, 1 << 32, 6), "Float32", RAW)), "the file carries 24"),
    "33 dims": (entry("w", tensor((1,) * 33, "Float32", RAW[:4])), "'w' has more than 32 dims"),
    "33 packed dims": (entry("w", tensor((1,) * 33, "Float32", RAW[:4], packed=True)), "'w' has more than 32 dims"),
    "packed dims of a megabyte": (
        entry("w", counted(1, b"\x01" * 1_000_000) + TYPE + CONTENT),
        "'w' has more than 32 dims",
    ),
    "packed dims that end nowhere": (entry("w", counted(1, b"\x82\x83") + TYPE + CONTENT), "ends nowhere"),
    "a name of a megabyte": (entry("w" * 1_000_000, tensor((2, 3), "Float32", RAW)), "a name of 1,000,000 bytes"),
    "a type of a megabyte": (entry("w", tensor((2, 3), "F" * 1_000_000, RAW)), "a name of 1,000,000 bytes"),
    "a length of 2^62": (GOOD + b"\x0a" + varint(1 << 62), CUT),
    "a length of eleven bytes": (GOOD + b"\x0a" + b"\xff" * 11, "ends nowhere"),
    "a length of more than 64 bits": (GOOD + b"\x0a" + b"\xff" * 9 + b"\x7f", "ends nowhere"),
    "a tensor beyond its entry": (
        GOOD + counted(1, counted(1, b"w") + b"\x12" + varint(99) + RAW) + GOOD.replace(b"a.", b"b."),
        "reaches beyond its message",
    ),
    "20,001 entries": (checkpoint({f"w{n}": FLOATS[:1, :1] for n in range(20_001)}), "more than 20,000 entries"),
    # types
    "an Int8 weight": (
        entry("a.weight", tensor((6,), "Int8", RAW[:6])),
        "'a.weight' is Int8 of shape (6,), where weights are Float32",
    ),
    "a UInt64 weight": (entry("a.gamma", tensor((3,), "UInt64", RAW)), "'a.gamma' is UInt64"),
    "a text in a weight's place": (entry("a.bias", tensor((0,), "str", RAW)), "'a.bias' is str"),
    "a number in a weight's place": (
        entry("a.bias", tensor((), "Float32", RAW[:4])),
        "'a.bias' is Float32 of shape ()",
    ),
    "a type that is none": (entry("a.weight", tensor((2, 3), "Floau32", RAW)), "'a.weight' is Floau32"),
    "a type that is no text": (entry("w", DIMS + counted(2, b"\xff\xfe") + CONTENT), "is no text"),
    # fields
    "a name that is no text": (GOOD + entry(b"\xff\xfe", tensor((2, 3), "Float32", RAW)), "is no text"),
    "no name": (GOOD + counted(1, counted(2, DIMS + TYPE + CONTENT)), "has no name"),
    "an empty name": (GOOD + entry("", tensor((2, 3), "Float32", RAW)), "has no name"),
    "two names": (counted(1, counted(1, b"w") * 2 + counted(2, DIMS + TYPE + CONTENT)), "has field 1 twice"),
    "two tensors": (counted(1, counted(1, b"w") + counted(2, DIMS + TYPE + CONTENT) * 2), "has field 2 twice"),
    "no tensor": (counted(1, counted(1, b"w")), "is no tensor alone"),
    "a number for a tensor": (counted(1, counted(1, b"w") + b"\x10\x05"), "is no tensor alone"),
    "a map of an embedding": (counted(1, counted(1, b"w") + counted(3, b"x")), "MapParameter"),
    "an unknown field beside the tensor": (
        counted(1, counted(1, b"w") + counted(2, DIMS + TYPE + CONTENT) + counted(9, b"x")),
        "is no tensor alone",
    ),
    "no type": (entry("w", DIMS + CONTENT), "'w' has no type"),
    "no content": (entry("w", DIMS + TYPE), "'w' has other fields than"),
    "two contents": (entry("w", DIMS + TYPE + CONTENT * 2), "'w' has field 3 twice"),
    "two types": (entry("w", DIMS + TYPE * 2 + CONTENT), "'w' has field 2 twice"),
    "an unknown field in the tensor": (entry("w", DIMS + TYPE + CONTENT + counted(7, b"x")), "has other fields than"),
    "a field of fixed width": (entry("w", DIMS + TYPE + CONTENT + b"\x25\x00\x00\x00\x00"), "wire type 5"),
    "another field after the entries": (GOOD + counted(2, b"x"), "field 2 where an entry should begin"),
    "a number after the entries": (GOOD + b"\x08\x05", "field 1 where an entry should begin"),
    "zeros after the entries": (GOOD + bytes(20), "field 0 where an entry should begin"),
    "a line end after the entries": (GOOD + b"\n", CUT),
}

assert len(TYPES) == 7
