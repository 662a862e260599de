"""Files that people hand over by mistake, each with what makes it."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import socket
import struct
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import safetensors.numpy
import torch
from checkpoint_files import as_tensors, write_zip

from convert import ARCHS, write_checkpoint
from convert.arrays import Array
from convert.checkpoints.containers import INDEX_SUFFIX
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(SPEC.params(), dtype="float32")
SHARD = "model-00001-of-00001.safetensors"

Maker = Callable[[Path], object]


def content(data: bytes) -> Maker:
    return lambda path: path.write_bytes(data)


def saved(value: Any, *, legacy: bool = False) -> Maker:
    return lambda path: torch.save(value, path, _use_new_zipfile_serialization=not legacy)


def good(path: Path) -> None:
    torch.save({"model": as_tensors(WEIGHTS)}, path)


def good_legacy(path: Path) -> None:
    torch.save({"model": as_tensors(WEIGHTS)}, path, _use_new_zipfile_serialization=False)


def good_paddle(path: Path) -> None:
    paddle.save({name: paddle.to_tensor(array) for name, array in WEIGHTS.items()}, str(path))


def good_safetensors(path: Path) -> None:
    path.write_bytes(safetensors.numpy.save(WEIGHTS))


def good_shards(index: Path) -> None:
    safetensors.numpy.save_file(WEIGHTS, index.with_name(SHARD))
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(WEIGHTS, SHARD)}))


def cut(make: Maker, *, keep: int) -> Maker:
    def make_cut(path: Path) -> None:
        make(path)
        os.truncate(path, keep)

    return make_cut


def longer(make: Maker) -> Maker:
    def make_longer(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes() + b"\n")

    return make_longer


def flipped(make: Maker) -> Maker:
    """One bit of the head's weight, changed."""

    def make_flipped(path: Path) -> None:
        make(path)
        data = bytearray(path.read_bytes())
        data[data.index(WEIGHTS["head.weight"].tobytes()) + 5] ^= 16
        path.write_bytes(data)

    return make_flipped


def changed(**tensors: Array | None) -> Maker:
    """The good file with other tensors; None leaves one out."""
    new = WEIGHTS | {name.replace("__", "."): array for name, array in tensors.items()}
    return saved({name: torch.from_numpy(array) for name, array in new.items() if array is not None})


def torchscript(path: Path) -> None:
    write_zip(path, {"x/data.pkl": b"", "x/constants.pkl": b"", "x/code/x.py": b""})


def big_endian(path: Path) -> None:
    write_zip(path, {"x/data.pkl": pickle.dumps({}, 2), "x/byteorder": b"big"})


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name))


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's own name may have 107 bytes only
        listener.bind(path.name)
        os.chdir(before)


def array_file(path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.ones(3))
    path.write_bytes(file.getvalue())


def array_archive(path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, w=np.ones(3))
    path.write_bytes(file.getvalue())


def index_without_its_shard(index: Path) -> None:
    good_shards(index)
    index.with_name(SHARD).unlink()


def index_with_a_cut_shard(index: Path) -> None:
    good_shards(index)
    os.truncate(index.with_name(SHARD), 100_000)


def index_with_another_shard(index: Path) -> None:
    good_shards(index)
    safetensors.numpy.save_file({"w": np.ones(3)}, index.with_name(SHARD))


def file_in_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_bytes(b"x")


