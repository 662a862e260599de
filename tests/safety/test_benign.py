"""Dozens of ordinary files, as both frameworks' versions write them: none refused, all read as they read them."""

from __future__ import annotations

import argparse
import json
import struct
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import safetensors.torch
import torch
from checkpoint_files import as_array, same_bits
from twins import TINY

import models_paddle
import models_torch
from convert import read_checkpoint, write_checkpoint
from convert.arrays import Array
from convert.checkpoints.containers import INDEX_SUFFIX

ARRAYS = {
    "fc.weight": (np.arange(12).reshape(3, 4) / 7).astype("float32"),
    "fc.bias": np.arange(4, dtype="float32"),
    "count": np.array(3, "int64"),
    "empty": np.zeros((0, 3), "float32"),
}


def as_numpy_1(content: bytes) -> bytes:
    """The pickle as numpy 1 has it: numpy 2 renamed one module, and so lengthened the frame of protocol 4 by a byte.

    Compared once with Paddle 2.6.2 under numpy 1.26.4, protocols 2, 3 and 4: the same bytes for tensors, arrays, a
    layer's state dict and bfloat16, name tables included.
    """
    content = content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    content = content.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    if content[2:3] == b"\x95":
        content = content[:3] + struct.pack("<Q", len(content) - 11) + content[11:]
    return content


PADDLE_KINDS: dict[str, Callable[[], Any]] = {
    "tensors": lambda: {name: paddle.to_tensor(array) for name, array in ARRAYS.items()},
    "arrays without a name table": lambda: ARRAYS,
    "a layer's state dict": lambda: models_paddle.build(TINY).state_dict(),
    "bfloat16": lambda: {"w": paddle.to_tensor([1.0, -2.5]).astype("bfloat16")},
    "a training checkpoint": lambda: {
        "model": {name: paddle.to_tensor(array) for name, array in ARRAYS.items()},
        "epoch": 3,
        "note": "text",
    },
    "a transposed tensor": lambda: {"w": paddle.to_tensor(ARRAYS["fc.weight"]).T, "v": ARRAYS["fc.weight"].T},
}


def sharing() -> dict[str, torch.Tensor]:
    storage = torch.arange(24.0)
    return {"whole": storage, "part": storage[5:13], "matrix": storage.view(4, 6).T, "last": storage[-1]}


def training(**more: Any) -> dict[str, Any]:
    return {"model": models_torch.build(TINY).state_dict(), "epoch": 3, **more}


def stepped() -> dict[str, Any]:
    model = models_torch.build(TINY).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.ones(1, 3, 32, 32)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scaler": {"scale": 65536.0}}


TORCH_KINDS: dict[str, Callable[[], Any]] = {
    "a bare state dict": lambda: {name: torch.from_numpy(array) for name, array in ARRAYS.items()},
    "an ordered dict with its metadata": lambda: models_torch.build(TINY).state_dict(),
    "an ordered dict without": lambda: OrderedDict([("b", torch.ones(1)), ("a", torch.ones(2))]),
    "a training checkpoint": training,
    "the command line": lambda: training(
        args=argparse.Namespace(lr=4e-3, model="x", layers=[1, 2], deterministic=None)
    ),
    "an optimizer's state": stepped,
    "numpy's scalars": lambda: training(best=np.float64(0.5), count=np.int64(7), flag=np.bool_(True)),
    "a history": lambda: training(history=[1.5, None, True, -1, 2**40, (1, 2), {"a": []}, "text", b"bytes"]),
    "parameters": lambda: {"w": torch.nn.Parameter(torch.ones(3)), "b": torch.nn.Parameter(torch.ones(2), False)},
    "bfloat16": lambda: {"w": torch.tensor([1.0, -2.5, float("nan")]).to(torch.bfloat16)},
    "float16": lambda: {"w": torch.tensor([1.0, -2.5]).half()},
    "every other dtype": lambda: {
        name: torch.arange(5).to(getattr(torch, name))
        for name in ("float64", "int64", "int32", "int16", "int8", "uint8", "bool")
    },
    "tensors that share a storage": sharing,
    "a channels-last tensor": lambda: {"w": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)},
    "tensors of one element and of none": lambda: {"w": torch.tensor(3.5), "v": torch.zeros(3, 0, 2)},
    "odd names": lambda: {"": torch.ones(1), "ä.\N{SNOWMAN}": torch.ones(2), "a/b": torch.ones(3)},
}

