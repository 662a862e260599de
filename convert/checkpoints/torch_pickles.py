"""Stand-ins for the globals that rebuild tensors, as PyTorch's files name them.

Arguments of each: torch/_utils.py of https://github.com/pytorch/pytorch at v2.14.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16
from convert.checkpoints.numpy_pickles import NUMPY_GLOBALS
from convert.checkpoints.pickle_globals import Global, Globals, Inert, table_of
from convert.checkpoints.views import checked_shape
from convert.params import Shape
from convert.stored import Storage, StoredArray

STORAGE_DTYPES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}

BIG_ENDIAN = "written on a big-endian machine, which is not supported; save it anew on a little-endian one"


@dataclass(frozen=True)
class StorageRef:
    """A storage that the pickle names; its bytes lie elsewhere in the file.

    Attributes:
        key: its name in the file.
        dtype: of its elements.
        numel: how many elements the pickle says it has.
    """

    key: str
    dtype: np.dtype[Any]
    numel: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor as the pickle describes it: a window on a storage. Offset and stride count elements."""

    storage: StorageRef
    offset: int
    shape: Shape
    stride: Shape

    def view(self, storage: Storage) -> StoredArray:
        """The tensor over its storage's bytes, which are not read yet.

        Raises:
            ValueError: the window reaches beyond the storage, or repeats elements (a stride of 0 lets a file of a
                few bytes describe any size).
        """
        dtype = self.storage.dtype
        available = storage.nbytes // dtype.itemsize
        numel, last = 1, self.offset
        for size, stride in zip(self.shape, self.stride, strict=True):
            numel *= size
            last += (size - 1) * stride
        if numel > available:
            raise ValueError(f"shape {self.shape} has {numel} elements, its storage carries {available}")
        if numel == 0:
            return StoredArray.over(storage, dtype, self.shape)
        if last >= available:
            raise ValueError(f"shape {self.shape} reaches element {last}, its storage ends at {available}")
        # The stride of an axis of one element means nothing, and may be more than a machine's word holds.
        strides = tuple(stride if size > 1 else 1 for size, stride in zip(self.shape, self.stride, strict=True))
        return StoredArray(storage, dtype, self.shape, strides, self.offset, dtype)


def is_tensor(value: Any) -> bool:
    """Whether a value of PyTorch's files is a tensor; an array of numpy, which they may hold too, is none."""
    return isinstance(value, TensorRef)


def load_persistent(identifier: Any) -> StorageRef:
    """A storage from ('storage', type, key, location, number of elements); else a ValueError."""
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise ValueError("no ('storage', type, key, location, numel)")
    if identifier[5:] not in ((), (None,)):  # its offset would have to be added
        raise ValueError("a view of another storage, as torch before 0.4 wrote")
    kind, key, numel = identifier[1], identifier[2], identifier[4]
    if not isinstance(kind, Global) or kind.name not in STORAGE_DTYPES:
        raise ValueError("a storage of unknown type")
    if not isinstance(key, str) or type(numel) is not int or numel < 0:
        raise ValueError("a storage without key or size")
    return StorageRef(key, STORAGE_DTYPES[kind.name], numel)


def _rebuild_tensor(arguments: tuple[Any, ...]) -> TensorRef:
    storage, offset, shape, stride = arguments[:4]
    if not isinstance(storage, StorageRef) or type(offset) is not int or offset < 0:
        raise ValueError("no storage, or an offset below 0")
    shape, stride = checked_shape(shape), checked_shape(stride)
    if len(shape) != len(stride):
        raise ValueError("shape and stride of different length")
    return TensorRef(storage, offset, shape, stride)


def _rebuild_parameter(arguments: tuple[Any, ...]) -> TensorRef:
    if not arguments or not isinstance(arguments[0], TensorRef):
        raise ValueError("no tensor")
    return arguments[0]


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise ValueError("pairs in the constructor")
    return {}


def _table() -> Globals:
    rows = [Global("torch", name) for name in STORAGE_DTYPES]
    rows += [
        Global("torch._utils", "_rebuild_tensor_v2", _rebuild_tensor),
        Global("torch._utils", "_rebuild_parameter", _rebuild_parameter),
        Global("collections", "OrderedDict", _ordered_dict),
        # Training checkpoints keep a best accuracy, which numpy computed, beside the weights.
        Global("numpy.core.multiarray", "scalar", lambda _: Inert()),
        Global("numpy._core.multiarray", "scalar", lambda _: Inert()),
        # Every checkpoint of the official training code has its command line under `args`.
        Global("argparse", "Namespace", lambda _: Inert()),
    ]
    return {**table_of(rows), **NUMPY_GLOBALS}


TORCH_GLOBALS = _table()
