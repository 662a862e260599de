"""Tar archives and devkits that could make a reader take much memory or time, or fail in its own words."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat
from validation_sets import CONTENTS, FIELDS, devkit, flat, meta_mat, truth

from verify.datasets.layouts.devkit import ARCHIVE, META, TRUTH
from verify.datasets.layouts.tar import TAR_NAME

Make = Callable[[Path], object]
END = bytes(1024)
GIGABYTES = 3 << 30


def header(
    name: bytes = b"x.JPEG",
    *,
    kind: bytes = b"0",
    size: int | bytes = 0,
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """A header with a right checksum; a size that is bytes stands there as it is."""
    digits = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    for place, field in ((0, name), (100, b"0000644\0"), (124, digits), (156, kind), (257, magic), (345, prefix)):
        block[place : place + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def extension(content: bytes, kind: bytes = b"x") -> bytes:
    """A header before a member's own, of that content."""
    return header(b"ext", kind=kind, size=len(content)) + padded(content)


def record(key: bytes, value: bytes) -> bytes:
    """A record of a pax header: its own length in digits, keyword and value."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length + rest) != length:
        length += 1
    return b"%d" % length + rest


def tar_of(*parts: bytes) -> Make:
    """The archive of these bytes and an end mark, with the devkit beside it."""

    def make(root: Path) -> None:
        (devkit(root) / TAR_NAME).write_bytes(b"".join([*parts, END]))

    return make


def holes(nbytes: int, name: str = TAR_NAME) -> Make:
    """Beside the devkit, or in it, a file of so many bytes that takes no room on the disk."""

    def make(root: Path) -> None:
        with (devkit(flat(root) if name == TRUTH else root) / name).open("wb") as file:
            file.truncate(nbytes)

    return make


def sparse_tar(kind: bytes, nbytes: int = GIGABYTES) -> Make:
    """A header whose content is a hole in the file, which takes no room on the disk."""

    def make(root: Path) -> None:
        path = devkit(root) / TAR_NAME
        path.write_bytes(header(kind=kind, size=nbytes))
        os.truncate(path, nbytes + 512 + len(END))

    return make


BROKEN = "has a broken header, or more after its end, at byte {}; download it again"
CUT = "is no whole tar archive: unexpected end of data; download it again"
LONG = f"has a header of {GIGABYTES:,} bytes at byte 0, and 65,536 are the most that is read"
SPARSE = "x.JPEG is a sparse file, and only plain files are read"
CHAIN = extension(b"long/name.JPEG\0", b"L") * 20_000

TARS: Mapping[str, tuple[Make, str]] = {
    "a pax header of 400 kB of digits": (
        tar_of(extension(b"1" * 400_000), header()),
        "has a header of 400,000 bytes at byte 0, and 65,536 are the most that is read",
    ),
    "pax headers of 64 kB of digits": (tar_of(extension(b"1" * 65_536) * 40, header()), BROKEN.format(0)),
    "a pax header of 3 GB": (sparse_tar(b"x"), LONG),
    "a pax header for all of 3 GB": (sparse_tar(b"g"), LONG),
    "a pax header of Solaris of 3 GB": (sparse_tar(b"X"), LONG),
    "a long name of 3 GB": (sparse_tar(b"L"), LONG),
    "a long link of 3 GB": (sparse_tar(b"K"), LONG),
    "a long name of 2^70 bytes": (
        tar_of(header(kind=b"L", size=b"\x80" + (1 << 70).to_bytes(11, "big"))),
        "has a header of 1,180,591,620,717,411,303,424 bytes at byte 0, and 65,536 are the most that is read",
    ),
    "twenty thousand long names for one member": (
        tar_of(CHAIN, header()),
        "image 1 should be ILSVRC2012_val_00000001.JPEG, and is long/name.JPEG",
    ),
    "a member of 2^70 bytes": (tar_of(header(size=b"\x80" + (1 << 70).to_bytes(11, "big"))), CUT),
    "a member of less than nothing": (tar_of(header(size=b"\xff" * 12)), BROKEN.format(0)),
    "a size that is no number": (tar_of(header(size=b"99999999999\0")), BROKEN.format(0)),
    "a size with an underscore": (tar_of(header(size=b"1_000\0\0\0\0\0\0\0")), BROKEN.format(0)),
    "a pax size of four thousand digits": (
        tar_of(extension(record(b"size", b"9" * 4000)), header()),
        BROKEN.format("4,608"),
    ),
    "a pax size beyond the file": (tar_of(extension(record(b"size", b"9" * 18)), header()), CUT),
    "a pax size below nothing": (tar_of(extension(record(b"size", b"-512")), header()), BROKEN.format("1,024")),
    "a pax record that is longer than its header": (tar_of(extension(b"99 path=x\n"), header()), BROKEN.format(0)),
    "a pax record of no length": (tar_of(extension(b"0 path=x\n"), header()), BROKEN.format(0)),
    "a pax record without a value": (tar_of(extension(b"7 path\n"), header()), BROKEN.format(0)),
    "a sparse file of GNU": (tar_of(header(kind=b"S")), SPARSE),
    "a sparse file of pax": (tar_of(extension(record(b"GNU.sparse.size", b"9" * 30)), header()), SPARSE),
    "a sparse map of pax": (tar_of(extension(record(b"GNU.sparse.map", b"1," * 30_000)), header()), SPARSE),
    "a kind that nobody knows": (
        tar_of(header(kind=b"Q")),
        "x.JPEG is of an unknown kind, and only plain files are read",
    ),
    "a name with escapes": (
        tar_of(header(b"\x1b[2J.JPEG"), header(b"\x1b[2J.JPEG")),
        "\\x1b[2J.JPEG is in it twice",
    ),
    "a name that leads out by its prefix": (
        tar_of(header(b"x.JPEG", prefix=b"a/..")),
        "a/../x.JPEG lies outside the folder",
    ),
    "an extension at the very end": (tar_of(extension(record(b"path", b"x"))), "0 images and 12 labels in"),
    "zeros alone": (lambda root: (devkit(root) / TAR_NAME).write_bytes(END), "0 images and 12 labels in"),
    "twelve gigabytes of zeros": (holes(12 << 30), BROKEN.format(0)),
    "nothing at all": (holes(0), "is no whole tar archive: empty file; download it again"),
}


def packed_kit(content: bytes) -> Make:
    """The images beside the devkit's archive, which unpacks to that."""
    return lambda root: (flat(root) / ARCHIVE).write_bytes(gzip.compress(content))


