"""Zip files of torch.save, changed so that two readers may see two models in one file."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Mapping

from changed_zips import (
    ENTRIES,
    LAST,
    ONE,
    OTHER,
    B,
    after,
    between_entries,
    end_of,
    ends_in_64_bits,
    extra_in_directory,
    extra_in_header,
    in_directory,
    in_header,
    patched,
    position_of_last,
    renamed,
    second_end,
    shifted,
    tensor_in,
    two_directories,
    with_entries,
    zipped,
)
from pickles import a_dict, stream

NO_PATH = "the zip container has an entry of a name that is no plain path: "
HEADER = "the header of x/data/0 does not say what the zip container's directory says"
ENDS = "the zip container has two ends that do not agree"
BYTEORDER = "written on a big-endian machine, which is not supported; save it anew on a little-endian one"
VERSION = "x/version has no number from 1 to 10, as torch.save writes it"
LONG = "x/data/0 has sizes in 64 bits that do not fit those in 32"

# The file, and why it is refused; "" for what is read as torch reads it.
ZIPS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nothing odd": (lambda: zipped(ENTRIES), ""),
    "its own folder as an entry": (lambda: after("x/", b""), ""),
    "other entries of torch.save": (lambda: with_entries(**{".format_version": b"1", ".storage_alignment": b"64"}), ""),
    "two ends that agree": (ends_in_64_bits, ""),
    "the header's position in 64 bits": (lambda: extra_in_header(position_of_last()), ""),
    "sizes in 64 bits in the header": (lambda: extra_in_header(40, 40), ""),
    "other sizes in 64 bits in the header": (lambda: extra_in_header(41, 40), f"the header of {LAST} does not say"),
    "another position in 64 bits": (lambda: extra_in_header(7), f"the header of {LAST} does not say"),
    "no size in the header": (lambda: in_header("x/data/0", 18, "<2L", 0, 0), "the header of x/data/0 does not say"),
    "a time in an extra field": (lambda: extra_in_directory(b"UT\x05\x00\x01\0\0\0\0"), ""),
    "data/0 and DATA/0": (
        lambda: with_entries(**{"DATA/0": B.tobytes()}),
        "the zip container has two entries whose names differ in case alone",
    ),
    "DATA/0 before data/0": (
        lambda: zipped({"x/DATA/0": B.tobytes(), **ENTRIES}),
        "the zip container has two entries whose names differ in case alone",
    ),
    "data.pkl and DATA.PKL": (
        lambda: with_entries(**{"DATA.PKL": OTHER, "data/1": B.tobytes()}),
        "the zip container has two entries whose names differ in case alone",
    ),
    "two folders that differ in case": (
        lambda: after("X/data/0", B.tobytes()),
        "the zip container has two entries whose names differ in case alone",
    ),
    "ByteOrder": (
        lambda: zipped({k.replace("byteorder", "ByteOrder"): b"big" if "byte" in k else v for k, v in ENTRIES.items()}),
        "the zip container has x/ByteOrder, in another case than torch.save writes",
    ),
    "VERSION": (
        lambda: renamed(version="VERSION"),
        "the zip container has x/VERSION, in another case than torch.save writes",
    ),
    "a NUL in a name": (lambda: renamed(data1="da\0a1"), NO_PATH + "'x/da\\x00a1'"),
    "a NUL behind a name": (
        lambda: with_entries(**{"data/01": B.tobytes()}).replace(b"x/data/01", b"x/data/0\0"),
        NO_PATH + "'x/data/0\\x00'",
    ),
    "a backslash in a name": (lambda: renamed(data1="da\\a1"), NO_PATH + r"'x/da\\a1'"),
    "a control character in a name": (lambda: renamed(data1="da\x1ba1"), NO_PATH + r"'x/da\x1ba1'"),
    "an absolute name": (lambda: after("/x/data/0", b""), NO_PATH + "'/x/data/0'"),
    "a drive": (lambda: after("C:/x/data/0", b""), NO_PATH + "'C:/x/data/0'"),
    "a name with two dots": (lambda: with_entries(**{"data/../data/0": B.tobytes()}), NO_PATH + "'x/data/../data/0'"),
    "a name with one dot": (lambda: with_entries(**{"./data/0": B.tobytes()}), NO_PATH + "'x/./data/0'"),
    "a name with two slashes": (lambda: with_entries(**{"data//0": B.tobytes()}), NO_PATH + "'x/data//0'"),
    "a name of no letters": (
        lambda: renamed(data1="dat\xff").replace("dat\xff".encode(), b"dat\xff\xfe"),
        r"the zip container has an entry of no readable name: b'x/dat\xff\xfe'",
    ),
    "an entry in another folder": (
        lambda: after("y/data/0", B.tobytes()),
        "the zip container has y/data/0, which is not in x/",
    ),
    "an entry in no folder": (
        lambda: after("readme.txt", b""),
        "the zip container has readme.txt, which is not in x/",
    ),
    "a prefix": (
        lambda: shifted(b"PK\x03\x04 and more"),
        "the zip container's directory is not where its end says",
    ),
    "two directories": (two_directories, "the zip container's directory is not where its end says"),
    "bytes between the entries": (between_entries, "bytes that belong to no entry stand after "),
    "bytes behind the end": (lambda: zipped(ENTRIES) + b"abc", "3 bytes follow the zip container's end"),
    "an end within the comment": (second_end, "the zip container's directory is not where its end says"),
    "a comment": (
        lambda: patched(zipped(ENTRIES), len(zipped(ENTRIES)) - 2, "<H", 3) + b"abc",
        "3 bytes follow the zip container's end",
    ),
    "a comment that is not there": (
        lambda: patched(zipped(ENTRIES), len(zipped(ENTRIES)) - 2, "<H", 3),
        "the zip container has a comment, which torch.save never writes",
    ),
    "another disk": (
        lambda: patched(zipped(ENTRIES), end_of(zipped(ENTRIES)) + 4, "<H", 1),
        "the zip container is one part of several",
    ),
    "fewer entries here than in all": (
        lambda: patched(zipped(ENTRIES), end_of(zipped(ENTRIES)) + 8, "<H", 4),
        "the zip container is one part of several",
    ),
    "an entry that is not counted": (
        lambda: patched(zipped(ENTRIES), end_of(zipped(ENTRIES)) + 8, "<2H", 4, 4),
        "the zip container's directory has more than its entries",
    ),
    "two ends that count differently": (lambda: ends_in_64_bits(count=4), ENDS),
    "two ends with two directories": (lambda: ends_in_64_bits(start=1), ENDS),
    "another name in the header": (lambda: in_header("x/data/0", 30, "<2B", ord("y"), ord("/")), HEADER),
    "another size in the header": (lambda: in_header("x/data/0", 18, "<2L", 12, 12), HEADER),
    "another checksum in the header": (lambda: in_header("x/data/0", 14, "<L", 1), HEADER),
    "another method in the header": (lambda: in_header("x/data/0", 8, "<H", 8), HEADER),
    "another flag in the header": (lambda: in_header("x/data/0", 6, "<H", 8), HEADER),
    "a method in the directory": (
        lambda: in_directory("x/data/0", 10, "<H", 8),
        "x/data/0 is compressed or encrypted, which torch.save never does",
    ),
    "a flag of encryption": (
        lambda: in_directory("x/data/0", 8, "<H", 1),
        "x/data/0 is compressed or encrypted, which torch.save never does",
    ),
    "two sizes in the directory": (
        lambda: in_directory("x/data/0", 20, "<L", 8),
        "x/data/0 is compressed or encrypted, which torch.save never does",
    ),
    "a disk in the directory": (
        lambda: in_directory("x/data/0", 34, "<H", 1),
        "x/data/0 has a comment or another disk, which torch.save never writes",
    ),
    "deflated entries": (
        lambda: zipped(ENTRIES, zipfile.ZIP_DEFLATED),
        "x/data.pkl is compressed or encrypted, which torch.save never does",
    ),
    "sizes in 64 bits that nothing asks for": (
        lambda: extra_in_directory(struct.pack("<2HQ", 1, 8, 4)),
        LONG,
    ),
    "another name in an extra field": (
        lambda: extra_in_directory(struct.pack("<2HBL", 0x7075, 13, 1, 0) + b"x/data/1"),
        "x/data/0 has an extra field that has no end or gives it another name",
    ),
    "an extra field that is cut": (
        lambda: extra_in_directory(struct.pack("<2H", 0x5455, 9)),
        "x/data/0 has an extra field that has no end or gives it another name",
    ),
    "half an extra field": (lambda: extra_in_directory(b"abc"), "x/data/0 has 3 bytes behind its extra fields"),
    "byteorder Little": (lambda: with_entries(byteorder=b"Little"), BYTEORDER),
    "byteorder with a line's end": (lambda: with_entries(byteorder=b"little\n"), BYTEORDER),
    "byteorder of nothing": (lambda: with_entries(byteorder=b""), BYTEORDER),
    "byteorder big": (lambda: with_entries(byteorder=b"big"), BYTEORDER),
    "byteorder of a kilobyte": (
        lambda: with_entries(byteorder=b"little" * 200),
        "x/byteorder has 1,200 bytes; 100 are the limit",
    ),
    **{
        f"version {version!r}": (lambda version=version: with_entries(version=version), VERSION)  # type: ignore[misc]
        for version in (b"", b"abc", b"0\n", b"11\n", b"-3", b"3x", b"9" * 30)
    },
    "version 10": (lambda: with_entries(version=b"10\n"), ""),
    "a storage of two dtypes": (
        lambda: with_entries(
            **{
                "data.pkl": stream(a_dict({"w": tensor_in(kind="IntStorage"), "v": tensor_in()}), 2),
            }
        ),
        "a persistent id that names no storage: a storage of two sizes or dtypes (byte ",
    ),
    "a storage of two sizes": (
        lambda: with_entries(**{"data.pkl": stream(a_dict({"w": tensor_in(numel=2), "v": tensor_in()}), 2)}),
        "a persistent id that names no storage: a storage of two sizes or dtypes (byte ",
    ),
    "bytes behind the pickle": (
        lambda: with_entries(**{"data.pkl": ONE + OTHER}),
        f"{len(OTHER)} bytes follow the pickle's end; fetch the file again",
    ),
}
