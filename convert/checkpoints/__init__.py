"""Checkpoint files: reading one never runs what it carries, writing one gives the same bytes for the same tensors."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Where each name lives; loaded on first use, so that whoever asks what containers there are waits for no numpy.
_PUBLIC = {
    "Checkpoint": "convert.checkpoints.reading",
    "Written": "convert.checkpoints.atomic",
    "read_checkpoint": "convert.checkpoints.reading",
    "write_checkpoint": "convert.checkpoints.writing",
    "write_pdparams": "convert.checkpoints.writing",
}
__all__ = list(_PUBLIC)

if TYPE_CHECKING:  # the same names once more, for type checkers and editors
    from convert.checkpoints.atomic import Written as Written
    from convert.checkpoints.reading import Checkpoint as Checkpoint
    from convert.checkpoints.reading import read_checkpoint as read_checkpoint
    from convert.checkpoints.writing import write_checkpoint as write_checkpoint
    from convert.checkpoints.writing import write_pdparams as write_pdparams
else:  # a type checker that saw this would take any name for public

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'convert.checkpoints' has no attribute {name!r}")
        return getattr(importlib.import_module(_PUBLIC[name]), name)
