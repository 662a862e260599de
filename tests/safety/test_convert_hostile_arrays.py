"""Arrays of `.pdparams` that are no plain numbers, or claim more than their bytes: refused, in little memory."""

from __future__ import annotations

from typing import Any

import pytest
from checkpoint_files import in_short, watched_reads, write_harmless
from pickles import Raw, a_dict, call, name, plain, stream

RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct", 2)
NDARRAY = name("numpy", "ndarray", 2)
DTYPE = name("numpy", "dtype", 2)
NUMPY_ARRAY = call(RECONSTRUCT, NDARRAY, (0,), b"b")
FLOAT32 = Raw(call(DTYPE, "f4", False, True) + plain((3, "<", None, None, None, -1, -1, 0)) + b"b")

NO_STATE = "an object with a state that it does not take"


def array(*state: Any) -> bytes:
    return stream(a_dict({"w": Raw(NUMPY_ARRAY + plain(state) + b"b")}))


def dtype_state(*state: Any) -> bytes:
    return stream(a_dict({"w": Raw(call(DTYPE, "f4", False, True) + plain(state) + b"b")}))


def called(function: Raw, *arguments: Any) -> bytes:
    return stream(a_dict({"w": call(function, *arguments)}))


# The stream, and the whole message without the path and the byte.
ARRAYS: dict[str, tuple[bytes, str]] = {
    "an array with memory of its own": (
        called(RECONSTRUCT, NDARRAY, (1 << 40,), b"b"),
        "numpy.core.multiarray._reconstruct with arguments that it does not take: an array that is not empty at first",
    ),
    "an array of another class": (
        called(RECONSTRUCT, DTYPE, (0,), b"b"),
        "numpy.core.multiarray._reconstruct with arguments that it does not take: not numpy.ndarray",
    ),
    "a dtype of objects": (
        called(DTYPE, "O8", False, True),
        "numpy.dtype with arguments that it does not take: a dtype that is no plain number",
    ),
    "a dtype of texts": (
        called(DTYPE, "U999999999", False, True),
        "numpy.dtype with arguments that it does not take: a dtype that is no plain number",
    ),
    "a dtype of nothing": (
        called(DTYPE),
        "numpy.dtype with arguments that it does not take: a dtype that is no plain number",
    ),
    "a dtype of unknown byte order": (
        dtype_state(3, "x", None, None, None),
        f"{NO_STATE}: a dtype of unknown byte order",
    ),
    "a structured dtype": (dtype_state(3, "<", None, ("a",), None), f"{NO_STATE}: a structured dtype"),
    "an array of objects": (
        array(1, (1,), FLOAT32, False, Raw(b"(Nt")),
        f"{NO_STATE}: an array of objects instead of numbers",
    ),
    "an array with a state of three": (
        array(1, (1,), FLOAT32),
        f"{NO_STATE}: no (version, shape, dtype, fortran, bytes)",
    ),
    "an array of 40 GB in 4 bytes": (
        array(1, (10**10,), FLOAT32, False, b"abcd"),
        f"{NO_STATE}: shape (10000000000,) of float32 takes 40000000000 bytes, the file carries 4",
    ),
    "an array whose size overflows": (
        array(1, (1 << 32, 1 << 32), FLOAT32, False, b"abcd"),
        f"{NO_STATE}: shape (4294967296, 4294967296) of float32 takes {1 << 66} bytes, the file carries 4",
    ),
    "an array with bytes left over": (
        array(1, (1,), FLOAT32, False, b"abcdefgh"),
        f"{NO_STATE}: shape (1,) of float32 takes 4 bytes, the file carries 8",
    ),
    "an array of a negative size": (
        array(1, (-1, -1), FLOAT32, False, b"abcd"),
        f"{NO_STATE}: a shape with a size that is no whole number >= 0",
    ),
    "an array with a size that is no number": (
        array(1, (True,), FLOAT32, False, b"abcd"),
        f"{NO_STATE}: a shape with a size that is no whole number >= 0",
    ),
    "an array of 33 dimensions": (
        array(1, (1,) * 33, FLOAT32, False, b"abcd"),
        f"{NO_STATE}: a shape that is no tuple of at most 32 sizes",
    ),
    "a shape that is a number": (
        array(1, 1, FLOAT32, False, b"abcd"),
        f"{NO_STATE}: a shape that is no tuple of at most 32 sizes",
    ),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What reading each of the arrays did, in a process of its own."""
    root = tmp_path_factory.mktemp("arrays")
    (root / "files").mkdir()
    for kind, (content, _) in ARRAYS.items():
        (root / "files" / kind).write_bytes(content)
    read = watched_reads(write_harmless(root / "harmless"), root / "files")
    return {kind: of_kind | {"outcome": in_short(of_kind, root / "files" / kind)} for kind, of_kind in read.items()}


@pytest.mark.parametrize("kind", ARRAYS)
def test_a_file_is_refused_that_has(kind: str, report: dict[str, Any]) -> None:
    assert report[kind]["outcome"] == ("RefusedCheckpoint", ARRAYS[kind][1])


@pytest.mark.parametrize("kind", ARRAYS)
def test_nothing_is_run_and_little_memory_taken_by(kind: str, report: dict[str, Any]) -> None:
    assert report[kind]["events"] == []
    assert report[kind]["mebibytes"] <= 2
