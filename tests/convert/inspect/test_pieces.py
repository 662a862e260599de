"""A tensor comes piece by piece as it lies in memory, and what is measured on the way is what numpy measures."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import ARRAY_DICTS, DTYPES, as_array, run_python

from convert import write_checkpoint
from convert.arrays import BFLOAT16, Array, cast_values
from convert.buffers import Buffer
from convert.digest import tensor_digest
from convert.errors import CheckpointError
from convert.files import PIECE
from convert.inspect.measure import measure
from convert.inspect.opened import open_everything
from convert.inspect.pieces import STRIP_BYTES, in_step, pieces
from convert.inspect.values import Buffers, compare_values
from convert.stored import StoredArray

LONG = PIECE + 12_345  # values: several pieces, the last one short


def stored(folder: Path, array: Array | torch.Tensor) -> StoredArray:
    """The array in a file: of numpy in Paddle's container, of PyTorch in its own."""
    if isinstance(array, torch.Tensor):
        path = folder / "x.pth"
        torch.save({"w": array}, path)
    else:
        path = folder / "x.pdparams"
        write_checkpoint(path, {"w": array}, framework="paddle", force=True)
    (place,) = open_everything(path).places
    return place.tensors["w"]


def joined(array: StoredArray) -> bytes:
    return b"".join(piece.tobytes() for piece in pieces(array, Buffer()))


@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_the_pieces_are_the_values_of(kind: str, tmp_path: Path) -> None:
    for array in ARRAY_DICTS[kind].values():
        assert joined(stored(tmp_path, array)) == array.tobytes()


