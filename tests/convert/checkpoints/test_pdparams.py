"""Reading `.pdparams` files gives what paddle.load gives, bit for bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from checkpoint_files import ARRAY_DICTS, counting, same_bits
from twins import TINY

import models_paddle
from convert import read_checkpoint, write_pdparams
from convert.errors import CheckpointError, RefusedCheckpoint

PROTOCOLS = (2, 3, 4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_reading_gives_what_paddle_load_gives_for(kind: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    tensors = {name: paddle.to_tensor(array) for name, array in ARRAY_DICTS[kind].items()}
    paddle.save(tensors, str(path), protocol=protocol)

    read = read_checkpoint(path)

    assert same_bits(read.tensors, paddle.load(str(path), return_numpy=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_that_paddle_saved_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    paddle.save(ARRAY_DICTS["Fortran order"], str(path), protocol=protocol)

    assert same_bits(read_checkpoint(path).tensors, ARRAY_DICTS["Fortran order"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_empty_tensor_is_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    paddle.save({"w": paddle.zeros([0, 3])}, str(path), protocol=protocol)

    assert same_bits(read_checkpoint(path).tensors, {"w": np.zeros((0, 3), "float32")})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bfloat16_is_read_as_the_bits_that_paddle_stores(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    paddle.save({"w": paddle.to_tensor([1.0, -2.5]).astype("bfloat16")}, str(path), protocol=protocol)

    assert same_bits(read_checkpoint(path).tensors, {"w": np.array([0x3F80, 0xC020], "uint16")})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_layers_state_dict_is_read_without_its_table_of_names(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    model = models_paddle.build(TINY)
    paddle.save(model.state_dict(), str(path), protocol=protocol)
    assert b"StructuredToParameterName@@" in path.read_bytes()

    read = read_checkpoint(path)

    assert (read.container, read.wrapper) == ("paddle pickle", "")
    assert same_bits(read.tensors, {name: tensor.numpy() for name, tensor in model.state_dict().items()})


def test_what_was_read_cannot_be_written_to(tmp_path: Path) -> None:
    write_pdparams(tmp_path / "x.pdparams", {"w": counting(2)})

    assert not read_checkpoint(tmp_path / "x.pdparams").tensors["w"].flags.writeable


def test_bytes_after_the_pickles_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    write_pdparams(path, {"w": counting(2)})
    path.write_bytes(path.read_bytes() + b"abc")

    with pytest.raises(RefusedCheckpoint) as caught:
        read_checkpoint(path)

    assert str(caught.value) == f"{path}: 3 bytes follow the pickle's end; fetch the file again"


def test_an_object_other_than_a_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    path.write_bytes(pickle.dumps(7, protocol=4))

    with pytest.raises(RefusedCheckpoint) as caught:
        read_checkpoint(path)

    assert str(caught.value) == f"{path}: the pickle holds a int, not a dict of tensors; save model.state_dict()"


def test_an_entry_that_is_no_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    path.write_bytes(pickle.dumps({"w": counting(2), "epoch": 3, "lr": 0.5}, protocol=4))

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value) == (
        f"{path}: the state dict holds 2 entries that are no tensors: 'epoch', 'lr'; save model.state_dict()"
    )


@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda sd: [sd], "0"),
        (lambda sd: (sd, 1), "0"),
        (lambda sd: [{"epoch": 1}, {"net": sd}], "1.net"),
        (lambda sd: {"models": [sd]}, "models.0"),
    ],
    ids=["list", "tuple", "nested", "in a dict"],
)
def test_the_state_dict_in_a_list_is_found(wrap: Callable[[Any], Any], where: str, tmp_path: Path) -> None:
    values = np.arange(6, dtype="float32").reshape(2, 3)
    paddle.save(wrap({name: paddle.to_tensor(values) for name in "abc"}), f"{tmp_path}/x.pdparams")

    read = read_checkpoint(tmp_path / "x.pdparams")

    assert read.wrapper == where
    assert [np.array_equal(read.tensors[name], values) for name in "abc"] == [True] * 3


def test_a_list_without_tensors_is_no_state_dict(tmp_path: Path) -> None:
    paddle.save([1, 2], f"{tmp_path}/x.pdparams")

    with pytest.raises(CheckpointError, match=r"holds a list, not a state dict; save model\.state_dict\(\)$"):
        read_checkpoint(tmp_path / "x.pdparams")
