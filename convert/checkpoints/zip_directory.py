"""The directory of a zip file, read so strictly that no two readers can see two files in it.

A zip file tells most things twice, and readers believe different places: the directory or the header before an entry,
the 32-bit numbers or the 64-bit ones, names with or without case. Here both places must agree, and every byte must
belong to exactly one entry or to the directory.

Format: APPNOTE.TXT 6.3.10 of PKWARE, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. What PyTorch writes:
caffe2/serialize/inline_container.cc and third_party/miniz of https://github.com/pytorch/pytorch at v2.14.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import ByteFile

END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
END_MAGIC, END64_MAGIC, LOCATOR_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
ENTRY_MAGIC, LOCAL_MAGIC, DESCRIPTOR_MAGIC = b"PK\x01\x02", b"PK\x03\x04", b"PK\x07\x08"
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF  # stand where the number is told in 64 bits

MAX_DIRECTORY = 2_000_000  # bytes; ten times as many are made of them, a training checkpoint has 300 kB
LONGEST_COMMENT = 65_535
LONGEST_DESCRIPTOR = 24
ZIP64 = 1  # of the extra fields
OTHER_NAME = 0x7075  # of the extra fields: some readers take its content for the entry's name
HAS_DESCRIPTOR, IS_UTF8 = 1 << 3, 1 << 11  # flags; every other one changes how an entry is read

DAMAGED = "the zip container is damaged or cut short: {}; fetch the file again and compare its digest"


@dataclass(frozen=True)
class ZipEntry:
    """One entry, stored as it is.

    Attributes:
        name: with its folder.
        crc: CRC-32 of its bytes.
        nbytes: how many it has.
        start: where in the file the first of them stands.
    """

    name: str
    crc: int
    nbytes: int
    start: int


@dataclass(frozen=True)
class _Record:
    """What the directory says of an entry."""

    raw_name: bytes
    name: str
    flags: int
    crc: int
    nbytes: int
    at: int  # of its header


def read_directory(file: ByteFile) -> dict[str, ZipEntry]:
    """The entries by name, in the directory's order.

    Raises:
        CheckpointError: damaged or cut short.
        RefusedCheckpoint: what readers of zip files see in different ways, or what `torch.save` never writes.
    """
    start, size, count = _directory_place(file)
    if size > MAX_DIRECTORY:
        raise RefusedCheckpoint(f"the zip container has a directory of {size:,} bytes; {MAX_DIRECTORY:,} are the limit")
    records = list(_records(bytes(file.read(start, size)), count))
    _check_names([record.name for record in records])
    in_file_order = sorted(records, key=lambda record: record.at)
    ends = [*(record.at for record in in_file_order[1:]), start]
    if in_file_order and in_file_order[0].at:
        raise RefusedCheckpoint(f"{in_file_order[0].at:,} bytes stand before the zip container's first entry")
    starts = {
        record.name: _data_start(file, record, end, start) for record, end in zip(in_file_order, ends, strict=True)
    }
    return {record.name: ZipEntry(record.name, record.crc, record.nbytes, starts[record.name]) for record in records}


def _directory_place(file: ByteFile) -> tuple[int, int, int]:
    """Where the directory begins, its bytes, and how many entries it has; it ends where its end's record begins."""
    end_at = file.size - END.size
    end = bytes(file.read(end_at, END.size)) if end_at >= 0 else b""
    if not end.startswith(END_MAGIC):
        raise _no_end(file)
    _, disk, first_disk, here, count, size, start, comment = END.unpack(end)
    if comment:
        raise RefusedCheckpoint("the zip container has a comment, which torch.save never writes")
    told: tuple[int, ...] = (disk, first_disk, here, count, size, start)
    directory_end = end_at
    locator_at = end_at - LOCATOR.size
    locator = bytes(file.read(locator_at, LOCATOR.size)) if locator_at >= 0 else b""
    if locator.startswith(LOCATOR_MAGIC):
        told, directory_end = _told_in_64_bits(file, locator, locator_at, told)
    disk, first_disk, here, count, size, start = told
    if disk or first_disk or here != count:
        raise RefusedCheckpoint("the zip container is one part of several")
    if start + size != directory_end:
        raise RefusedCheckpoint("the zip container's directory is not where its end says")
    return start, size, count


