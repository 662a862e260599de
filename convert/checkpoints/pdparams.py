"""Paddle's `.pdparams`: one pickle of a dict from names to numpy arrays.

Read through the opcode interpreter; written by hand, opcode by opcode, so that the bytes depend on the tensors
alone. `paddle.save` names process-global tensors, and numpy's own pickles name a module that moved in numpy 2.
What paddle.load accepts: python/paddle/framework/io.py of https://github.com/PaddlePaddle/Paddle at v3.3.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convert.arrays import BFLOAT16, Tensor
from convert.buffers import Deferred
from convert.checkpoints.atomic import Chunk
from convert.checkpoints.contents import Contents
from convert.checkpoints.numpy_pickles import NUMPY_GLOBALS, PickledArray
from convert.checkpoints.pickle_globals import Global, new_ordered_dict, table_of
from convert.checkpoints.pickle_machine import PickleMachine
from convert.checkpoints.pickle_writing import pickled_ints, pickled_text
from convert.errors import RefusedCheckpoint, quoted
from convert.files import ByteFile, whole
from convert.frameworks import PADDLE
from convert.stored import StoredArray

NAME_TABLE = "StructuredToParameterName@@"  # of paddle.save: the auto-generated names; it holds no tensor
SLICES = "UnpackBigParamInfor@@"  # of paddle.save before protocol 4: which entries are the parts of a large tensor


def _named(arguments: tuple[Any, ...]) -> PickledArray:
    """The array of a pair (name, array), as Paddle stores each tensor of a dict that holds anything else beside."""
    ((name, array),) = arguments
    if not isinstance(name, str) or not isinstance(array, PickledArray):
        raise ValueError("no pair of a name and an array")
    return array


_ROWS = (
    Global("collections", "OrderedDict", new_ordered_dict, is_class=True),
    Global("builtins", "tuple", _named, is_class=True),
    Global("__builtin__", "tuple", _named, is_class=True),
)
_PADDLE_GLOBALS = {**NUMPY_GLOBALS, **table_of(_ROWS)}

_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + b"K\x00\x85" + b"C\x01b" + b"\x87R"
_DTYPE_STATE = b"(K\x03%sNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def open_pdparams(file: ByteFile) -> Contents:
    """The pickled object, every array in it a `PickledArray` over the file, the name table left out.

    Raises:
        RefusedCheckpoint: anything that is not a dict of names and numbers, or a list of such dicts.
    """
    machine = PickleMachine(whole(file), _PADDLE_GLOBALS)
    content = machine.run()
    if machine.position != file.size:
        raise RefusedCheckpoint(f"{file.size - machine.position} bytes follow the pickle's end; fetch the file again")
    if not isinstance(content, dict | list | tuple):
        raise RefusedCheckpoint(
            f"the pickle holds a {type(content).__name__}, not a dict of tensors; save model.state_dict()"
        )
    if isinstance(content, dict):
        _check_names(content)
        content.pop(NAME_TABLE, None)
    return Contents(content, _is_tensor, _arrays)


def pdparams_chunks(tensors: Mapping[str, Tensor], framework: str = PADDLE) -> list[Chunk]:
    """The file's bytes in order; a tensor is copied only when its chunk is made.

    Args:
        tensors: Paddle names to arrays in Paddle's layout; any strides. Written in the mapping's order.
        framework: "paddle"; there is no other.
    """
    assert framework == PADDLE
    return list(_chunks(tensors))


def _check_names(content: dict[Any, Any]) -> None:
    """Refuses what `paddle.load` would put tensors together by, and a table that it could not follow."""
    if SLICES in content:
        raise RefusedCheckpoint("tensors in slices, as paddle.save has them of 4 GB; save it with protocol=4")
    names = content.get(NAME_TABLE, {})
    if not isinstance(names, dict) or not all(isinstance(text, str) for item in names.items() for text in item):
        raise RefusedCheckpoint("a table of names that has more than texts; save model.state_dict()")
    if strange := [name for name in names if name not in content]:
        raise RefusedCheckpoint(f"a table of names for what is not there: {quoted(strange)}; fetch the file again")


def _is_tensor(value: Any) -> bool:
    return isinstance(value, PickledArray) and value.is_finished


def _arrays(state_dict: Mapping[str, Any]) -> dict[str, StoredArray]:
    return {name: value.finished() for name, value in state_dict.items()}


def _chunks(tensors: Mapping[str, Tensor]) -> Iterator[Chunk]:
    yield b"\x80\x04}"
    for name, array in tensors.items():
        yield pickled_text(name) + _RECONSTRUCT + b"(K\x01" + pickled_ints(array.shape) + _dtype(array.dtype) + b"\x89"
        yield b"\x8e" + struct.pack("<Q", array.nbytes)
        yield Deferred(array)
        yield b"tbs"
    yield b"."


def _dtype(dtype: np.dtype[Any]) -> bytes:
    order = "|" if dtype.itemsize == 1 else "<"
    code = "u2" if dtype == BFLOAT16 else dtype.str[1:]  # Paddle keeps bfloat16 as its bits
    return b"cnumpy\ndtype\n" + pickled_text(code) + b"\x89\x88\x87R" + _DTYPE_STATE % pickled_text(order)
