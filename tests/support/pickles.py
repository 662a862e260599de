"""Pickles put together byte by byte."""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any

# A pickle, byte by byte: https://github.com/python/cpython/blob/v3.11.7/Lib/pickletools.py


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def plain(value: Any) -> bytes:
    """A text, a number, a truth, None, bytes, or a tuple of these; `Raw` bytes as they are."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, tuple):
        return b"(" + b"".join(map(plain, value)) + b"t"
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    written: dict[type, Callable[[Any], bytes]] = {str: text, int: integer, bytes: data}
    return written[type(value)](value)


class Raw(bytes):
    """Opcodes that are in place already."""


def name(module: str, attribute: str, protocol: int = 4) -> Raw:
    """The opcodes that fetch a global."""
    if protocol < 4:
        return Raw(f"c{module}\n{attribute}\n".encode())
    return Raw(text(module) + text(attribute) + b"\x93")


def call(function: Raw, *arguments: Any) -> Raw:
    """The opcodes that call a global."""
    return Raw(function + plain(arguments) + b"R")


def a_dict(items: Mapping[Any, Any]) -> Raw:
    return Raw(b"}(" + b"".join(plain(key) + plain(value) for key, value in items.items()) + b"u")


def stream(body: bytes, protocol: int = 4) -> bytes:
    """A whole pickle."""
    return b"\x80" + bytes([protocol]) + body + b"."


def tensor(
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    *,
    offset: int = 0,
    numel: int = 4,
    key: str = "0",
    legacy: bool = False,
) -> Raw:
    """A float32 tensor as torch.save writes it, in a zip file or a legacy one."""
    view = (None,) if legacy else ()
    storage = Raw(plain(("storage", name("torch", "FloatStorage", 2), key, "cpu", numel, *view)) + b"Q")
    hooks = call(name("collections", "OrderedDict", 2))
    return call(name("torch._utils", "_rebuild_tensor_v2", 2), storage, offset, shape, stride, False, hooks)


def offset_of_global(pickle: bytes, module: str, attribute: str) -> int:
    """Where the pickle asks for that global, found by Python's own reader of opcodes."""
    texts: list[str] = []
    for opcode, argument, position in pickletools.genops(pickle):
        if opcode.name in ("BINUNICODE", "SHORT_BINUNICODE"):
            texts.append(str(argument))
        module_and_name = str(argument).split(" ") if opcode.name == "GLOBAL" else texts[-2:]
        if opcode.name in ("GLOBAL", "STACK_GLOBAL") and module_and_name == [module, attribute]:
            assert position is not None
            return position
    raise AssertionError(f"no {module}.{attribute}")
