"""Pickles that are small and keep a reader busy: keys of one hash, and what is remembered and used again and again."""

from __future__ import annotations

import struct

from pickles import a_dict, name, tensor, text

MARKER = "stages.0.0.dwconv.weight"  # by which the official key format is recognised
MODULUS = (1 << 61) - 1  # of Python's hash of a number


def laughs() -> bytes:
    """A pair of a pair of a pair ...: two hundred opcodes for 2^200 objects."""
    return b")" + b"q\x00h\x00\x86" * 200


def numbered(count: int, step: int, form: str) -> bytes:
    """Keys of a dict that are multiples of a number."""
    keys = b"".join(form_of(form, number * step) + b"N" for number in range(1, count))
    return b"}(" + keys + b"u"


def form_of(form: str, number: int) -> bytes:
    if form == "float":
        return b"G" + struct.pack(">d", float(number))
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"(" * (form == "tuple") + b"\x8a" + bytes([len(raw)]) + raw + b"t" * (form == "tuple")


def beside(body: bytes) -> bytes:
    """The body beside good weights, under a marker that makes the file a ConvNeXt's."""
    return b"}" + text("model") + a_dict({MARKER: tensor((4,), (1,))}) + b"s" + text("optimizer") + body + b"s"


def set_of(body: bytes) -> bytes:
    return name("builtins", "set", 2) + b"](" + body + b"e\x85R"


def remembered_calls() -> bytes:
    """A long tuple that is handed to a call again and again."""
    rebuild = name("torch._utils", "_rebuild_tensor_v2", 2)
    return b"(" + b"N" * 100_000 + b"tq\x00" + rebuild + b"q\x01" + b"]" + b"(" + b"h\x01h\x00R" * 40_000 + b"e"


def remembered_attributes() -> bytes:
    """A large dict that is made the attributes of one object after the other."""
    keys = b"".join(text(f"k{number}") + b"N" for number in range(40_000))
    make = name("collections", "OrderedDict", 2)
    return b"}(" + keys + b"uq\x00" + make + b"q\x01" + b"](" + b"h\x01)Rh\x00b" * 30_000 + b"e"
