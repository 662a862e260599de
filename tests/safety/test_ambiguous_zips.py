"""Zip files in which two readers may see two models: refused, or read as torch.load reads them."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from changed_zips import ENTRIES, zipped
from checkpoint_files import as_array, same_bits
from planted_zips import ZIPS

from convert import read_checkpoint
from convert.errors import CheckpointError

READ = [kind for kind, (_, reason) in ZIPS.items() if not reason]


@pytest.mark.parametrize("kind", [kind for kind in ZIPS if kind not in READ])
def test_a_zip_is_refused_that_has(kind: str, tmp_path: Path) -> None:
    make, reason = ZIPS[kind]
    path = tmp_path / "x.pth"
    path.write_bytes(make())

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert str(caught.value).startswith(f"{path}: {reason}")


@pytest.mark.parametrize("kind", READ)
def test_a_zip_is_read_as_torch_reads_it_that_has(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(ZIPS[kind][0]())

    read = read_checkpoint(path)

    loaded = torch.load(path, weights_only=True)
    assert same_bits(read.tensors, {name: as_array(tensor) for name, tensor in loaded.items()})


def test_torch_sees_another_model_in_several_of_them() -> None:
    """Or the refusals above would guard against nothing."""
    right = torch.load(io.BytesIO(zipped(ENTRIES)), weights_only=True)["w"]
    others = []
    for kind, (make, _) in ZIPS.items():
        try:
            loaded = torch.load(io.BytesIO(make()), weights_only=True)
        except Exception:  # noqa: BLE001, S112 - whatever it raises, it reads no model
            continue
        if not all(torch.equal(tensor.float(), right[: tensor.numel()]) for tensor in loaded.values()):
            others.append(kind)

    assert len(others) >= 3


@pytest.mark.parametrize("size", [0, 1, 3, 4, 1000])
def test_a_tensor_of_any_size_is_read_from_torchs_own_zip(size: int, tmp_path: Path) -> None:
    torch.save({"w": torch.arange(size, dtype=torch.uint8), "v": torch.ones(2)}, tmp_path / "x.pth")

    assert np.array_equal(read_checkpoint(tmp_path / "x.pth").tensors["w"], np.arange(size).astype("u1"))


def test_a_flipped_bit_before_the_storages_is_never_read_as_another_model(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(4.0)}, tmp_path / "x.pth")
    content, path = (tmp_path / "x.pth").read_bytes(), tmp_path / "y.pth"

    for position in range(len(content)):
        for bit in (1, 32, 128):
            path.write_bytes(content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :])
            with suppress(CheckpointError):
                assert read_checkpoint(path).tensors["w"].tolist() == [0, 1, 2, 3]
