"""Carries ConvNeXt weights from PyTorch to PaddlePaddle. Needs neither framework.

From file to file, as the command does it:

    from convert import Job

    job = Job.read("convnext_tiny", "x.pth")
    job.write("x.pdparams")

From state dict to state dict:

    from convert import convert_state_dict, get_spec, read_checkpoint

    torch_arrays = read_checkpoint("x.pth").tensors
    paddle_arrays = convert_state_dict(get_spec("convnext_tiny"), torch_arrays)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from convert.version import __version__ as __version__

# Where each public name lives; loaded on first use, so that `convert --help` waits for nothing.
_PUBLIC = {
    "ARCHS": "convert.archs",
    "ArchSpec": "convert.archs",
    "get_spec": "convert.archs",
    "Checkpoint": "convert.checkpoints",
    "Written": "convert.checkpoints",
    "read_checkpoint": "convert.checkpoints",
    "write_checkpoint": "convert.checkpoints",
    "write_pdparams": "convert.checkpoints",
    "CheckpointError": "convert.errors",
    "CheckpointMismatch": "convert.errors",
    "FerryError": "convert.errors",
    "RefusedCheckpoint": "convert.errors",
    "TableError": "convert.errors",
    "TargetError": "convert.errors",
    "UnknownArch": "convert.errors",
    "Job": "convert.job",
    "Options": "convert.job",
    "Table": "convert.tables",
    "TableSpec": "convert.tables",
    "format_table": "convert.tables",
    "read_table": "convert.tables",
    "convert_state_dict": "convert.state_dict",
    "restore_state_dict": "convert.state_dict",
}
__all__ = list(_PUBLIC)
DISTRIBUTION = "paddleferry"  # convert/ownership.py looks for it

if TYPE_CHECKING:  # the same names once more, for type checkers and editors
    from convert.archs import ARCHS as ARCHS
    from convert.archs import ArchSpec as ArchSpec
    from convert.archs import get_spec as get_spec
    from convert.checkpoints import Checkpoint as Checkpoint
    from convert.checkpoints import Written as Written
    from convert.checkpoints import read_checkpoint as read_checkpoint
    from convert.checkpoints import write_checkpoint as write_checkpoint
    from convert.checkpoints import write_pdparams as write_pdparams
    from convert.errors import CheckpointError as CheckpointError
    from convert.errors import CheckpointMismatch as CheckpointMismatch
    from convert.errors import FerryError as FerryError
    from convert.errors import RefusedCheckpoint as RefusedCheckpoint
    from convert.errors import TableError as TableError
    from convert.errors import TargetError as TargetError
    from convert.errors import UnknownArch as UnknownArch
    from convert.job import Job as Job
    from convert.job import Options as Options
    from convert.state_dict import convert_state_dict as convert_state_dict
    from convert.state_dict import restore_state_dict as restore_state_dict
    from convert.tables import Table as Table
    from convert.tables import TableSpec as TableSpec
    from convert.tables import format_table as format_table
    from convert.tables import read_table as read_table
else:  # a type checker that saw this would take any name for public

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'convert' has no attribute {name!r}")
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
