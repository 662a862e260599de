"""An array in a file has the values that the same view of memory has, whatever its strides, cast or checksum."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.arrays import BFLOAT16, Array, cast_values
from convert.buffers import Buffer
from convert.errors import CheckpointError, RefusedCheckpoint
from convert.files import PIECE, SourceFile, Stretch, whole
from convert.storage import Storage
from convert.stored import StoredArray, read_all

ELEMENTS = 3 * PIECE // 4 + 1001  # float32: beyond three blocks, and no multiple of anything
VALUES = np.random.default_rng(0).standard_normal(ELEMENTS, np.float32)
BEFORE = 7  # bytes of the file that belong to nothing

# Shape, strides and offset in elements.
VIEWS: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "all of it": ((ELEMENTS,), (1,), 0),
    "a part": ((1000, 300), (300, 1), 400_000),
    "one element": ((), (), 500_000),
    "a matrix": ((700, 1100), (1100, 1), 0),
    "a transposed matrix": ((1100, 700), (1, 1100), 0),
    "a transposed part": ((300, 1000), (1, 300), 17),
    "columns far apart": ((3000, 2), (250, 100), 3),
    "one column": ((700,), (1100,), 5),
    "every third": ((200_000,), (3,), 1),
    "rows longer than a block": ((2, 390_000), (390_000, 1), 2),
    "rows longer than a block, turned": ((390_000, 2), (1, 390_000), 2),
    "channels last": ((8, 16, 50, 60), (48_000, 1, 960, 16), 0),
    "three axes in another order": ((60, 50, 128), (1, 60, 3000), 0),
    "axes of one element": ((1, 700, 1, 1100, 1), (9, 1100, 9, 1, 9), 0),
    "few elements that overlap": ((100, 100), (1, 1), 0),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> SourceFile:
    path = tmp_path_factory.mktemp("stored") / "x"
    path.write_bytes(bytes(BEFORE) + VALUES.tobytes() + bytes(BEFORE))
    return SourceFile(path)


def storage_of(file: SourceFile, *, with_sum: bool) -> Storage:
    crc = zlib.crc32(VALUES.tobytes()) if with_sum else None
    return Storage(Stretch(file, BEFORE, VALUES.nbytes), crc, "x/data/0")


def view_of(file: SourceFile, name: str, *, with_sum: bool = True) -> tuple[StoredArray, Array]:
    shape, strides, offset = VIEWS[name]
    dtype = np.dtype("float32")
    stored = StoredArray(storage_of(file, with_sum=with_sum), dtype, shape, strides, offset, dtype)
    in_memory = np.lib.stride_tricks.as_strided(VALUES[offset:], shape, [4 * stride for stride in strides])
    return stored, in_memory


OPERATIONS: dict[str, Callable[[StoredArray], StoredArray]] = {
    "as it is": lambda array: array,
    "transposed": lambda array: array.T,
    "as float16": lambda array: array.cast(np.dtype("float16")),
    "as bfloat16": lambda array: array.cast(BFLOAT16),
    "transposed, as float16": lambda array: array.T.cast(np.dtype("float16")),
}


@pytest.mark.parametrize("with_sum", [True, False], ids=["with a checksum", "without"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", VIEWS)
def test_it_has_the_values_of_the_same_view_of_memory(
    name: str, operation: str, with_sum: bool, file: SourceFile
) -> None:
    stored, in_memory = view_of(file, name, with_sum=with_sum)
    array = OPERATIONS[operation](stored)
    turned = in_memory.T if "transposed" in operation else in_memory

    read = array.read(Buffer())

    assert (read.shape, read.dtype) == (turned.shape, array.dtype)
    assert read.tobytes() == np.ascontiguousarray(cast_values(turned, array.dtype)).tobytes()
    assert array.count_not_finite() == 0


@pytest.mark.parametrize("name", VIEWS)
def test_read_with_others_it_is_a_view_of_the_same_memory(name: str, file: SourceFile) -> None:
    stored, in_memory = view_of(file, name)

    arrays = read_all({"one": stored, "other": stored})

    assert np.array_equal(arrays["one"], in_memory)
    assert not arrays["one"].flags.writeable
    assert np.shares_memory(arrays["one"], arrays["other"])


def test_many_elements_that_overlap_are_refused(file: SourceFile) -> None:
    dtype = np.dtype("float32")
    array = StoredArray(storage_of(file, with_sum=False), dtype, (800, 800), (500, 499), 0, dtype)

    with pytest.raises(RefusedCheckpoint, match="has elements that overlap, which no state dict needs"):
        array.read()


@pytest.mark.parametrize("name", ["all of it", "a part", "a transposed matrix", "one column", "one element"])
def test_a_byte_that_the_checksum_does_not_fit_is_damage_wherever_it_lies(name: str, tmp_path: Path) -> None:
    content = bytearray(VALUES.tobytes())
    content[-1] ^= 1
    (tmp_path / "x").write_bytes(bytes(BEFORE) + content + bytes(BEFORE))
    array, _ = view_of(SourceFile(tmp_path / "x"), name)

    for read in (array.read, array.count_not_finite, lambda: read_all({"": array})):
        with pytest.raises(CheckpointError) as caught:
            read()
        said = "x/data/0 fails its checksum: the file is damaged; fetch it again"
        assert str(caught.value) == f"{tmp_path}/x: {said}"


def test_a_part_that_changes_after_the_whole_was_summed_is_damage(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(BEFORE) + VALUES.tobytes() + bytes(BEFORE))
    array, _ = view_of(source := SourceFile(tmp_path / "x"), "one column")
    array.read()
    with (tmp_path / "x").open("r+b") as file:
        file.seek(BEFORE + 40_000)
        file.write(b"other")
    source.check_unchanged = lambda: None  # type: ignore[method-assign]  # as where the times of change are set back

    with pytest.raises(CheckpointError, match="fails its checksum"):
        array.read()


@pytest.mark.parametrize("name", ["all of it", "a transposed matrix", "one column"])
def test_values_that_are_not_finite_are_counted_and_noted(name: str, tmp_path: Path) -> None:
    values = VALUES.copy()
    values[[5, 1105, 2205]] = np.nan, np.inf, -np.inf
    (tmp_path / "x").write_bytes(values.tobytes())
    shape, strides, offset = VIEWS[name]
    dtype = np.dtype("float32")
    array = StoredArray(Storage(whole(SourceFile(tmp_path / "x"))), dtype, shape, strides, offset, dtype)
    notes: list[int] = []

    array.noted(lambda _, count: notes.append(count)).read()

    assert notes == [array.count_not_finite()] == [3]


def test_axes_of_one_element_come_and_go(file: SourceFile) -> None:
    array, in_memory = view_of(file, "a transposed matrix")

    read = array.reshape((1, 1100, 1, 700)).T.read()

    assert np.array_equal(read, in_memory.reshape(1, 1100, 1, 700).T)
