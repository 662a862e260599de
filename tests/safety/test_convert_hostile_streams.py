"""Pickles that claim what they do not carry, or mean nothing: refused with the byte, in little memory."""

from __future__ import annotations

import itertools
import pickletools
import struct
from typing import Any

import pytest
from checkpoint_files import in_short, watched_reads, write_harmless
from pickles import a_dict, call, data, name, stream, text

from convert.checkpoints.pickle_machine import PickleMachine
from convert.errors import RefusedCheckpoint

DTYPE = name("numpy", "dtype", 2)
NDARRAY = name("numpy", "ndarray", 2)


def raw(body: bytes) -> bytes:
    return b"\x80\x04" + body


# The stream, and the whole message without the path and the byte.
STREAMS: dict[str, tuple[bytes, str]] = {
    "a huge memo index": (
        bytes.fromhex("80044e72000000102e"),
        "memo 268435456 of a stream of at most 250,000 opcodes",
    ),
    "a memo that was never set": (stream(b"h\x05"), "memo 5 was never set"),
    "a long memo that was never set": (stream(b"j\xff\xff\xff\xff"), "memo 4294967295 was never set"),
    "nothing to remember": (stream(b"\x94"), "nothing to remember"),
    "a mark to remember": (stream(b"(q\x00"), "nothing to remember"),
    "a text of 4 GiB": (
        raw(b"X\xff\xff\xff\xffabc"),
        "the pickle is cut short: 4294967295 bytes wanted, 3 left; fetch the file again",
    ),
    "a text of 2^62 bytes": (
        raw(b"\x8d" + struct.pack("<Q", 1 << 62) + b"abc"),
        f"the pickle is cut short: {1 << 62} bytes wanted, 3 left; fetch the file again",
    ),
    "bytes of 2^64 - 1": (
        raw(b"\x8e" + b"\xff" * 8),
        f"the pickle is cut short: {(1 << 64) - 1} bytes wanted, 0 left; fetch the file again",
    ),
    "a frame of 2^63 bytes": (
        raw(b"\x95" + struct.pack("<Q", 1 << 63) + b"N."),
        f"the pickle is cut short: a frame of {1 << 63} bytes; fetch the file again",
    ),
    "an integer of 255 bytes": (raw(b"\x8a\xff" + bytes(255) + b"."), "an integer of 255 bytes"),
    "a protocol of the future": (b"\x80\x06N.", "pickle protocol 6 is unknown"),
    "no text in a text": (raw(b"X\x02\x00\x00\x00\xff\xfe."), "text that is not UTF-8"),
    "no text in a global": (raw(b"c\xff\xfe\nx\n."), "text that is not UTF-8"),
    "a global without an end": (raw(b"c" + b"a" * 300), "a line without an end"),
    "a global that is no text": (
        stream(b"NN\x93"),
        "the file names <NoneType>.<NoneType>, which no state dict needs; it was not run",
    ),
    "a global named by arrays of bytes": (
        stream(data(b"os") + data(b"system") + b"\x93"),
        "the file names <memoryview>.<memoryview>, which no state dict needs; it was not run",
    ),
    "a long name": (
        raw(b"c" + b"a" * 200 + b"\nb\n."),
        f"the file names {'a' * 77}....b, which no state dict needs; it was not run",
    ),
    "an empty stream": (raw(b"."), "the stream ends with an unbalanced stack"),
    "two objects": (stream(b"NN"), "the stream ends with an unbalanced stack"),
    "a mark at the end": (stream(b"("), "the stream ends with an unbalanced stack"),
    "no stop": (raw(b"N"), "the pickle is cut short: 1 bytes wanted, 0 left; fetch the file again"),
    "an item without a mark": (stream(b"}NNu"), "a mark is missing"),
    "an item into nothing": (stream(b"NNs"), "a dict is missing on the stack"),
    "an item into a list": (stream(b"]NNs"), "a dict is missing on the stack"),
    "items into a tuple": (stream(b")(NNu"), "a dict is missing on the stack"),
    "a key without a value": (stream(b"}(Nu"), "a key without a value"),
    "an append to a dict": (stream(b"}Na"), "a list is missing on the stack"),
    "appends to nothing": (stream(b"(NNe"), "a list is missing on the stack"),
    "a tuple of nothing": (stream(b"\x87"), "the stack is empty"),
    "a tuple across a mark": (stream(b"N(N\x86"), "the stack is empty"),
    "a key that is a tuple": (stream(a_dict({(1, 2): 3})), "a dict key of type tuple"),
    "a key that is a list": (stream(b"}]Ns"), "a dict key of type list"),
    "a key that is bytes": (stream(a_dict({b"w": 3})), "a dict key of type memoryview"),
    "a key that is a global": (stream(b"}" + NDARRAY + b"Ns"), "a dict key of type Global"),
    "a call of a text": (stream(text("os.system") + b")R"), "a call of something that is no function"),
    "a call without a tuple": (stream(DTYPE + b"]R"), "a call of something that is no function"),
    "a new object of a text": (stream(text("x") + b")\x81"), "a call of something that is no function"),
    "a call of numpy.ndarray": (stream(call(NDARRAY, 1 << 40)), "a call of numpy.ndarray, which no state dict calls"),
    "a state for a text": (stream(text("x") + b"}b"), "a state for a str"),
    "a state for a tuple": (stream(b")}b"), "a state for a tuple"),
    "a state for nothing": (stream(b"}b"), "a object is missing on the stack"),
    "a persistent id": (stream(b"NQ"), "a persistent id, which only PyTorch's files have"),
    "an encoding other than latin1": (
        stream(call(name("_codecs", "encode"), "x", "unicode_escape")),
        "_codecs.encode with arguments that it does not take: an encoding other than latin1",
    ),
    "an encoding of too much": (
        stream(call(name("_codecs", "encode"), "\u4e00", "latin1")),
        "_codecs.encode with arguments that it does not take: 'latin-1' codec can't encode character '\\u4e00' in "
        "position 0: ordinal not in range(256)",
    ),
    "a list within a list, a million times": (
        raw(b"]" * 1_000_000 + b"a" * 999_999 + b"."),
        "more than 250,000 opcodes, which no state dict needs",
    ),
    "a tuple within a tuple, a million times": (
        raw(b")" + b"\x85" * 1_000_000 + b"."),
        "more than 250,000 opcodes, which no state dict needs",
    ),
    "a list within itself": (
        raw(b"]q\x00h\x00a."),
        "holds a list, not a state dict; save model.state_dict()",
    ),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What reading each of the streams did, in a process of its own."""
    root = tmp_path_factory.mktemp("streams")
    (root / "files").mkdir()
    for kind, (content, _) in STREAMS.items():
        (root / "files" / kind).write_bytes(content)
    read = watched_reads(write_harmless(root / "harmless"), root / "files")
    return {kind: of_kind | {"outcome": in_short(of_kind, root / "files" / kind)} for kind, of_kind in read.items()}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_refused_that_has(kind: str, report: dict[str, Any]) -> None:
    error = "CheckpointError" if kind == "a list within itself" else "RefusedCheckpoint"  # lists are looked through
    assert report[kind]["outcome"] == (error, STREAMS[kind][1])
    assert report[kind]["events"] == []


@pytest.mark.parametrize("kind", STREAMS)
def test_little_memory_is_taken_by(kind: str, report: dict[str, Any]) -> None:
    assert report[kind]["mebibytes"] <= 1 + 200 * len(STREAMS[kind][0]) // 2**20


def refusal(content: bytes) -> str:
    with pytest.raises(RefusedCheckpoint) as caught:
        PickleMachine(memoryview(content), {}).run()
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02N2.", "opcode 0x32 has no place in a state dict (byte 3 of the pickle)"),
        (b"\x80\x06.", "pickle protocol 6 is unknown (byte 0 of the pickle)"),
        (
            b"NNcos\nsystem\n.",
            "the file names os.system, which no state dict needs; it was not run (byte 2 of the pickle)",
        ),
        (
            b"X\x09\x00\x00\x00abc",
            "the pickle is cut short: 9 bytes wanted, 3 left; fetch the file again (byte 0 of the pickle)",
        ),
        (b"", "the pickle is cut short: 1 bytes wanted, 0 left; fetch the file again (byte 0 of the pickle)"),
    ],
)
def test_a_refusal_tells_the_byte_of_the_opcode(content: bytes, message: str) -> None:
    assert refusal(content) == message


KNOWN = {*b"(.NJKMGXBC}])taesuhjqrcRbQ", *range(0x80, 0x82), *range(0x85, 0x8B), *range(0x8C, 0x8F), 0x93, 0x94, 0x95}


@pytest.mark.parametrize("opcode", sorted(set(range(256)) - KNOWN), ids=hex)
def test_an_opcode_is_refused_that_no_state_dict_has(opcode: int) -> None:
    message = f"opcode 0x{opcode:02x} has no place in a state dict (byte 0 of the pickle)"

    assert refusal(bytes([opcode]) + bytes(20)) == message


def test_the_known_opcodes_are_opcodes() -> None:
    assert {ord(opcode.code) for opcode in pickletools.opcodes} >= KNOWN


def test_no_three_opcodes_end_in_another_error() -> None:
    surprises = set()
    for tail in itertools.product(sorted(KNOWN), repeat=3):
        try:
            PickleMachine(memoryview(b"N}](N" + bytes(tail) + bytes(9) + b"."), {}).run()
        except RefusedCheckpoint:
            continue
        except Exception as error:  # noqa: BLE001  (any other kind is what is looked for)
            surprises.add((bytes(tail), repr(error)))

    assert surprises == set()