NUMPY: dict[int, Callable[[bytes], bytes]] = {1: as_numpy_1, 2: bytes}
PROTOCOLS = (2, 3, 4)
ZIP = {"zip": True, "legacy": False}

SAFE_KINDS: dict[str, tuple[dict[str, torch.Tensor], dict[str, str] | None]] = {
    "without metadata": ({"w": torch.ones(2, 3), "b": torch.zeros(2)}, None),
    "with metadata": ({"w": torch.ones(2, 3)}, {"format": "pt", "note": "of its author: ä"}),
    "of every dtype": ({n: torch.arange(5).to(getattr(torch, n)) for n in ("float16", "bfloat16", "int8", "bool")}, {}),
    "of one element and of none": ({"w": torch.tensor(3.5), "v": torch.zeros(3, 0, 2)}, None),
    "with odd names": ({"ä.\N{SNOWMAN}": torch.ones(2), "a/b": torch.ones(3)}, None),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("numpy", NUMPY)
@pytest.mark.parametrize("kind", PADDLE_KINDS)
def test_paddles_file_is_read_of(kind: str, numpy: int, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    paddle.save(PADDLE_KINDS[kind](), str(path), protocol=protocol)
    path.write_bytes(NUMPY[numpy](path.read_bytes()))
    assert (b"numpy._core" in path.read_bytes()) == (numpy == 2)

    read = read_checkpoint(path)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of numpy 2, about the old name of its module
        loaded = paddle.load(str(path), return_numpy=True)
    assert same_bits(read.tensors, loaded[read.wrapper] if read.wrapper else loaded)
    assert read.container == "paddle pickle"


@pytest.mark.parametrize("container", ZIP)
@pytest.mark.parametrize("kind", TORCH_KINDS)
def test_torchs_file_is_read_of(kind: str, container: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(TORCH_KINDS[kind](), path, _use_new_zipfile_serialization=ZIP[container])

    read = read_checkpoint(path)

    loaded = torch.load(path, weights_only=False)
    assert same_bits(read.tensors, arrays(loaded[read.wrapper] if read.wrapper else loaded))
    assert read.container == f"torch {container}"


def arrays(tensors: dict[str, torch.Tensor]) -> dict[str, Array]:
    return {name: as_array(tensor) for name, tensor in tensors.items()}


@pytest.mark.parametrize("kind", SAFE_KINDS)
def test_a_safetensors_file_is_read(kind: str, tmp_path: Path) -> None:
    tensors, metadata = SAFE_KINDS[kind]
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors", metadata)

    read = read_checkpoint(tmp_path / "x.safetensors")

    assert_equal(read.tensors, arrays(safetensors.torch.load_file(tmp_path / "x.safetensors")))


def assert_equal(actual: Any, expected: dict[str, Array]) -> None:
    assert same_bits(dict(sorted(actual.items())), dict(sorted(expected.items())))


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_a_sharded_checkpoint_is_read(shards: int, tmp_path: Path) -> None:
    state_dict = models_torch.build(TINY).state_dict()
    weight_map: dict[str, str] = {}
    for number in range(shards):
        name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = dict(list(state_dict.items())[number::shards])
        safetensors.torch.save_file(part, tmp_path / name, {"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    index = tmp_path / f"model{INDEX_SUFFIX}"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}, indent=2))

    read = read_checkpoint(index)

    assert_equal(read.tensors, arrays(state_dict))


@pytest.mark.parametrize("suffix", ["pdparams", "pth", "safetensors"])
def test_our_own_file_is_read(suffix: str, tmp_path: Path) -> None:
    framework = "paddle" if suffix == "pdparams" else "torch"
    write_checkpoint(tmp_path / f"x.{suffix}", ARRAYS, framework=framework)

    assert same_bits(read_checkpoint(tmp_path / f"x.{suffix}").tensors, ARRAYS)


def test_there_are_dozens_of_benign_files() -> None:
    of_paddle, of_torch = len(PADDLE_KINDS) * len(NUMPY) * len(PROTOCOLS), len(TORCH_KINDS) * len(ZIP)

    assert of_paddle >= 36
    assert of_torch >= 32
    assert of_paddle + of_torch + len(SAFE_KINDS) + 3 + 3 >= 79
