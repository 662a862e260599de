"""Headers of safetensors that say more than the library reads: refused, or read as the library reads them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from checkpoint_files import same_bits

from convert import read_checkpoint
from convert.errors import CheckpointError

A, B = np.arange(4, dtype="<f4"), -np.arange(4, dtype="<f4") - 1
DATA = A.tobytes() + B.tobytes()


def entry(start: Any = 0, end: Any = 16, **more: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [4], "data_offsets": [start, end], **more}


def header(**entries: Any) -> bytes:
    return json.dumps({"w": entry(), "v": entry(16, 32), **entries}).encode()


def replaced(old: str, new: str) -> bytes:
    content = header()
    assert old.encode() in content
    return content.replace(old.encode(), new.encode())


OFFSETS = "'w' has no data_offsets of two whole numbers"
TEXTS = "the header's __metadata__ has more than texts"
TWICE = "the header names one key twice"

# The header before two tensors of four float32, and why it is refused; "" for what is read.
HEADERS: dict[str, tuple[bytes, str]] = {
    "nothing odd": (header(), ""),
    "metadata": (header(__metadata__={"format": "pt"}), ""),
    "spaces at the end": (header() + b"   ", ""),
    "tensors in another order": (json.dumps({"v": entry(16, 32), "w": entry()}).encode(), ""),
    "an escaped name": (replaced('"w"', '"\\u0077"'), ""),
    "a tensor twice": (header()[:-1] + b', "w": ' + json.dumps(entry(16, 32)).encode() + b"}", TWICE),
    "a tensor twice, once escaped": (header()[:-1] + b', "\\u0077": ' + json.dumps(entry()).encode() + b"}", TWICE),
    "a dtype twice": (replaced('"dtype": "F32", ', '"dtype": "I32", "dtype": "F32", '), TWICE),
    "metadata twice": (b'{"__metadata__": {}, "__metadata__": {}, ' + header()[1:], TWICE),
    "a text of the metadata twice": (b'{"__metadata__": {"a": "1", "a": "2"}, ' + header()[1:], TWICE),
    "metadata of a number": (header(__metadata__={"step": 3}), TEXTS),
    "metadata of nothing": (header(__metadata__={"step": None}), TEXTS),
    "metadata of a list": (header(__metadata__=["pt"]), TEXTS),
    "metadata that is nothing": (header(__metadata__=None), TEXTS),
    "metadata in metadata": (header(__metadata__={"a": {"b": "c"}}), TEXTS),
    "another field": (header(w=entry(neg=True)), "'w' has other fields than dtype, shape and data_offsets"),
    "an offset of NaN": (replaced("[0, 16]", "[NaN, 16]"), "the header has NaN, where sizes are whole numbers"),
    "an offset of Infinity": (
        replaced("[0, 16]", "[0, Infinity]"),
        "the header has Infinity, where sizes are whole numbers",
    ),
    "an offset of a fraction": (replaced("[0, 16]", "[0.0, 16]"), "the header has 0.0, where sizes are whole numbers"),
    "an offset of a power": (replaced("[0, 16]", "[0, 16e0]"), "the header has 16e0, where sizes are whole numbers"),
    "an offset of -0": (replaced("[0, 16]", "[-0, 16]"), "the header has -0, where sizes are whole numbers"),
    "an offset below 0": (replaced("[0, 16]", "[-16, 16]"), "the header has -16, where sizes are whole numbers"),
    "an offset of true": (header(w=entry(False)), OFFSETS),
    "an offset of a text": (header(w=entry("0")), OFFSETS),
    "three offsets": (header(w=entry() | {"data_offsets": [0, 8, 16]}), OFFSETS),
    "a size of a fraction": (replaced('[4], "data_offsets": [0', '[4.0], "data_offsets": [0'), "the header has 4.0"),
    "a size of true": (header(w=entry() | {"shape": [4, True]}), "'w': a shape with a size that is no whole number"),
    "a size that overflows": (header(w=entry() | {"shape": [4, 1 << 62, 4]}), "'w': shape "),
    "a tensor over another": (header(w=entry(0, 32) | {"shape": [8]}), "'v' begins at byte 16 of the data"),
    "a hole": (header(v=entry(20, 36)), "'v' begins at byte 20 of the data, expected 16"),
    "a dtype in small letters": (header(w=entry() | {"dtype": "f32"}), "'w' has a dtype that is not supported: f32"),
    "half a letter": (replaced('"w"', '"\\ud800"'), "the header has a name of half a letter (a lone surrogate)"),
    "UTF-16": (header().decode().encode("utf-16-le"), "the header is no JSON: "),
    "letters that are no UTF-8": (replaced('"w"', '"w?"').replace(b"?", b"\xff"), "the header is no JSON: "),
    "a comma too many": (header()[:-1] + b",}", "the header is no JSON: "),
    "two objects": (header() + b"{}", "the header is no JSON: "),
    "a comment": (header() + b"//", "the header is no JSON: "),
}


def write(kind: str, path: Path) -> Path:
    content = HEADERS[kind][0]
    path.write_bytes(struct.pack("<Q", len(content)) + content + DATA)
    return path


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in HEADERS.items() if reason])
def test_a_header_is_refused_that_has(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path / "x.safetensors")

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value).startswith(f"{path}: {HEADERS[kind][1]}")


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in HEADERS.items() if not reason])
def test_a_header_is_read_as_the_library_reads_it_that_has(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path / "x.safetensors")

    read = read_checkpoint(path)

    loaded = safetensors.numpy.load_file(path)
    assert same_bits(dict(sorted(read.tensors.items())), dict(sorted(loaded.items())))


def test_the_library_reads_some_of_them_in_its_own_way(tmp_path: Path) -> None:
    """Or the refusals above would guard against nothing."""
    read = []
    for kind, (_, reason) in HEADERS.items():
        path = write(kind, tmp_path / "x.safetensors")
        try:
            safetensors.numpy.load_file(path)
        except safetensors.SafetensorError:
            continue
        if reason:
            read.append(kind)

    assert "another field" in read
