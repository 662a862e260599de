"""PyTorch's container before 1.6: pickles of a magic number, a version, the machine, the object and the storages' keys,
then each storage as a count and its bytes. No checksum.

Written by `_legacy_save` of torch/serialization.py of https://github.com/pytorch/pytorch at v2.14.0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.arrays import Array
from convert.checkpoints.contents import Contents
from convert.checkpoints.pickle_machine import PickleMachine
from convert.checkpoints.torch_pickles import (
    BIG_ENDIAN,
    TORCH_GLOBALS,
    StorageRef,
    TensorRef,
    is_tensor,
    load_persistent,
)
from convert.errors import CheckpointError, RefusedCheckpoint, shown

PROTOCOL = 1001
COUNT = struct.Struct("<q")


def open_torch_legacy(_path: Path, buffer: memoryview) -> Contents:
    """The pickled object, every tensor in it a `TensorRef`; the errors are those of `TorchLegacy`."""
    legacy = TorchLegacy(buffer)
    return Contents(legacy.content, is_tensor, legacy.tensors)


class TorchLegacy:
    """The storages of one legacy file over a buffer.

    Args:
        buffer: the whole file.

    Raises:
        CheckpointError: cut short, of another version or byte order.
        RefusedCheckpoint: anything but tensors in it.
    """

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer
        self._refs: dict[str, StorageRef] = {}
        machine = PickleMachine(buffer, TORCH_GLOBALS, load_persistent=self._load_persistent)
        machine.run()  # torch's magic number, by which the file was recognised
        if machine.run(machine.position) != PROTOCOL:
            raise CheckpointError("a legacy file of torch.save of an unknown version; save it anew with torch.save")
        system = machine.run(machine.position)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise CheckpointError(BIG_ENDIAN)
        self.content = machine.run(machine.position)
        self._storages = self._locate(machine.run(machine.position), machine.position)

    def tensors(self, refs: Mapping[str, TensorRef]) -> dict[str, Array]:
        """The tensors over the file's bytes, without a copy; a CheckpointError if a storage is not there."""
        return {name: self._tensor(ref) for name, ref in refs.items()}

    def _tensor(self, ref: TensorRef) -> Array:
        if ref.storage.key not in self._storages:
            raise CheckpointError(f"the file lacks storage {shown(ref.storage.key)}; fetch the file again")
        return ref.view(self._storages[ref.storage.key])

    def _load_persistent(self, identifier: Any) -> StorageRef:
        ref = load_persistent(identifier)
        if self._refs.setdefault(ref.key, ref) != ref:
            raise ValueError("a storage of two sizes")
        return ref

    def _locate(self, keys: Any, position: int) -> dict[str, memoryview]:
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise RefusedCheckpoint("the legacy file has no list of storages")
        storages: dict[str, memoryview] = {}
        for key in keys:
            ref = self._refs.get(key)
            if ref is None or key in storages:
                raise RefusedCheckpoint(f"storage {shown(key)} is listed, but no tensor uses it or it is listed twice")
            start = position + COUNT.size
            data = self.buffer[start : start + ref.numel * ref.dtype.itemsize]
            if data.nbytes != ref.numel * ref.dtype.itemsize:
                raise CheckpointError(f"the file is cut short within storage {shown(key)}; fetch it again")
            if COUNT.unpack(self.buffer[position:start]) != (ref.numel,):
                raise CheckpointError(
                    f"storage {shown(key)} is damaged: its count is not {ref.numel}; fetch the file again"
                )
            storages[key] = data
            position = start + data.nbytes
        if position != len(self.buffer):
            raise CheckpointError(f"{len(self.buffer) - position} bytes follow the last storage; fetch the file again")
        return storages