FLAT = torch.arange(3 * LONG, dtype=torch.float32)
VIEWS: dict[str, Callable[[], torch.Tensor]] = {
    "all of it": lambda: FLAT,
    "a part of a storage": lambda: FLAT[5 : 5 + LONG],
    "rows of a storage": lambda: FLAT.view(3, LONG)[1:],
    "a transpose": lambda: FLAT.view(3, LONG).T,
    "a part of a transpose": lambda: FLAT.view(3, LONG).T[100:5000],
    "channels last": lambda: FLAT[: 8 * 6 * 50 * 40].view(8, 6, 50, 40).to(memory_format=torch.channels_last),
    "every third": lambda: FLAT[::3],
    "no element": lambda: FLAT[:0],
    "one element": lambda: FLAT[7],
    "bfloat16": lambda: FLAT[:LONG].bfloat16(),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_comes_in_c_order_that_is(kind: str, tmp_path: Path) -> None:
    tensor = VIEWS[kind]()

    assert joined(stored(tmp_path, tensor)) == as_array(tensor).tobytes()


def test_a_transposed_tensor_of_several_strips_comes_in_c_order(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((3001, 2999)).T
    assert array.nbytes > 2 * STRIP_BYTES
    path = tmp_path / "x.pth"
    torch.save({"w": torch.from_numpy(array)}, path)
    (place,) = open_everything(path).places

    largest = max(piece.nbytes for piece in pieces(place.tensors["w"], Buffer()))

    assert largest <= STRIP_BYTES
    assert joined(place.tensors["w"]) == array.tobytes()


@pytest.mark.parametrize("part", [False, True])
def test_a_flipped_bit_is_told(part: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": FLAT[5:-5] if part else FLAT}, path)
    content = bytearray(path.read_bytes())
    content[6_000_000] ^= 1
    path.write_bytes(content)
    (place,) = open_everything(path).places

    with pytest.raises(CheckpointError, match="fails its checksum: the file is damaged"):
        joined(place.tensors["w"])


def values_of(dtype: str) -> Array:
    generator = np.random.default_rng(3)
    if dtype == "bool":
        return generator.integers(0, 2, LONG).astype(bool)
    if "int" in dtype:
        information = np.iinfo(dtype)
        return generator.integers(information.min, information.max, LONG, dtype=dtype, endpoint=True)
    return generator.standard_normal(LONG).astype(dtype)


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_the_measures_are_numpys_of(dtype: str, tmp_path: Path) -> None:
    values = cast_values(values_of("float32"), BFLOAT16) if dtype == "bfloat16" else values_of(dtype)
    plain = cast_values(values, np.dtype("float32")) if dtype == "bfloat16" else values
    path = tmp_path / "x.pth"
    torch.save({"w": as_tensor(values)}, path)
    (place,) = open_everything(path).places

    measured = measure(place.tensors["w"], Buffer(), thorough=True)

    wide = plain.astype("float64")
    assert (measured.low, measured.high) == (plain.min().item(), plain.max().item())
    assert measured.mean == pytest.approx(wide.mean(), rel=1e-4, abs=1e-6)
    assert measured.rms == pytest.approx(math.sqrt((wide * wide).mean()), rel=1e-5)
    assert (measured.nan, measured.inf, measured.digest) == (0, 0, tensor_digest(values))


def as_tensor(values: Array) -> torch.Tensor:
    if values.dtype == BFLOAT16:
        return torch.from_numpy(values.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(values)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_nan_and_inf_are_counted_and_left_out_of_the_rest(dtype: str, tmp_path: Path) -> None:
    values = np.ones(LONG, dtype)
    values[[0, 5, LONG - 1]], values[[9, 300_000]], values[7], values[8] = np.nan, [np.inf, -np.inf], 3, -2

    measured = measure(stored(tmp_path, values), Buffer(), thorough=True)

    assert (measured.low, measured.high, measured.nan, measured.inf) == (-2, 3, 3, 2)
    assert measured.mean == pytest.approx(1, rel=1e-4)


def test_a_tensor_without_a_finite_value_has_no_measures(tmp_path: Path) -> None:
    measured = measure(stored(tmp_path, np.full(3, np.nan, "float32")), Buffer(), thorough=True)

    assert (measured.low, measured.high, measured.mean, measured.rms, measured.nan) == (None,) * 4 + (3,)


@pytest.mark.parametrize("value", [1e-25, 1e25])
def test_squares_beyond_single_precision_are_no_obstacle(value: float, tmp_path: Path) -> None:
    measured = measure(stored(tmp_path, np.full(100, value, "float32")), Buffer())

    assert measured.rms == pytest.approx(value, rel=1e-5)


def test_big_endian_numbers_are_read_as_numbers(tmp_path: Path) -> None:
    values = np.arange(LONG, dtype=">f4")
    (tmp_path / "x.pdparams").write_bytes(pickle.dumps({"w": values}, protocol=4))
    (place,) = open_everything(tmp_path / "x.pdparams").places

    measured = measure(place.tensors["w"], Buffer(), thorough=True)

    assert (measured.low, measured.high) == (0, LONG - 1)
    assert measured.digest == tensor_digest(values)


def test_pieces_of_other_lengths_go_in_step() -> None:
    def cut(*lengths: int) -> Any:
        return iter(np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1]))

    pairs = list(in_step(cut(5, 1, 4), cut(2, 8)))

    assert [len(left) for left, _ in pairs] == [2, 3, 1, 4]
    assert all(np.array_equal(left, right) for left, right in pairs)


DIFFERENT: dict[str, tuple[list[float], list[float], int, float]] = {
    "nothing": ([1, 2], [1, 2], 0, 0),
    "a value": ([1, 2], [1, 2.5], 1, 0.5),
    "the sign of a zero": ([0.0, 1], [-0.0, 1], 1, 0),
    "a NaN in both": ([math.nan, 1], [math.nan, 1], 0, 0),
    "a NaN in one": ([math.nan, 1], [1, 1], 1, math.inf),
    "an Inf in both": ([math.inf, 1], [math.inf, 3], 1, 2),
    "an Inf of another sign": ([math.inf, 1], [-math.inf, 1], 1, math.inf),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_values_are_compared_that_differ_in(kind: str, tmp_path: Path) -> None:
    one, other, differing, max_abs = DIFFERENT[kind]
    for name in "ab":
        (tmp_path / name).mkdir()
    left = stored(tmp_path / "a", np.array(one, "float32"))
    right = stored(tmp_path / "b", np.array(other, "float32"))

    assert compare_values(left, right, Buffers()) == (differing, max_abs)


# A matrix that lies transposed in the file is the worst case: it is read strip by strip.
MEMORY = """
import resource, sys
import numpy
from convert.inspect.inspection import inspect_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
inspect_file(sys.argv[1], thorough=True)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("turned", [False, True])
def test_memory_does_not_grow_with_the_tensor(turned: bool, tmp_path: Path) -> None:
    tensor = torch.from_numpy(np.random.default_rng(0).standard_normal((9000, 9000), np.float32))
    torch.save({"w": tensor.T if turned else tensor}, tmp_path / "x.pth")
    assert (tmp_path / "x.pth").stat().st_size > 300_000_000

    child = run_python(MEMORY, tmp_path / "x.pth")

    assert int(child.stdout) < (100 if turned else 20), child.stderr
