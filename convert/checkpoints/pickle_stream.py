"""The bytes of a pickle, read from the front: what opcodes take as their arguments."""

from __future__ import annotations

import struct
from typing import Any, NoReturn

from convert.checkpoints.pickle_globals import refusing
from convert.files import Stretch, held

LOOKED_AT = 16 * 1024  # bytes read at once; the opcodes between two tensors of a `.pdparams` are a few hundred
MAX_LINE = 256  # bytes of a module's name, or of a global's in it
LONG_TEXT = 16_000_000  # bytes; one letter beyond the Latin ones makes Python keep all of a text in two or four each


class PickleStream:
    """Reads what stands at `position`, and moves on.

    Args:
        content: the bytes, in memory or in a file; parts of them, as yet unread, may live on in the result.

    Attributes:
        content: the bytes.
        size: how many there are.
        position: of the next byte.
        opcode_at: where the opcode stands that is being carried out.
    """

    def __init__(self, content: Stretch | memoryview) -> None:
        self.content = content if isinstance(content, Stretch) else held(bytes(content))
        self.size = content.nbytes
        self.position = 0
        self.opcode_at = 0
        self._window, self._window_at = memoryview(b""), 0  # what was read last, and where it begins

    def located(self, reason: str) -> str:
        """The reason of a refusal, and the byte of the opcode."""
        return f"{reason} (byte {self.opcode_at} of the pickle)"

    def refuse(self, reason: str) -> NoReturn:
        raise refusing(self.located(reason))

    def take(self, count: int) -> memoryview:
        """So many bytes."""
        if count > self.size - self.position:
            left = self.size - self.position
            self.refuse(f"the pickle is cut short: {count} bytes wanted, {left} left; fetch the file again")
        data = self._look(count)
        self.position += count
        return data

    def part(self, count: int) -> Stretch:
        """So many bytes, unread."""
        if count > self.size - self.position:
            self.take(count)
        part = self.content.part(self.position, count)
        self.position += count
        return part

    def number(self, form: str) -> Any:
        """A number in a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """A text up to the end of its line."""
        line = bytes(self._look(min(MAX_LINE, self.size - self.position)))
        end = line.find(b"\n")
        if end < 0:
            self.refuse("a line without an end")
        self.position += end + 1
        return self._decode(line[:end])

    def text(self, count: int, errors: str = "surrogatepass") -> str:
        """A text of so many bytes."""
        text = self._decode(self.take(count), errors)
        if count > LONG_TEXT and text.__sizeof__() > 2 * count:
            self.refuse(f"a text of {count:,} bytes that takes {text.__sizeof__():,} in memory")
        return text

    def _look(self, count: int) -> memoryview:
        start = self.position - self._window_at
        if start < 0 or start + count > len(self._window):
            self._window = self.content.read(self.position, max(count, LOOKED_AT))
            self._window_at, start = self.position, 0
        return self._window[start : start + count]

    def _decode(self, raw: bytes | memoryview, errors: str = "surrogatepass") -> str:
        try:
            return str(raw, "utf-8", errors)
        except UnicodeDecodeError:
            self.refuse("text that is not UTF-8")
