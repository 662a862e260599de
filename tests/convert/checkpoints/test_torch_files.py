"""Reading `.pth` files gives what torch.load gives, bit for bit."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_array, as_tensors, same_bits, write_zip
from twins import TINY

import models_torch
from convert import read_checkpoint
from convert.checkpoints import torch_zip
from convert.digest import sha256_of
from convert.errors import CheckpointError, RefusedCheckpoint
from convert.source.read import read_source
from verify.selftest.weights import distinct_weights

Tensors = dict[str, torch.Tensor]

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def counting(*shape: int) -> torch.Tensor:
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape) / 7


def values_of(dtype: str) -> Tensors:
    return {"w": counting(300).to(getattr(torch, dtype))}


def sharing() -> Tensors:
    storage = counting(24)
    return {"whole": storage, "same": storage, "part": storage[5:13], "matrix": storage.view(4, 6), "last": storage[-1]}


STATE_DICTS: dict[str, Callable[[], dict[str, Any]]] = {
    "one tensor": lambda: {"w": counting(2, 3)},
    "tensors that share one storage": sharing,
    "a transposed view": lambda: {"w": counting(4, 6).T},
    "a permuted view": lambda: {"w": counting(2, 3, 4, 5).permute(3, 0, 2, 1)},
    "a strided view": lambda: {"w": counting(9, 10)[1::3, ::4]},
    "a slice that starts late": lambda: {"w": counting(10, 4)[7:]},
    "a channels-last tensor": lambda: {"w": counting(2, 3, 4, 5).to(memory_format=torch.channels_last)},
    "a zero-dimensional tensor": lambda: {"w": torch.tensor(3.5)},
    "an empty tensor": lambda: {"w": torch.zeros(0), "v": torch.zeros(3, 0, 2)},
    "values that are not finite": lambda: {"w": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])},
    "a parameter": lambda: {"w": torch.nn.Parameter(counting(3))},
    "an odd name": lambda: {"": counting(1), "ä.\N{SNOWMAN}": counting(2), "a/b": counting(3)},
    "a module's state dict with its metadata": lambda: models_torch.build(TINY).state_dict(),
    "an ordered dict": lambda: OrderedDict([("b", counting(1)), ("a", counting(2))]),
    **{f"{dtype} values": partial(values_of, dtype) for dtype in DTYPES},
}


@pytest.mark.parametrize("kind", STATE_DICTS)
def test_reading_gives_what_torch_load_gives_for(kind: str, tmp_path: Path) -> None:
    torch.save(STATE_DICTS[kind](), tmp_path / "x.pth")

    read = read_checkpoint(tmp_path / "x.pth")

    loaded = torch.load(tmp_path / "x.pth", weights_only=True)
    assert same_bits(read.tensors, {name: as_array(tensor) for name, tensor in loaded.items()})


def test_a_bare_state_dict_has_no_wrapper(tmp_path: Path) -> None:
    torch.save({"w": counting(2)}, tmp_path / "x.pth")

    read = read_checkpoint(tmp_path / "x.pth")

    assert (read.path, read.container, read.wrapper) == (tmp_path / "x.pth", "torch zip", "")


@pytest.mark.parametrize("wrapper", ["model", "model_ema", "state_dict", "state_dict_ema"])
def test_a_wrapped_state_dict_is_found(wrapper: str, tmp_path: Path) -> None:
    torch.save({"epoch": 3, wrapper: {"w": counting(2)}}, tmp_path / "x.pth")

    read = read_checkpoint(tmp_path / "x.pth")

    assert read.wrapper == wrapper
    assert same_bits(read.tensors, {"w": as_array(counting(2))})


def test_the_prefix_of_parallel_training_is_taken_off(tmp_path: Path) -> None:
    weights = distinct_weights(TINY.params(), dtype="float32")
    torch.save({"model": as_tensors({f"module.{name}": array for name, array in weights.items()})}, tmp_path / "x.pth")

    source = read_source(tmp_path / "x.pth", arch="convnext_digits")

    assert same_bits(source.tensors, weights)


def training_checkpoint() -> dict[str, Any]:
    """A checkpoint as the official training code saves one, with the state that a few steps leave behind."""
    model = models_torch.build(TINY).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.ones(1, 3, 32, 32)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 17,
        "scaler": {"scale": 65536.0, "_growth_tracker": 0},
        "args": argparse.Namespace(lr=4e-3, model="convnext_tiny", use_amp=False, drop_path=0.1, output_dir="x"),
        "best": np.float64(0.5),
        "count": np.int64(7),
        "history": [1.5, None, True, -1, 2**40, (1, 2), {"a": []}],
    }


def test_a_training_checkpoint_gives_the_models_state_dict_only(tmp_path: Path) -> None:
    checkpoint = training_checkpoint()
    torch.save(checkpoint, tmp_path / "x.pth")

    read = read_checkpoint(tmp_path / "x.pth")

    assert read.wrapper == "model"
    assert same_bits(read.tensors, {name: as_array(tensor) for name, tensor in checkpoint["model"].items()})


@pytest.mark.parametrize("stray", [torch.tensor(70.0), np.ones(3)], ids=["a tensor", "an array"])
def test_a_stray_tensor_beside_a_wrapped_state_dict_is_no_state_dict(stray: Any, tmp_path: Path) -> None:
    torch.save({"epoch": 1, "state_dict": {"w": counting(2)}, "best_acc1": stray}, tmp_path / "x.pth")

    read = read_checkpoint(tmp_path / "x.pth")

    assert (read.wrapper, list(read.tensors)) == ("state_dict", ["w"])


def test_the_state_dict_to_take_can_be_named(tmp_path: Path) -> None:
    torch.save({"model": {"w": counting(2)}, "model_ema": {"w": counting(3)}}, tmp_path / "x.pth")

    assert read_checkpoint(tmp_path / "x.pth", weights="model_ema").tensors["w"].shape == (3,)


def test_what_was_read_cannot_be_written_to(tmp_path: Path) -> None:
    torch.save({"w": counting(2), "empty": torch.zeros(0)}, tmp_path / "x.pth")

    tensors = read_checkpoint(tmp_path / "x.pth").tensors

    assert not tensors["w"].flags.writeable


def test_tensors_that_share_a_storage_share_it_when_read(tmp_path: Path) -> None:
    torch.save(sharing(), tmp_path / "x.pth")

    tensors = read_checkpoint(tmp_path / "x.pth").tensors

    assert np.shares_memory(tensors["whole"], tensors["part"])


def test_the_files_content_decides_and_not_its_name(tmp_path: Path) -> None:
    torch.save({"w": counting(2)}, tmp_path / "x.pdparams")

    assert read_checkpoint(tmp_path / "x.pdparams").container == "torch zip"


ARRAYS: dict[str, dict[str, Any]] = {
    "arrays": {"w": counting(4, 6).numpy(), "v": counting(3).numpy(), "count": np.array(3), "empty": np.zeros((0, 2))},
    "one array among tensors": {"w": counting(4, 6), "v": counting(3).numpy(), "b": counting(2)},
    "arrays in Fortran order": {"w": np.asfortranarray(counting(4, 6).numpy())},
    "arrays that are big-endian": {"w": counting(4, 6).numpy().astype(">f4")},
    "arrays of every dtype": {dtype: counting(300).numpy().astype(dtype) for dtype in DTYPES if dtype != "bfloat16"},
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("kind", ARRAYS)
def test_numpys_arrays_are_read_as_tensors_are(kind: str, wrapped: bool, legacy: bool, tmp_path: Path) -> None:
    state_dict = ARRAYS[kind]
    content = {"model": state_dict, "epoch": 3} if wrapped else state_dict
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)

    read = read_checkpoint(tmp_path / "x.pth")

    arrays = {name: as_array(value) if isinstance(value, torch.Tensor) else value for name, value in state_dict.items()}
    assert list(read.tensors) == list(arrays)
    for name, array in arrays.items():
        assert read.tensors[name].shape == array.shape
        assert np.array_equal(read.tensors[name], array)


def test_arrays_of_more_bytes_than_are_held_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_zip, "MAX_HELD", 1000)
    arrays = {"w": counting(100, 1000).numpy(), "v": counting(3).numpy()}
    torch.save(arrays, tmp_path / "x.pth", pickle_protocol=4)

    assert same_bits(read_checkpoint(tmp_path / "x.pth").tensors, arrays)


def test_a_flipped_bit_in_such_arrays_fails_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_zip, "MAX_HELD", 1000)
    array = counting(100, 1000).numpy()
    torch.save({"w": array}, tmp_path / "x.pth", pickle_protocol=4)
    content = bytearray((tmp_path / "x.pth").read_bytes())
    content[content.index(array.tobytes()) + 77_777] ^= 1
    (tmp_path / "x.pth").write_bytes(content)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.pth")

    assert "x/data.pkl fails its checksum: the file is damaged; fetch it again" in str(caught.value)


def test_a_tensor_that_repeats_its_elements_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": torch.zeros(1).expand(5)}, path)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value) == f"{path}: shape (5,) has 5 elements, its storage carries 1; save tensor.contiguous()"


@pytest.mark.parametrize("storage", ["ComplexFloatStorage", "ComplexDoubleStorage"])
def test_complex_tensors_are_refused_by_name(storage: str, tmp_path: Path) -> None:
    dtype = {"ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128}[storage]
    torch.save({"w": torch.zeros(2, dtype=dtype)}, tmp_path / "x.pth")

    with pytest.raises(RefusedCheckpoint) as caught:
        read_checkpoint(tmp_path / "x.pth")

    assert f"with arguments that it does not take: numbers of a torch.{storage} (byte " in str(caught.value)


def test_a_flipped_bit_in_a_tensor_fails_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": counting(50)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(as_array(counting(50)).tobytes()) + 77] ^= 1
    path.write_bytes(content)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value) == f"{path}: x/data/0 fails its checksum: the file is damaged; fetch it again"


def test_any_flipped_byte_is_reported_or_harms_no_tensor(tmp_path: Path) -> None:
    tensors = {"w": counting(5, 4), "b": counting(3)}
    torch.save({"model": tensors}, tmp_path / "x.pth")
    expected = {name: as_array(tensor) for name, tensor in tensors.items()}
    content, unseen = (tmp_path / "x.pth").read_bytes(), []

    for position in range(len(content)):
        flipped = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        (tmp_path / "flipped.pth").write_bytes(flipped)
        try:
            if not same_bits(read_checkpoint(tmp_path / "flipped.pth").tensors, expected):
                unseen.append(position)
        except CheckpointError:
            pass

    assert unseen == []


def test_an_archive_that_was_zipped_again_without_compression_is_read(tmp_path: Path) -> None:
    import zipfile

    torch.save({"w": counting(5)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        write_zip(tmp_path / "again.pth", {name: archive.read(name) for name in archive.namelist()})

    assert same_bits(read_checkpoint(tmp_path / "again.pth").tensors, {"w": as_array(counting(5))})


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")

    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
