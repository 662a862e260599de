"""The opcodes that both pickle containers are written with."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def pickled_text(text: str) -> bytes:
    """The opcodes that push a string, in any protocol from 1 on."""
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def pickled_int(number: int) -> bytes:
    """The opcodes that push a whole number of 64 bits, in any protocol from 2 on."""
    return b"\x8a\x08" + struct.pack("<q", number)


def pickled_ints(numbers: Iterable[int]) -> bytes:
    """The opcodes that push a tuple of such numbers."""
    return b"(" + b"".join(map(pickled_int, numbers)) + b"t"