def _told_in_64_bits(
    file: ByteFile, locator: bytes, locator_at: int, told: tuple[int, ...]
) -> tuple[tuple[int, ...], int]:
    """The same numbers in 64 bits, and where they stand."""
    at = locator_at - END64.size
    end = bytes(file.read(at, END64.size)) if at >= 0 else b""
    if not end.startswith(END64_MAGIC) or LOCATOR.unpack(locator)[1:] != (0, at, 1):
        raise RefusedCheckpoint("the zip container has two ends that do not agree")
    _, size_of_rest, _, _, *long = END64.unpack(end)
    full = (FULL16,) * 4 + (FULL32,) * 2
    if size_of_rest != END64.size - 12 or any(
        short not in (number, most) for short, number, most in zip(told, long, full, strict=True)
    ):
        raise RefusedCheckpoint("the zip container has two ends that do not agree")
    return tuple(long), at


def _no_end(file: ByteFile) -> CheckpointError:
    """What to raise of a file that does not end as a zip file does."""
    tail_size = min(file.size, END.size + LONGEST_COMMENT)
    tail = bytes(file.read(file.size - tail_size, tail_size))
    at = tail.rfind(END_MAGIC)
    if 0 <= at <= len(tail) - END.size:
        return RefusedCheckpoint(f"{len(tail) - END.size - at:,} bytes follow the zip container's end")
    return CheckpointError(DAMAGED.format("File is not a zip file"))


def _records(directory: bytes, count: int) -> Iterator[_Record]:
    position = 0
    for _ in range(count):
        fields = ENTRY.unpack_from(directory, position) if position + ENTRY.size <= len(directory) else (b"",)
        if fields[0] != ENTRY_MAGIC:
            raise CheckpointError(DAMAGED.format("its directory has fewer entries than it says"))
        lengths = fields[10:13]
        texts = directory[position + ENTRY.size : position + ENTRY.size + sum(lengths)]
        if len(texts) < sum(lengths):
            raise CheckpointError(DAMAGED.format("an entry of its directory is cut short"))
        position += ENTRY.size + len(texts)
        yield _record(fields, texts)
    if position != len(directory):
        raise RefusedCheckpoint("the zip container's directory has more than its entries")


def _record(fields: tuple[Any, ...], texts: bytes) -> _Record:
    _, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length, disk, _, _, at = fields
    raw_name, extra = texts[:name_length], texts[name_length : name_length + extra_length]
    name = _name(raw_name)
    told = {"size": size, "packed": packed, "at": at}
    told |= _long_numbers(name, extra, [key for key, number in told.items() if number == FULL32])
    if method or told["packed"] != told["size"] or flags & ~(HAS_DESCRIPTOR | IS_UTF8):
        raise RefusedCheckpoint(f"{shown(name)} is compressed or encrypted, which torch.save never does")
    if disk or comment_length:
        raise RefusedCheckpoint(f"{shown(name)} has a comment or another disk, which torch.save never writes")
    return _Record(raw_name, name, flags, crc, told["size"], told["at"])


def _long_numbers(name: str, extra: bytes, wanted: list[str]) -> Mapping[str, int]:
    """The numbers of an entry that are told in 64 bits, in the format's order."""
    found = [content for kind, content in _extra_fields(name, extra) if kind == ZIP64]
    if len(found) != bool(wanted) or any(len(content) != 8 * len(wanted) for content in found):
        raise RefusedCheckpoint(f"{shown(name)} has sizes in 64 bits that do not fit those in 32")
    numbers = struct.unpack(f"<{len(wanted)}Q", b"".join(found))
    return dict(zip(wanted, numbers, strict=True))


