"""The headers of an uncompressed tar archive, of whatever kind, in one pass that no number in it can make long.

POSIX ustar and pax (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), and GNU's long names and
numbers (https://www.gnu.org/software/tar/manual/html_node/Standard.html). Python's own tarfile reads as long a header
as an archive says that it has, and before 3.11.10 it searches 400 kB of digits for minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
MAX_HEADER = 64 << 10  # bytes of a pax header or a long name; a path of Linux has at most 4,096
MAX_MEMBERS = 2_000_000  # ImageNet's training set has 1,281,167 images
MAX_PADDING = 1 << 20  # bytes of zeros after the last member; tar's default is up to 10,240
CHECKSUM = slice(148, 156)
OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=]{1,1000})=")

LONG_NAME, LONG_LINK, PAX, PAX_OF_ALL = b"L", b"K", (b"x", b"X"), b"g"
KINDS = {
    **dict.fromkeys((b"0", b"\0", b"7"), "a file"),
    **dict.fromkeys((b"1", b"2"), "a link"),
    **dict.fromkeys((b"3", b"4", b"6"), "a device"),
    b"5": "a folder",
    b"S": "a sparse file",
}
WITHOUT_CONTENT = ("a link", "a device", "a folder")  # whatever their size says


class TarError(Exception):
    """An archive that is none, was cut or holds what cannot be; the text needs the archive's name before it."""


@dataclass(frozen=True)
class Member:
    """What an archive says of one of its members.

    Attributes:
        name: its path.
        kind: "a file", "a folder", "a link", "a device", "a sparse file" or "of an unknown kind".
        offset: of its first byte.
        nbytes: of its content.
    """

    name: str
    kind: str
    offset: int
    nbytes: int


def read_members(file: BinaryIO, size: int) -> Iterator[Member]:
    """The members of an archive in their order.

    Args:
        file: the archive.
        size: its size in bytes.

    Raises:
        TarError: it is no archive, was cut short, or has a header that cannot be.
    """
    place = count = 0
    shared: dict[str, bytes] = {}
    own: dict[str, bytes] = {}
    while block := _header(file, place, size):
        kind, content, nbytes = block[156:157], place + BLOCK, _size(block, place)
        if kind in (LONG_NAME, LONG_LINK, PAX_OF_ALL, *PAX):
            text = _extension(file, content, nbytes)
            if kind == LONG_NAME:
                own["path"] = text.partition(b"\0")[0]
            elif kind != LONG_LINK:
                (shared if kind == PAX_OF_ALL else own).update(_pax_records(text, place))
            place = content + _padded(nbytes)
            continue
        member = _member(block, content, {**shared, **own})
        count, own = count + 1, {}
        if count > MAX_MEMBERS:
            raise TarError(f"has more than {MAX_MEMBERS:,} members; pack less into one archive")
        place = content + (0 if member.kind in WITHOUT_CONTENT else _padded(member.nbytes))
        if place > size:
            raise TarError("is no whole tar archive: unexpected end of data; download it again")
        yield member
    _check_end(file, place)


def _header(file: BinaryIO, place: int, size: int) -> bytes:
    """The header at that place; empty at the archive's end."""
    if place > size:
        raise TarError("is no whole tar archive: unexpected end of data; download it again")
    file.seek(place)
    block = file.read(BLOCK)
    if len(block) < BLOCK and not place:
        reason = "truncated header" if block else "empty file"
        raise TarError(f"is no whole tar archive: {reason}; download it again")
    if len(block) < BLOCK or not block.strip(b"\0"):
        return b""
    others = block[: CHECKSUM.start] + b" " * 8 + block[CHECKSUM.stop :]
    unsigned = sum(others)
    signed = unsigned - 256 * sum(byte > 127 for byte in others)  # as some old programs count
    if _number(block[CHECKSUM]) in (unsigned, signed):
        return block
    if place:
        raise TarError(f"has a broken header, or more after its end, at byte {place:,}; download it again")
    raise TarError("is no whole tar archive: invalid header; download it again")


def _size(block: bytes, place: int) -> int:
    if (nbytes := _number(block[124:136])) is None or nbytes < 0:
        raise TarError(f"has a broken header, or more after its end, at byte {place:,}; download it again")
    return nbytes


def _number(field: bytes) -> int | None:
    """A header's number, in octal digits or, marked by its first byte, in binary; None for anything else."""
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big", signed=field[:1] == b"\xff")
    match = OCTAL.fullmatch(field)
    return int(match[1] or b"0", 8) if match else None


def _extension(file: BinaryIO, place: int, nbytes: int) -> bytes:
    """Content of a header that stands before a member's own."""
    if nbytes > MAX_HEADER:
        raise TarError(
            f"has a header of {nbytes:,} bytes at byte {place - BLOCK:,}, and {MAX_HEADER:,} are the most that is read"
        )
    file.seek(place)
    return file.read(nbytes)


def _pax_records(text: bytes, place: int) -> dict[str, bytes]:
    """Keyword to value of a pax header's records, `length keyword=value` and a line feed each."""
    records: dict[str, bytes] = {}
    start = 0
    while start < len(text) and text[start]:
        match = RECORD.match(text, start)
        end = start + int(match[1]) if match else 0
        whole = match is not None and match.end() < end <= len(text) and text[end - 1 : end] == b"\n"
        if match is None or not whole or b"\0" in text[match.end() : end]:  # a name that holds one is two names
            raise TarError(f"has a broken header, or more after its end, at byte {place:,}; download it again")
        records[match[2].decode("utf-8", "surrogateescape")] = text[match.end() : end - 1]
        start = end
    return records


def _member(block: bytes, content: int, records: Mapping[str, bytes]) -> Member:
    """The member of a header, with what headers before it state."""
    code = block[156:157]
    kind = KINDS.get(code, "of an unknown kind")
    name, prefix = (_text(block[field]) for field in (slice(0, 100), slice(345, 500)))
    if code == b"\0" and name.endswith(b"/"):
        kind = "a folder"
    if any(key.startswith("GNU.sparse.") for key in records):
        kind = "a sparse file"
    if prefix and kind != "a sparse file":  # which has other things there
        name = prefix + b"/" + name
    name = records.get("path") or name
    stated = records.get("size")
    if stated is not None and not re.fullmatch(rb"[0-9]{1,18}", stated):
        raise TarError(f"has a broken header, or more after its end, at byte {content - BLOCK:,}; download it again")
    nbytes = _size(block, content - BLOCK) if stated is None else int(stated)
    return Member(_text(name).rstrip(b"/").decode("utf-8", "surrogateescape"), kind, content, nbytes)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _padded(nbytes: int) -> int:
    return -(-nbytes // BLOCK) * BLOCK


def _check_end(file: BinaryIO, place: int) -> None:
    file.seek(place)
    padding = file.read(MAX_PADDING + 1)
    if len(padding) < BLOCK:
        raise TarError(f"was cut short at byte {place + len(padding):,}: it has no end mark; download it again")
    if len(padding) > MAX_PADDING or padding.strip(b"\0"):
        raise TarError(f"has a broken header, or more after its end, at byte {place:,}; download it again")
