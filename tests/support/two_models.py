"""Two models of one architecture, A and B, in every container: which of them a file holds shows in its tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from checkpoint_files import as_tensors
from safetensors.torch import save_file

from convert import ARCHS, write_checkpoint
from convert.state_dict import convert_state_dict
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
SHARD = "model-00001-of-00001.safetensors"


def weights_of(model: str) -> dict[str, np.ndarray]:
    return distinct_weights(SPEC.params(), seed={"A": 0, "B": 1}[model], dtype="float32")


def write_torch(path: Path, model: str) -> None:
    torch.save({"model": as_tensors(weights_of(model))}, path)


def write_legacy(path: Path, model: str) -> None:
    torch.save({"model": as_tensors(weights_of(model))}, path, _use_new_zipfile_serialization=False)


def write_paddle(path: Path, model: str) -> None:
    write_checkpoint(path, convert_state_dict(SPEC, weights_of(model)), framework="paddle", force=True)


def write_safetensors(path: Path, model: str) -> None:
    save_file(as_tensors(weights_of(model)), path, metadata={"format": "pt"})


def write_index(path: Path, model: str) -> None:
    write_safetensors(path.with_name(SHARD), model)
    path.write_text(json.dumps({"weight_map": dict.fromkeys(weights_of(model), SHARD)}))


# Name of the source, of the file in it that changes, and what writes it.
CONTAINERS: dict[str, tuple[str, str, Callable[[Path, str], None]]] = {
    "torch zip": ("x.pth", "x.pth", write_torch),
    "torch legacy": ("x.pth", "x.pth", write_legacy),
    "safetensors": ("x.safetensors", "x.safetensors", write_safetensors),
    "sharded safetensors": ("x.safetensors.index.json", SHARD, write_index),
    "paddle pickle": ("x.pdparams", "x.pdparams", write_paddle),
}
