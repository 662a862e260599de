"""The opcodes that both pickle containers are written with."""

from __future__ import annotations

import struct


def pickled_text(text: str) -> bytes:
    """The opcode that pushes a string, in any protocol from 1 on."""
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw
