"""Tensors of `.pth` that reach beyond their storage, repeat it or lie about it: refused, in little memory."""

from __future__ import annotations

from typing import Any

import pytest
from checkpoint_files import in_short, watched_reads, write_harmless, write_pth
from pickles import Raw, a_dict, call, name, plain, stream, tensor

DTYPE = name("numpy", "dtype", 2)
REBUILD = name("torch._utils", "_rebuild_tensor_v2", 2)
FLOATS = name("torch", "FloatStorage", 2)
BIG = 1 << 62

NO_TENSOR = "torch._utils._rebuild_tensor_v2 with arguments that it does not take"
NO_ID = "a persistent id that names no storage"


def called(function: Raw, *arguments: Any) -> bytes:
    return stream(a_dict({"w": call(function, *arguments)}), 2)


def tensors(*arguments: Any, **options: Any) -> bytes:
    return stream(a_dict({"w": tensor(*arguments, **options)}), 2)


def persistent(*identifier: Any) -> bytes:
    return stream(a_dict({"w": Raw(plain(identifier) + b"Q")}), 2)


# The stream in a zip file with one storage `0` of four float32, and the whole message without the path and the byte.
TENSORS: dict[str, tuple[bytes, str]] = {
    "a tensor of 40 GB with a stride of 0": (
        tensors((10**10,), (0,)),
        "shape (10000000000,) has 10000000000 elements, its storage carries 4",
    ),
    "a scalar repeated five times": (
        tensors((5,), (0,)),
        "shape (5,) has 5 elements, its storage carries 4; save tensor.contiguous()",
    ),
    "a tensor longer than its storage": (tensors((5,), (1,)), "shape (5,) has 5 elements, its storage carries 4"),
    "a tensor that ends after its storage": (
        tensors((2,), (4,)),
        "shape (2,) reaches element 4, its storage ends at 4",
    ),
    "a tensor that starts late": (
        tensors((2, 2), (2, 1), offset=1),
        "shape (2, 2) reaches element 4, its storage ends at 4",
    ),
    "a tensor that starts after its storage": (
        tensors((), (), offset=4),
        "shape () reaches element 4, its storage ends at 4",
    ),
    "a tensor that starts far away": (
        tensors((1,), (1,), offset=1 << 100),
        f"shape (1,) reaches element {1 << 100}, its storage ends at 4",
    ),
    "a tensor whose elements overflow": (
        tensors((1 << 32, 1 << 32), (0, 0)),
        f"shape (4294967296, 4294967296) has {1 << 64} elements, its storage carries 4",
    ),
    "a stride that overflows": (tensors((2,), (BIG,)), f"shape (2,) reaches element {BIG}, its storage ends at 4"),
    "a stride below 0": (
        tensors((2,), (-1,), offset=1),
        f"{NO_TENSOR}: a shape with a size that is no whole number >= 0",
    ),
    "a size below 0": (tensors((-1,), (1,)), f"{NO_TENSOR}: a shape with a size that is no whole number >= 0"),
    "an offset below 0": (tensors((1,), (1,), offset=-1), f"{NO_TENSOR}: no storage, or an offset below 0"),
    "more sizes than strides": (tensors((1, 1), (1,)), f"{NO_TENSOR}: shape and stride of different length"),
    "33 dimensions": (tensors((1,) * 33, (1,) * 33), f"{NO_TENSOR}: a shape that is no tuple of at most 32 sizes"),
    "a tensor without a storage": (
        called(REBUILD, None, 0, (1,), (1,)),
        f"{NO_TENSOR}: no storage, or an offset below 0",
    ),
    "a tensor of too few arguments": (
        called(REBUILD, 1, 2),
        f"{NO_TENSOR}: not enough values to unpack (expected at least 4, got 2)",
    ),
    "a parameter of nothing": (
        called(name("torch._utils", "_rebuild_parameter", 2)),
        "torch._utils._rebuild_parameter with arguments that it does not take: no tensor",
    ),
    "an ordered dict of pairs": (
        called(name("collections", "OrderedDict", 2), (("a", 1),)),
        "collections.OrderedDict with arguments that it does not take: pairs in the constructor",
    ),
    "a storage that is called": (called(FLOATS, BIG), "a call of torch.FloatStorage, which no state dict calls"),
    "a storage that claims more": (
        tensors((1,), (1,), numel=BIG),
        f"storage 0 is said to hold {BIG} elements of float32, it has 16 bytes",
    ),
    "a storage that claims less": (
        tensors((1,), (1,), numel=3),
        "storage 0 is said to hold 3 elements of float32, it has 16 bytes",
    ),
    "a storage of a negative size": (tensors((1,), (1,), numel=-4), f"{NO_ID}: a storage without key or size"),
    "a storage of another type": (
        persistent("storage", DTYPE, "0", "cpu", 4),
        f"{NO_ID}: a storage of unknown type",
    ),
    "a storage whose key is a number": (
        persistent("storage", FLOATS, 0, "cpu", 4),
        f"{NO_ID}: a storage without key or size",
    ),
    "an identifier of a module": (
        persistent("module", FLOATS, "0", "cpu", 4),
        f"{NO_ID}: no ('storage', type, key, location, numel)",
    ),
    "an identifier of four parts": (
        persistent("storage", FLOATS, "0", "cpu"),
        f"{NO_ID}: no ('storage', type, key, location, numel)",
    ),
    "a storage that is absent": (
        tensors((1,), (1,), key="1"),
        "the zip container lacks archive/data/1; fetch the file again",
    ),
    "a storage outside of its folder": (
        tensors((1,), (1,), key="../data.pkl"),
        "the zip container lacks archive/data/../data.pkl; fetch the file again",
    ),
}

# Strides that count for nothing, as only one index is allowed along them: torch takes each of these.
HARMLESS: dict[str, bytes] = {
    "a long stride along a size of 1": tensors((1, 2), (BIG, 1)),
    "a long stride in an empty tensor": tensors((0, 2), (BIG, 1)),
    "a large size in an empty tensor": tensors((0, 1 << 40), (1, 1)),
    "an offset after the end of an empty tensor": tensors((0,), (1,), offset=9),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What reading each of the files did, in a process of its own."""
    root = tmp_path_factory.mktemp("tensors")
    folder = root / "files"
    folder.mkdir()
    for kind, content in {**{kind: content for kind, (content, _) in TENSORS.items()}, **HARMLESS}.items():
        write_pth(folder / kind, content, {"0": bytes(16)})
    read = watched_reads(write_harmless(root / "harmless"), folder)
    return {kind: of_kind | {"outcome": in_short(of_kind, folder / kind)} for kind, of_kind in read.items()}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_file_is_refused_that_has(kind: str, report: dict[str, Any]) -> None:
    error, message = report[kind]["outcome"]

    assert error in ("RefusedCheckpoint", "CheckpointError")
    assert message == TENSORS[kind][1]


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_file_is_read_or_refused_that_has(kind: str, report: dict[str, Any]) -> None:
    assert report[kind]["outcome"][0] in ("read", "RefusedCheckpoint", "CheckpointError")


@pytest.mark.parametrize("kind", [*TENSORS, *HARMLESS])
def test_nothing_is_run_and_little_memory_taken_by(kind: str, report: dict[str, Any]) -> None:
    assert report[kind]["events"] == []
    assert report[kind]["mebibytes"] <= 2
