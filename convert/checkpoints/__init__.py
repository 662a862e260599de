"""Checkpoint files: reading one never runs what it carries, writing one gives the same bytes for the same tensors."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convert.checkpoints.reading import Checkpoint, read_checkpoint
    from convert.checkpoints.writing import write_checkpoint, write_pdparams

__all__ = [
    "Checkpoint",
    "read_checkpoint",
    "write_checkpoint",
    "write_pdparams",
]

# Where each of them lives; loaded on first use, so that whoever asks for the containers' names waits for no numpy.
_PUBLIC = {
    "Checkpoint": "convert.checkpoints.reading",
    "read_checkpoint": "convert.checkpoints.reading",
    "write_checkpoint": "convert.checkpoints.writing",
    "write_pdparams": "convert.checkpoints.writing",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'convert.checkpoints' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
