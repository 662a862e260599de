"""The part of protobuf's wire format that MindSpore's checkpoints use: varints, and fields of counted bytes.

Format: https://protobuf.dev/programming-guides/encoding. Read here and not by the library, which keeps a whole file in
memory and ends at 2 GiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convert.errors import CheckpointError, RefusedCheckpoint
from convert.files import ByteFile

VARINT, COUNTED = 0, 2  # the wire types; the others are numbers of fixed width, and groups
LONGEST_VARINT = 10  # bytes, of a number of 64 bits
BLOCK = 4096  # bytes of one reading of what stands between the tensors


@dataclass(frozen=True)
class Span:
    """A part of the file: the content of a counted field."""

    start: int
    nbytes: int

    @property
    def end(self) -> int:
        return self.start + self.nbytes


class WireReader:
    """Reads messages of a file, a block at a time.

    Args:
        file: that they lie in.
        size: bytes of it that are messages.
    """

    def __init__(self, file: ByteFile, size: int) -> None:
        self._file, self._size = file, size
        self._start, self._block = 0, b""

    def take(self, span: Span) -> bytes:
        """The bytes of a small part of the file."""
        offset = span.start - self._start
        if offset < 0 or offset + span.nbytes > len(self._block):
            count = min(max(BLOCK, span.nbytes), self._size - span.start)
            self._start, self._block, offset = span.start, bytes(self._file.read(span.start, count)), 0
        return self._block[offset : offset + span.nbytes]

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """The number there, and the position after it.

        Raises:
            CheckpointError: the file ends within it.
            RefusedCheckpoint: it ends nowhere, or has more than 64 bits.
        """
        number = 0
        for count, byte in enumerate(self.take(Span(position, min(LONGEST_VARINT, end - position)))):
            number |= (byte & 0x7F) << 7 * count
            if byte < 0x80 and number < 1 << 64:
                return number, position + count + 1
        if end == self._size and end - position < LONGEST_VARINT:
            raise CheckpointError(f"the file is cut short: it ends within a number at byte {position}; fetch it again")
        raise RefusedCheckpoint(f"a number at byte {position} that ends nowhere; the file is damaged, fetch it again")

    def fields(self, message: Span) -> Iterator[tuple[int, int | Span]]:
        """Number and value of each field of a message; the errors are those of `varint`, and of a field too long."""
        position = message.start
        while position < message.end:
            start = position
            key, position = self.varint(position, message.end)
            value, position = self.varint(position, message.end)
            if key & 7 == COUNTED:
                if value > message.end - position:
                    raise self._too_long(start, message)
                yield key >> 3, Span(position, value)
                position += value
            elif key & 7 == VARINT:
                yield key >> 3, value
            else:
                raise RefusedCheckpoint(
                    f"a field of wire type {key & 7} at byte {start}, which no checkpoint of MindSpore has; "
                    "the file is damaged, fetch it again"
                )

    def _too_long(self, start: int, message: Span) -> CheckpointError:
        if message.end == self._size:
            return CheckpointError(f"the file is cut short within what begins at byte {start}; fetch it again")
        return RefusedCheckpoint(
            f"a field at byte {start} reaches beyond its message; the file is damaged, fetch it again"
        )