def kit_of(meta: bytes) -> Make:
    """The images beside a devkit with that meta.mat."""

    def make(root: Path) -> None:
        flat(root)
        (root / TRUTH).write_text(truth())
        (root / META).write_bytes(meta)

    return make


def mat(element: bytes) -> bytes:
    """A MATLAB 5 file of one element that is deflated."""
    packed = zlib.compress(element)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\x01IM" + struct.pack("<II", 15, len(packed)) + packed


def matrix(dims: tuple[int, ...], *, kind: int, rest: bytes = b"") -> bytes:
    """An array `synsets` of that class and of dimensions that nothing fills."""
    flags = struct.pack("<IIII", 6, 8, kind, 0)
    shape = struct.pack(f"<II{len(dims)}i", 5, 4 * len(dims), *dims) + bytes(4 * (len(dims) % 2))
    body = flags + shape + struct.pack("<II8s", 1, 7, b"synsets") + rest
    return struct.pack("<II", 14, len(body)) + body


def saved(**variables: Any) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables)
    return stream.getvalue()


def synsets_of(value: Any) -> Any:
    """Two synsets that have that value in every field."""
    synsets = np.zeros((2, 1), [(name, "O") for name in FIELDS])
    for name in FIELDS:
        for row in range(2):
            synsets[name][row, 0] = value
    return synsets


STRUCT_OF_ONE_FIELD = struct.pack("<HHIII8s", 5, 4, 8, 1, 8, b"a")
UNREAD = f"{META}: is not the devkit's: "
OTHER_FIELDS = f"{UNREAD}its synsets have other fields than the devkit's"

KITS: Mapping[str, tuple[Make, str]] = {
    "a devkit that unpacks to a gigabyte": (
        packed_kit(bytes(1 << 30)),
        "has more than 16,777,216 bytes unpacked; the devkit has 4 MB",
    ),
    "a devkit whose pax header is digits": (
        packed_kit(extension(b"1" * 400_000) + header() + END),
        "the devkit cannot be read: has a header of 400,000 bytes at byte 0, and 65,536 are the most that is read",
    ),
    "a devkit of links": (packed_kit(header(META.encode(), kind=b"2") + header(TRUTH.encode()) + END), "has no "),
    "a devkit whose gzip is damaged": (
        lambda root: (flat(root) / ARCHIVE).write_bytes(gzip.compress(os.urandom(5000))[:50] + bytes(4000)),
        "the devkit cannot be read: ",
    ),
    "a devkit's archive that is text": (
        lambda root: (flat(root) / ARCHIVE).write_bytes(b"<html>"),
        "the devkit cannot be read: Not a gzipped file",
    ),
    "a meta.mat that unpacks to 2 GB": (kit_of(mat(bytes(2 << 30))), f"{META}: "),
    "a meta.mat of 2^31 numbers": (kit_of(mat(matrix((1 << 30, 2), kind=6))), f"{META}: "),
    "a meta.mat of 2^31 cells": (kit_of(mat(matrix((1 << 30, 2), kind=1))), f"{META}: "),
    "a meta.mat of 2^30 structs": (kit_of(mat(matrix((1 << 30, 1), kind=2, rest=STRUCT_OF_ONE_FIELD))), f"{META}: "),
    "a meta.mat of negative dimensions": (kit_of(mat(matrix((-1, -1), kind=1))), f"{META}: "),
    "a meta.mat of other variables": (kit_of(saved(other=1)), OTHER_FIELDS),
    "a meta.mat whose synsets are a number": (kit_of(saved(synsets=1)), OTHER_FIELDS),
    "a meta.mat whose synsets are a text": (kit_of(saved(synsets="n01440764")), OTHER_FIELDS),
    "a meta.mat whose synsets have other fields": (kit_of(saved(synsets={"a": 1, "b": 2})), OTHER_FIELDS),
    "a meta.mat whose numbers are arrays": (kit_of(saved(synsets=synsets_of(np.ones(3)))), UNREAD),
    "a meta.mat of version 7.3": (kit_of(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM" + bytes(600)), UNREAD),
    "a meta.mat cut short": (kit_of(meta_mat()[:5000]), UNREAD),
    "a ground truth of another size": (
        lambda root: (kit_of(meta_mat())(root), (root / TRUTH).write_text("1\n" * 3)),
        f"{len(CONTENTS)} images and 3 labels in",
    ),
    "a ground truth of 100 MB": (
        holes(100 << 20, TRUTH),
        "has more than 16,777,216 bytes unpacked; the devkit has 4 MB",
    ),
}
