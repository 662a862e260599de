"""Pickles whose arguments change values: refused, or read as torch.load and paddle.load read them."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from checkpoint_files import as_array, same_bits, write_pth
from pickles import stream
from planted_pickles import OF_PADDLE, OF_TORCH, of_torch

from convert import read_checkpoint
from convert.checkpoints.torch_pickles import VALUES_OF_A_TENSOR
from convert.errors import CheckpointError

STORAGE = np.arange(4, dtype="<f4").tobytes()


def write_torch(kind: str, folder: Path) -> Path:
    return write_pth(folder / "x.pth", of_torch(kind), {"0": STORAGE})


def write_paddle(kind: str, folder: Path) -> Path:
    path = folder / "x.pdparams"
    path.write_bytes(stream(OF_PADDLE[kind][0], 4))
    return path


def load_torch(path: Path) -> dict[str, Any]:
    """What torch itself reads; it wants a version, which the writer of the tests leaves out."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/version", b"3\n")
    return dict(torch.load(path, weights_only=True))


def load_paddle(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return dict(paddle.load(str(path), return_numpy=True))


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in OF_TORCH.items() if reason])
def test_a_file_of_torch_is_refused_that_has(kind: str, tmp_path: Path) -> None:
    assert_refused(write_torch(kind, tmp_path), OF_TORCH[kind][1])


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in OF_PADDLE.items() if reason])
def test_a_file_of_paddle_is_refused_that_has(kind: str, tmp_path: Path) -> None:
    assert_refused(write_paddle(kind, tmp_path), OF_PADDLE[kind][1])


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value).startswith(f"{path}: {reason}")


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in OF_TORCH.items() if not reason])
def test_a_file_is_read_as_torch_reads_it_that_has(kind: str, tmp_path: Path) -> None:
    path = write_torch(kind, tmp_path)

    tensors = read_checkpoint(path).tensors

    assert same_bits(tensors, {name: as_array(tensor) for name, tensor in load_torch(path).items()})


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in OF_PADDLE.items() if not reason])
def test_a_file_is_read_as_paddle_reads_it_that_has(kind: str, tmp_path: Path) -> None:
    path = write_paddle(kind, tmp_path)

    tensors = read_checkpoint(path).tensors

    loaded = load_paddle(path)
    assert list(tensors) == list(loaded)
    assert all(np.array_equal(tensors[name], loaded[name]) for name in loaded)


def test_both_frameworks_see_other_values_in_several_of_them(tmp_path: Path) -> None:
    """Or the refusals above would guard against nothing."""
    negated = load_torch(write_torch("a lazy negation", tmp_path))["w"]
    swapped = load_paddle(write_paddle("Fortran order by 1", tmp_path))["w"]
    plain_array = load_paddle(write_paddle("nothing odd", tmp_path))["w"]

    assert negated.tolist() == [0, -1, -2, -3]
    assert np.array_equal(swapped, plain_array.T)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", ["neg", "conj"])
def test_a_tensor_that_torch_saved_lazily_is_refused(kind: str, legacy: bool, tmp_path: Path) -> None:
    tensor = torch._neg_view(torch.ones(3)) if kind == "neg" else torch.ones(3, dtype=torch.complex64).conj().imag
    assert tensor.is_neg()
    torch.save({"model": {"w": tensor}}, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.pth")

    assert "; save tensor.resolve_neg().resolve_conj() (byte " in str(caught.value)


def test_the_attributes_that_are_values_of_a_tensor_are_those_that_torch_sets() -> None:
    changed = []
    for attribute in dir(torch.Tensor):
        tensor = torch.zeros(3)
        try:
            setattr(tensor, attribute, torch.ones(3))
        except Exception:  # noqa: BLE001, S112 - whatever it raises, it sets no value
            continue
        if not torch.equal(torch.Tensor.detach(tensor), torch.zeros(3)):
            changed.append(attribute)

    assert {"data", "real"} <= set(changed) <= set(VALUES_OF_A_TENSOR)
