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

# What numpy writes behind the byte order of a plain number: no fields, names or shape of its own, the usual size and
# alignment, and no flag.
PLAIN_STATE = (None, None, None, -1, -1, 0)


class PickledDtype(Built):
    """A numeric dtype; its state says in which byte order."""

    def __init__(self, code: str) -> None:
        super().__init__(self._set_state)
        self.code = code
        self.byte_order = ""

    def _set_state(self, state: Any) -> None:
        if self.byte_order:  # the arrays that were made of it would change
            raise ValueError("a dtype that is set again")
        order = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
        if not isinstance(order, str) or order not in ("<", "|", ">"):
            raise ValueError("a dtype of unknown byte order")
        if any(part is not None for part in state[2:5]):
            raise ValueError("a structured dtype")
        if not _same(state, (3, order, *PLAIN_STATE)) or (order == "|") != self.code.endswith("1"):
            raise ValueError("a dtype that is more than a plain number")
        self.byte_order = order

    def dtype(self) -> np.dtype[np.generic]:
        if not self.byte_order or self.refusal:
            raise ValueError("a dtype without a byte order")
        return np.dtype(self.byte_order + self.code)


class PickledArray(Built):
    """An array: empty until its state names shape, dtype, order and bytes."""

    def __init__(self) -> None:
        super().__init__(self._set_state)
        self.array: StoredArray | None = None

    def _set_state(self, state: Any) -> None:
        if self.array is not None:
            raise ValueError("an array that is set again")
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("no (version, shape, dtype, fortran, bytes)")
        version, shape, dtype, fortran, data = state
        if not isinstance(dtype, PickledDtype) or not isinstance(data, Stretch):
            raise ValueError("an array of objects instead of numbers")
        if not _same(version, 1):
            raise ValueError("an array of another version than 1")
        if not isinstance(fortran, bool):
            raise ValueError("an order that is neither True nor False")
        self.array = view_array(data, dtype.dtype(), checked_shape(shape), fortran=fortran)

    @property
    def is_finished(self) -> bool:
        """Whether it has its values, and nothing was wrong with them."""
        return self.array is not None and not self.refusal

    def finished(self) -> StoredArray:
        """The array with its values."""
        assert self.array is not None
        return self.array


def _same(actual: Any, expected: Any) -> bool:
    """Whether they are equal and of the same types, which `True == 1` are not."""
    if isinstance(expected, tuple):
        same_length = isinstance(actual, tuple) and len(actual) == len(expected)
        return same_length and all(map(_same, actual, expected))
    return type(actual) is type(expected) and bool(actual == expected)


def _reconstruct(arguments: tuple[Any, ...]) -> PickledArray:
    if len(arguments) != 3 or not isinstance(arguments[0], Global) or arguments[0].name != "ndarray":
        raise ValueError("not numpy.ndarray")
    if not _same(arguments[1], (0,)):  # a shape here is memory that numpy would take before the array's bytes are seen
        raise ValueError("an array that is not empty at first")
    code = arguments[2]
    if not isinstance(code, Stretch) or code.nbytes != 1 or bytes(code.read(0, 1)) != b"b":
        raise ValueError("an array that is not of bytes at first")
    return PickledArray()


def _dtype(arguments: tuple[Any, ...]) -> PickledDtype:
    code = arguments[0] if arguments else None
    if not isinstance(code, str) or code not in PLAIN_DTYPES:
        raise ValueError("a dtype that is no plain number")
    if arguments[1:] != (False, True):  # numpy before 1.20 wrote 0 and 1
        raise ValueError("a dtype that is aligned, or no copy")
    return PickledDtype(code)


def _encode(arguments: tuple[Any, ...]) -> Stretch:
    """Protocol 2 has no opcode for bytes: they are text, to be encoded as latin1."""
    text, codec = arguments
    if not isinstance(text, str) or not isinstance(codec, str) or codec not in ("latin1", "latin-1"):
        raise ValueError("an encoding other than latin1")
    return held(text.encode("latin1"))


def _empty_bytes(arguments: tuple[Any, ...]) -> Stretch:
    """Protocol 2 writes the bytes of an array without elements as a call of bytes without arguments."""
    if arguments:
        raise ValueError("bytes of something")
    return held(b"")


def _table() -> Globals:
    rows = [
        Global("numpy", "ndarray"),
        Global("numpy", "dtype", _dtype, is_class=True),
        Global("_codecs", "encode", _encode),
    ]
    rows += [Global(module, "bytes", _empty_bytes, is_class=True) for module in ("__builtin__", "builtins")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        rows.append(Global(module, "_reconstruct", _reconstruct))
    return table_of(rows)


NUMPY_GLOBALS = _table()
