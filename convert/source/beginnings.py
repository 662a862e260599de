"""Whether a file that was downloaded can be a checkpoint, by its first bytes."""

from __future__ import annotations

from convert.checkpoints import safetensors
from convert.checkpoints.containers import SAFETENSORS, TORCH_ZIP, what_is

PICKLE_PROTOCOLS = (2, 3, 4, 5)  # of torch.save before 1.6, and of paddle.save


def find_flaw(start: bytes) -> str:
    """Why a file that begins so is no checkpoint, or nothing if it may be one.

    Args:
        start: its first 64 bytes, or all of a shorter one.
    """
    if not start:
        return "is empty (0 bytes); check the address"
    if start.startswith(TORCH_ZIP.magic) or (start[:1] == b"\x80" and start[1:2] in map(_byte, PICKLE_PROTOCOLS)):
        return ""
    header = int.from_bytes(start[: safetensors.LENGTH.size], "little")
    if SAFETENSORS.recognises("", start) and header <= safetensors.MAX_HEADER:
        return ""
    if start.lstrip()[:1] in (b"{", b"["):
        return "is JSON, not a checkpoint; the server may have answered with an error, or the file is an index"
    return what_is(start)


def _byte(number: int) -> bytes:
    return bytes([number])