def optimizer_only(path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    torch.save({"optimizer": optimizer.state_dict(), "epoch": 3}, path)


ONNX = b"\x08\x07\x12\x07pytorch\x1a\x051.7.1" + bytes(100)
TF_CHECKPOINT = bytes(8) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"
PAGE = b"\n <!DOCTYPE html><html><title>404</title></html>"

FILES: Mapping[str, Maker] = {
    "a file that is missing": lambda _: None,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a folder": Path.mkdir,
    "a file in a file": file_in_a_file,
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/null"),
    "a socket": listening,
    "an empty file": content(b""),
    "one byte": content(b"P"),
    "a web page": content(PAGE),
    "an answer in XML": content(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
    "an answer in JSON": content(b'{"error": "Repository not found"}'),
    "a git-lfs pointer": content(LFS),
    "a text": content(b"convnext_base: see the wiki\n"),
    "an image": content(b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "a file of zeros": content(bytes(1000)),
    "a gzip file": content(gzip.compress(b"x" * 100, mtime=0)),
    "a 7z file": content(b"7z\xbc\xaf\x27\x1c" + bytes(100)),
    "a tar file of torch 0.1": tarred,
    "a TensorFlow checkpoint": content(TF_CHECKPOINT),
    "a Keras file": content(b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "an ONNX file": content(ONNX),
    "an array of numpy": array_file,
    "an archive of numpy": array_archive,
    "another zip file": lambda path: write_zip(path, {"readme.txt": b"hello"}),
    "an empty zip file": lambda path: write_zip(path, {}),
    "a TorchScript program": torchscript,
    "a file of a big-endian machine": big_endian,
    "a torch zip cut in its data": cut(good, keep=100_000),
    "a torch zip cut in its first header": cut(good, keep=20),
    "a legacy file cut in its data": cut(good_legacy, keep=100_000),
    "a legacy file cut in its pickle": cut(good_legacy, keep=30),
    "a legacy file with a byte more": longer(good_legacy),
    "a Paddle file cut in its data": cut(good_paddle, keep=100_000),
    "a Paddle file with a byte more": longer(good_paddle),
    "a safetensors file cut in its header": cut(good_safetensors, keep=1_000),
    "a safetensors file cut in its data": cut(good_safetensors, keep=100_000),
    "a safetensors file with a byte more": longer(good_safetensors),
    "a header that is no JSON": content(struct.pack("<Q", 8) + b"{'w': 1}"),
    "a torch zip with a flipped bit": flipped(good),
    "a tensor": saved(torch.ones(2)),
    "a list of tensors": saved([torch.ones(2)]),
    "a tensor in a legacy file": saved(torch.ones(2), legacy=True),
    "a whole number in a pickle": content(pickle.dumps(7, 4)),
    "a list in a pickle": content(pickle.dumps([1, 2], 4)),
    "an empty state dict": saved({}),
    "an optimizer's state only": optimizer_only,
    "an epoch among the tensors": saved({"w": torch.ones(1), "epoch": 3}),
    "two state dicts": saved({"model": {"w": torch.ones(1)}, "model_ema": {"w": torch.ones(2)}}),
    "another network": saved({"conv1.weight": torch.ones(1), "fc.bias": torch.ones(1)}),
    "the keys of two libraries": saved(
        {"stages.0.0.dwconv.weight": torch.ones(1), "blocks.0.dwconv.weight": torch.ones(1)}
    ),
    "a ConvNeXt of no known size": saved({"stages.0.0.dwconv.weight": torch.ones(1)}),
    "a tensor in double precision": changed(norm__bias=WEIGHTS["norm.bias"].astype("float64")),
    "a tensor with a NaN": changed(head__bias=np.array([np.nan] + [0] * 9, "float32")),
    f"an index that is a web page {INDEX_SUFFIX}": content(PAGE),
    f"an index without a map {INDEX_SUFFIX}": content(b'{"model_type": "convnext"}'),
    f"an index without its shard {INDEX_SUFFIX}": index_without_its_shard,
    f"an index with a cut shard {INDEX_SUFFIX}": index_with_a_cut_shard,
    f"an index with another shard {INDEX_SUFFIX}": index_with_another_shard,
}


def make(kind: str, folder: Path) -> Path:
    """The file of that kind, in a folder of its own."""
    path = folder / "given" / (f"model{INDEX_SUFFIX}" if kind.endswith(INDEX_SUFFIX) else "x.pth")
    path.parent.mkdir()
    FILES[kind](path)
    return path


def write_good(path: Path) -> None:
    write_checkpoint(path, WEIGHTS, framework="torch")
