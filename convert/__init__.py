"""Carries ConvNeXt weights from PyTorch to PaddlePaddle. Needs neither framework.

from convert import convert_state_dict, get_spec
paddle_arrays = convert_state_dict(get_spec("convnext_tiny"), torch_arrays)
"""

from __future__ import annotations

import importlib
from typing import Any

from convert.version import __version__ as __version__

# Where each public name lives; loaded on first use, so that `convert --help` waits for nothing.
_PUBLIC = {
    "ARCHS": "convert.archs",
    "get_spec": "convert.archs",
    "FerryError": "convert.errors",
    "read_checkpoint": "convert.checkpoints",
    "write_pdparams": "convert.checkpoints",
    "convert_state_dict": "convert.state_dict",
    "restore_state_dict": "convert.state_dict",
    "write_checkpoint": "convert.checkpoints",
}
__all__ = list(_PUBLIC)
DISTRIBUTION = "paddleferry"  # convert/ownership.py looks for it


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'convert' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
