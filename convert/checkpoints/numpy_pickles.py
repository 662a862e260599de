"""Stand-ins for the globals that rebuild numpy arrays and scalars, as Paddle's files name them.

The shape of a pickled array: numpy/_core/src/multiarray/methods.c, `array_reduce` and `array_setstate`, of
https://github.com/numpy/numpy at v2.4.6; of a dtype: numpy/_core/src/multiarray/descriptor.c, `arraydescr_setstate`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convert.checkpoints.pickle_globals import Built, Global, Globals, table_of
from convert.checkpoints.views import checked_shape, view_array
from convert.files import Stretch, held
from convert.stored import StoredArray

PLAIN_DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


class PickledDtype(Built):
    """A numeric dtype; its state says in which byte order."""

    def __init__(self, code: str) -> None:
        super().__init__(self._set_state)
        self.code = code
        self.byte_order = "<"

    def _set_state(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
        if order not in ("<", "|", ">"):
            raise ValueError("a dtype of unknown byte order")
        if any(part is not None for part in state[2:5]):
            raise ValueError("a structured dtype")
        self.byte_order = order

    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.byte_order + self.code)


class PickledArray(Built):
    """An array: empty until its state names shape, dtype, order and bytes."""

    def __init__(self) -> None:
        super().__init__(self._set_state)
        self.array: StoredArray | None = None

    def _set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("no (version, shape, dtype, fortran, bytes)")
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, PickledDtype) or not isinstance(data, Stretch):
            raise ValueError("an array of objects instead of numbers")
        self.array = view_array(data, dtype.dtype(), checked_shape(shape), fortran=fortran is True)


def _reconstruct(arguments: tuple[Any, ...]) -> PickledArray:
    if len(arguments) != 3 or not isinstance(arguments[0], Global) or arguments[0].name != "ndarray":
        raise ValueError("not numpy.ndarray")
    if arguments[1] != (0,):  # a shape here is memory that numpy would take before the array's bytes are seen
        raise ValueError("an array that is not empty at first")
    return PickledArray()


def _dtype(arguments: tuple[Any, ...]) -> PickledDtype:
    if not arguments or arguments[0] not in PLAIN_DTYPES:
        raise ValueError("a dtype that is no plain number")
    return PickledDtype(arguments[0])


def _encode(arguments: tuple[Any, ...]) -> Stretch:
    """Protocol 2 has no opcode for bytes: they are text, to be encoded as latin1."""
    text, codec = arguments
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise ValueError("an encoding other than latin1")
    return held(text.encode("latin1"))


def _empty_bytes(arguments: tuple[Any, ...]) -> Stretch:
    """Protocol 2 writes the bytes of an array without elements as a call of bytes without arguments."""
    if arguments:
        raise ValueError("bytes of something")
    return held(b"")


def _table() -> Globals:
    rows = [Global("numpy", "ndarray"), Global("numpy", "dtype", _dtype), Global("_codecs", "encode", _encode)]
    rows += [Global(module, "bytes", _empty_bytes) for module in ("__builtin__", "builtins")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        rows.append(Global(module, "_reconstruct", _reconstruct))
    return table_of(rows)


NUMPY_GLOBALS = _table()
