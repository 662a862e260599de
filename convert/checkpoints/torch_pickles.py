"""Stand-ins for the globals that rebuild tensors, as PyTorch's files name them.

Arguments of each: torch/_utils.py of https://github.com/pytorch/pytorch at v2.14.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16
from convert.checkpoints.numpy_pickles import NUMPY_GLOBALS, PickledArray
from convert.checkpoints.pickle_globals import (
    Global,
    Globals,
    Inert,
    OrderedDict,
    check_attributes,
    new_ordered_dict,
    table_of,
)
from convert.checkpoints.views import checked_shape
from convert.params import Shape
from convert.storage import Storage
from convert.stored import StoredArray

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

# Storages of other numbers, and how many bytes each of those takes: they may stand beside the weights.
OTHER_STORAGES = {
    "ComplexDoubleStorage": 16,
    "ComplexFloatStorage": 8,
    "QInt8Storage": 1,
    "QInt32Storage": 4,
    "QUInt8Storage": 1,
    "QUInt4x2Storage": 1,
    "QUInt2x4Storage": 1,
}
PLAIN = (int, float, str, bool, type(None))

# Attributes of a tensor to which a value can be given that the tensor then has.
VALUES_OF_A_TENSOR = ("data", "real", "imag")

MAX_SAVED = 1_000_000_000  # elements of an expanded tensor that its author can save whole

BIG_ENDIAN = "written on a big-endian machine, which is not supported; save it anew on a little-endian one"


@dataclass(frozen=True)
class StorageRef:
    """A storage that the pickle names; its bytes lie elsewhere in the file.

    Attributes:
        key: its name in the file.
        kind: of storage, by PyTorch's name.
        dtype: of its elements; bytes without a meaning where they are no plain numbers.
        numel: how many elements the pickle says it has.
    """

    key: str
    kind: str
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
            advice = "; save tensor.contiguous()" if 0 in self.stride and numel <= MAX_SAVED else ""
            raise ValueError(f"shape {self.shape} has {numel} elements, its storage carries {available}{advice}")
        if numel == 0:
            return StoredArray.over(storage, dtype, self.shape)
        if last >= available:
            raise ValueError(f"shape {self.shape} reaches element {last}, its storage ends at {available}")
        # The stride of an axis of one element means nothing, and may be more than a machine's word holds.
        strides = tuple(stride if size > 1 else 1 for size, stride in zip(self.shape, self.stride, strict=True))
        return StoredArray(storage, dtype, self.shape, strides, self.offset, dtype)


class StorageRefs:
    """The storages that a pickle names.

    Args:
        parts: how many a persistent id has: five, or six where it ends with the view of a storage.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.refs: dict[str, StorageRef] = {}

    def load(self, identifier: Any) -> StorageRef:
        """A storage from ('storage', type, key, location, number of elements); else a ValueError."""
        ref = self._ref(identifier)
        if self.refs.setdefault(ref.key, ref) != ref:
            raise ValueError("a storage of two sizes or dtypes")
        return ref

    def _ref(self, identifier: Any) -> StorageRef:
        if not isinstance(identifier, tuple) or len(identifier) != self.parts or identifier[0] != "storage":
            raise ValueError("no ('storage', type, key, location, numel)")
        if identifier[5:] not in ((), (None,)):  # its offset would have to be added
            raise ValueError("a view of another storage, as torch before 0.4 wrote")
        kind, key, location, numel = identifier[1:5]
        if not isinstance(kind, Global) or not kind.name.endswith("Storage"):
            raise ValueError("a storage of unknown type")
        if not isinstance(key, str) or type(numel) is not int or numel < 0:
            raise ValueError("a storage without key or size")
        if not isinstance(location, str):
            raise ValueError("a storage of no device")
        return StorageRef(key, kind.full_name, _dtype_of(kind.name), numel)


def _dtype_of(kind: str) -> np.dtype[Any]:
    return STORAGE_DTYPES[kind] if kind in STORAGE_DTYPES else np.dtype((np.void, OTHER_STORAGES[kind]))


def is_tensor(value: Any) -> bool:
    """Whether a value of PyTorch's files is a tensor, or an array of numpy."""
    return value.is_finished if isinstance(value, PickledArray) else isinstance(value, TensorRef)


def _rebuild_tensor(arguments: tuple[Any, ...]) -> TensorRef:
    storage, offset, shape, stride, *rest = arguments
    if not isinstance(storage, StorageRef) or type(offset) is not int or offset < 0:
        raise ValueError("no storage, or an offset below 0")
    if storage.kind.rpartition(".")[2] not in STORAGE_DTYPES:
        raise ValueError(f"numbers of a {storage.kind}")
    shape, stride = checked_shape(shape), checked_shape(stride)
    if len(shape) != len(stride):
        raise ValueError("shape and stride of different length")
    _check_flags(*rest[:2])
    if len(rest) > 3:
        raise ValueError(f"{len(arguments)} arguments")
    if rest[2:] not in ([], [None], [{}]):  # {'neg': True}, say: the values are kept with the other sign
        raise ValueError("metadata that changes its values; save tensor.resolve_neg().resolve_conj()")
    return TensorRef(storage, offset, shape, stride)


def _check_flags(*flags: Any) -> None:
    if len(flags) != 2:
        raise ValueError("no requires_grad, or no hooks")
    requires_grad, hooks = flags
    if not isinstance(requires_grad, bool):
        raise ValueError("a requires_grad that is neither True nor False")
    if not isinstance(hooks, OrderedDict) or hooks:
        raise ValueError("hooks")


def _rebuild_parameter(arguments: tuple[Any, ...]) -> TensorRef:
    if not arguments or not isinstance(arguments[0], TensorRef):
        raise ValueError("no tensor")
    _check_flags(*arguments[1:])
    return arguments[0]


def _rebuild_parameter_with_state(arguments: tuple[Any, ...]) -> TensorRef:
    """A parameter that its author gave attributes, which say nothing of its values."""
    *parameter, state = arguments
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    check_attributes(attributes, VALUES_OF_A_TENSOR)
    if slots is not None or not all(isinstance(value, PLAIN) for value in attributes.values()):
        raise ValueError("attributes that are more than plain values")
    return _rebuild_parameter(tuple(parameter))


def _table() -> Globals:
    rows = [Global("torch", name) for name in (*STORAGE_DTYPES, *OTHER_STORAGES)]
    rows += [
        Global("torch._utils", "_rebuild_tensor_v2", _rebuild_tensor),
        Global("torch._utils", "_rebuild_parameter", _rebuild_parameter),
        Global("torch._utils", "_rebuild_parameter_with_state", _rebuild_parameter_with_state),
        Global("collections", "OrderedDict", new_ordered_dict, is_class=True),
        # Training checkpoints keep a best accuracy, which numpy computed, beside the weights.
        Global("numpy.core.multiarray", "scalar", lambda _: Inert()),
        Global("numpy._core.multiarray", "scalar", lambda _: Inert()),
        # Every checkpoint of the official training code has its command line under `args`.
        Global("argparse", "Namespace", lambda _: Inert(), is_class=True),
    ]
    return {**table_of(rows), **NUMPY_GLOBALS}


TORCH_GLOBALS = _table()
