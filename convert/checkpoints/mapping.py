"""Mapping a file into memory."""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

from convert.errors import CheckpointError


def map_file(path: Path) -> memoryview:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe may wait for ever
        raise CheckpointError("is a pipe or a device, not a file; save it to the disk first")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CheckpointError("is empty (0 bytes); the download may have failed, fetch it again")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