def _extra_fields(name: str, extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        content = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if position > len(extra) or kind == OTHER_NAME:
            raise RefusedCheckpoint(f"{shown(name)} has an extra field that has no end or gives it another name")
        yield kind, content
    if position != len(extra):
        raise RefusedCheckpoint(f"{shown(name)} has {len(extra) - position} bytes behind its extra fields")


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise RefusedCheckpoint(f"the zip container has an entry of no readable name: {shown(repr(raw))}") from None
    parts = name.removesuffix("/").split("/")
    is_drive = len(parts[0]) == 2 and parts[0].endswith(":")
    if not name.isprintable() or "\\" in name or is_drive or any(part in ("", ".", "..") for part in parts):
        raise RefusedCheckpoint(f"the zip container has an entry of a name that is no plain path: {shown(repr(name))}")
    return name


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise RefusedCheckpoint("the zip container has two entries of one name")
    if len({name.casefold() for name in names}) != len(names):  # torch.load finds them in whatever case
        raise RefusedCheckpoint("the zip container has two entries whose names differ in case alone")


def _data_start(file: ByteFile, record: _Record, end: int, directory: int) -> int:
    """Where an entry's bytes begin; they, and what tells their size, must reach to `end`, where the next one begins."""
    name = shown(record.name)
    in_file = 0 <= record.at <= directory - LOCAL.size
    header = bytes(file.read(record.at, LOCAL.size)) if in_file else b""
    if not header.startswith(LOCAL_MAGIC):
        raise CheckpointError(f"the zip container has no header for {name}; fetch the file again")
    name_length, extra_length = LOCAL.unpack(header)[-2:]
    start: int = record.at + LOCAL.size + name_length + extra_length
    data_end = start + record.nbytes
    if data_end > directory:
        raise CheckpointError(f"the zip container is cut short within {name}; fetch the file again")
    if data_end > end:
        raise RefusedCheckpoint("the zip container has entries that overlap")
    texts = bytes(file.read(record.at + LOCAL.size, name_length + extra_length))
    if texts[:name_length] != record.raw_name or not _agrees(record, header, texts[name_length:]):
        raise RefusedCheckpoint(f"the header of {name} does not say what the zip container's directory says")
    if bytes(file.read(data_end, min(end - data_end, LONGEST_DESCRIPTOR + 1))) not in _descriptors(record):
        raise RefusedCheckpoint(f"bytes that belong to no entry stand after {name} in the zip container")
    return start


def _agrees(record: _Record, header: bytes, extra: bytes) -> bool:
    """Whether the header before an entry says what the directory does, or leaves it to what stands behind the entry."""
    _, _, flags, method, _, _, crc, packed, size, _, _ = LOCAL.unpack(header)
    found = [content for kind, content in _extra_fields(record.name, extra) if kind == ZIP64]
    if flags != record.flags or method or len(found) > 1 or any(len(content) % 8 for content in found):
        return False
    long = [number for content in found for (number,) in struct.iter_unpack("<Q", content)]
    sizes = [record.nbytes] * 2
    if flags & HAS_DESCRIPTOR:
        shorts = zip((crc, packed, size), (record.crc, *sizes), strict=True)
        return all(short in (0, FULL32, number) for short, number in shorts) and {*long} <= {0, *sizes, record.at}
    if long[-1:] == [record.at] and len(long) % 2:  # PyTorch writes the header's own position where that is long
        long.pop()
    told = (*sizes, FULL32) if long == sizes else sizes
    return crc == record.crc and long in ([], sizes) and packed in told and size in told


def _descriptors(record: _Record) -> list[bytes]:
    """What may stand behind an entry: its checksum and sizes, in 32 bits or in 64."""
    if not record.flags & HAS_DESCRIPTOR:
        return [b""]
    numbers = (DESCRIPTOR_MAGIC, record.crc, record.nbytes, record.nbytes)
    descriptors = [struct.pack("<4sLQQ", *numbers)]
    if record.nbytes <= FULL32:
        descriptors.append(struct.pack("<4s3L", *numbers))
    return descriptors if record.nbytes else [b"", *descriptors]  # PyTorch writes none behind nothing
