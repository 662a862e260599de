"""Writing a `.pdparams`: every bit, for every reader, and the same bytes for the same tensors everywhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest
from checkpoint_files import ARRAY_DICTS, MANY, OTHERS, counting, run_python, same_bits
from twins import TINY

import models_paddle
from convert import convert_state_dict, read_checkpoint, write_pdparams
from convert.arrays import BFLOAT16
from convert.digest import combined_digest, sha256_of, tensor_digests
from verify.selftest.weights import distinct_weights


@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_a_written_file_is_read_back_bit_for_bit(kind: str, tmp_path: Path) -> None:
    write_pdparams(tmp_path / "x.pdparams", ARRAY_DICTS[kind])

    assert same_bits(read_checkpoint(tmp_path / "x.pdparams").tensors, ARRAY_DICTS[kind])


@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_paddle_loads_a_written_file_bit_for_bit(kind: str, tmp_path: Path) -> None:
    write_pdparams(tmp_path / "x.pdparams", ARRAY_DICTS[kind])

    loaded = paddle.load(str(tmp_path / "x.pdparams"))
    assert all(isinstance(tensor, paddle.Tensor) for tensor in loaded.values())
    assert same_bits({name: tensor.numpy() for name, tensor in loaded.items()}, ARRAY_DICTS[kind])


@pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_plain_pickle_loads_a_written_file_bit_for_bit(kind: str, tmp_path: Path) -> None:
    write_pdparams(tmp_path / "x.pdparams", ARRAY_DICTS[kind])

    loaded = pickle.loads((tmp_path / "x.pdparams").read_bytes())  # noqa: S301  (written a line above)
    assert same_bits(loaded, ARRAY_DICTS[kind])


def test_an_empty_array_is_written_and_read_back(tmp_path: Path) -> None:
    arrays = {"w": np.zeros((0, 3), "float32")}
    write_pdparams(tmp_path / "x.pdparams", arrays)

    assert same_bits(read_checkpoint(tmp_path / "x.pdparams").tensors, arrays)


def test_bfloat16_is_written_as_paddle_stores_it(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0xC020], "uint16")

    write_pdparams(tmp_path / "x.pdparams", {"w": bits.view(BFLOAT16)})

    assert same_bits(read_checkpoint(tmp_path / "x.pdparams").tensors, {"w": bits})


def test_what_was_written_is_returned(tmp_path: Path) -> None:
    written = write_pdparams(tmp_path / "x.pdparams", {"w": counting(2)})

    assert (written.path, written.size) == (tmp_path / "x.pdparams", (tmp_path / "x.pdparams").stat().st_size)
    assert written.sha256 == sha256_of(tmp_path / "x.pdparams")


MANY_SHA256 = "2de3e3a7f13b512f528ce1ab97cf7f3f857c926b247ee4005e7cc73149b70e67"


def test_the_bytes_are_those_of_every_other_machine(tmp_path: Path) -> None:
    assert write_pdparams(tmp_path / "x.pdparams", MANY).sha256 == MANY_SHA256


@pytest.mark.parametrize("kind", OTHERS)
def test_the_same_values_give_the_same_bytes_from(kind: str, tmp_path: Path) -> None:
    assert write_pdparams(tmp_path / "x.pdparams", OTHERS[kind]).sha256 == MANY_SHA256


@pytest.mark.parametrize("seed", ["0", "12345"])
def test_a_fresh_process_with_another_hash_seed_writes_the_same_bytes(seed: str, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from convert import *\n"
        "tensors = read_checkpoint(pathlib.Path(sys.argv[1])).tensors\n"
        "print(write_pdparams(pathlib.Path(sys.argv[2]), tensors).sha256)"
    )
    write_pdparams(tmp_path / "x.pdparams", MANY)

    child = run_python(code, tmp_path / "x.pdparams", tmp_path / "y.pdparams", PYTHONHASHSEED=seed)

    assert (child.stdout, child.stderr) == (f"{MANY_SHA256}\n", "")


@pytest.mark.parametrize("shape", [(1, 1), (15, 33), (16, 16), (17, 1000), (33, 5)])
def test_a_transposed_matrix_of_any_size_is_written_as_its_copy(shape: tuple[int, int], tmp_path: Path) -> None:
    view = counting(*shape).T

    one = write_pdparams(tmp_path / "x.pdparams", {"w": view})
    other = write_pdparams(tmp_path / "y.pdparams", {"w": view.copy(order="C")})

    assert one.sha256 == other.sha256


def test_a_converted_model_loads_into_paddle(tmp_path: Path) -> None:
    weights = convert_state_dict(TINY, distinct_weights(TINY.params(), dtype="float32"))
    write_pdparams(tmp_path / "x.pdparams", weights)
    model = models_paddle.ConvNeXt(TINY)

    missing, unexpected = model.set_state_dict(paddle.load(str(tmp_path / "x.pdparams")))

    assert (missing, unexpected) == ([], [])
    assert same_bits({name: tensor.numpy() for name, tensor in model.state_dict().items()}, weights)


# Digests that do not depend on the container.


@pytest.mark.parametrize("kind", OTHERS)
def test_a_tensors_digest_does_not_depend_on_strides_or_byte_order(kind: str) -> None:
    assert tensor_digests(OTHERS[kind]) == tensor_digests(MANY)


def test_digests_differ_where_dtype_shape_or_one_bit_do() -> None:
    array = counting(6)
    others = [array.view("int32"), array.reshape(2, 3), np.nextafter(array, np.float32(9)), -array]

    digests = tensor_digests({str(i): other for i, other in enumerate([array, *others])})

    assert len(set(digests.values())) == 5


def test_the_combined_digest_does_not_depend_on_the_order_of_names() -> None:
    digests = tensor_digests(MANY)

    assert combined_digest(dict(reversed(digests.items()))) == combined_digest(digests)
