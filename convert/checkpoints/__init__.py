"""Checkpoint files: reading one never runs what it carries, writing one gives the same bytes for the same tensors."""

from __future__ import annotations

from convert.checkpoints.atomic import Written, check_target
from convert.checkpoints.containers import PADDLE_PICKLE, SAFETENSORS, TORCH_CONTAINERS, TORCH_ZIP
from convert.checkpoints.reading import Checkpoint, read_checkpoint
from convert.checkpoints.writing import write_checkpoint, write_pdparams
from convert.digest import sha256_of

__all__ = [
    "PADDLE_PICKLE",
    "SAFETENSORS",
    "TORCH_CONTAINERS",
    "TORCH_ZIP",
    "Checkpoint",
    "Written",
    "check_target",
    "read_checkpoint",
    "sha256_of",
    "write_checkpoint",
    "write_pdparams",
]
