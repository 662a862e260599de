"""PyTorch's container before 1.6: pickles of a magic number, a version, the machine, the object and the storages' keys,
then each storage as a count and its bytes. No checksum.

Written by `_legacy_save` of torch/serialization.py of https://github.com/pytorch/pytorch at v2.14.0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from convert.checkpoints.contents import Contents
from convert.checkpoints.numpy_pickles import PickledArray
from convert.checkpoints.pickle_globals import OTHER_TENSORS, refusing
from convert.checkpoints.pickle_objects import ObjectMachine
from convert.checkpoints.torch_pickles import (
    BIG_ENDIAN,
    TORCH_GLOBALS,
    StorageRefs,
    TensorRef,
    is_tensor,
)
from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import ByteFile, Stretch, whole
from convert.storage import Storage
from convert.stored import StoredArray

PROTOCOL = 1001
COUNT = struct.Struct("<q")


def open_torch_legacy(file: ByteFile) -> Contents:
    """The pickled object, every tensor in it a `TensorRef`; the errors are those of `TorchLegacy`."""
    legacy = TorchLegacy(file)
    return Contents(legacy.content, is_tensor, legacy.tensors, beside=legacy.beside)


class TorchLegacy:
    """The storages of one legacy file.

    Args:
        file: that they lie in.

    Raises:
        CheckpointError: cut short, of another version or byte order.
        RefusedCheckpoint: anything but tensors in it.
    """

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self._named = StorageRefs(parts=6)
        machine = ObjectMachine(whole(file), TORCH_GLOBALS, load_persistent=self._named.load)
        machine.run()  # torch's magic number, by which the file was recognised
        if machine.run(machine.position) != PROTOCOL:
            raise CheckpointError("a legacy file of torch.save of an unknown version; save it anew with torch.save")
        system = machine.run(machine.position)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise CheckpointError(BIG_ENDIAN)
        self.content = machine.run(machine.position)
        self.beside = tuple(machine.beside)
        self._storages = self._locate(machine.run(machine.position), machine.position)

    def tensors(self, refs: Mapping[str, TensorRef | PickledArray]) -> dict[str, StoredArray]:
        """The tensors over the file's bytes, which are not read yet; a CheckpointError if a storage is not there."""
        return {name: self._tensor(ref) for name, ref in refs.items()}

    def _tensor(self, ref: TensorRef | PickledArray) -> StoredArray:
        if isinstance(ref, PickledArray):
            return ref.finished()
        if ref.storage.key not in self._storages:
            raise CheckpointError(f"the file lacks storage {shown(ref.storage.key)}; fetch the file again")
        return ref.view(self._storages[ref.storage.key])

    def _locate(self, keys: Any, position: int) -> dict[str, Storage]:
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise RefusedCheckpoint("the legacy file has no list of storages")
        storages: dict[str, Storage] = {}
        for key in keys:
            ref = self._named.refs.get(key)
            if ref is None and (kind := next(filter(None, map(OTHER_TENSORS.get, self.beside)), "")):
                raise refusing(f"the file holds {kind}")
            if ref is None or key in storages:
                raise RefusedCheckpoint(f"storage {shown(key)} is listed, but no tensor uses it or it is listed twice")
            start = position + COUNT.size
            nbytes = ref.numel * ref.dtype.itemsize
            if start + nbytes > self.file.size:
                raise CheckpointError(f"the file is cut short within storage {shown(key)}; fetch it again")
            if COUNT.unpack(self.file.read(position, COUNT.size)) != (ref.numel,):
                raise CheckpointError(
                    f"storage {shown(key)} is damaged: its count is not {ref.numel}; fetch the file again"
                )
            storages[key] = Storage(Stretch(self.file, start, nbytes))
            position = start + nbytes
        if position != self.file.size:
            raise CheckpointError(f"{self.file.size - position} bytes follow the last storage; fetch the file again")
        return storages
