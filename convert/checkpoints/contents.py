"""What the reader of each container makes of a file, before a state dict is chosen in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convert.files import ByteFile
from convert.stored import StoredArray


@dataclass(frozen=True)
class Contents:
    """What a checkpoint file holds.

    Attributes:
        root: the object in it, whose tensors the container describes in its own way.
        is_tensor: whether a value in `root` describes a tensor.
        arrays: from names and such values to arrays whose values are still in the file.
        shards: the open files that hold the tensors, where the file is the index of a sharded one.
        beside: what kinds of objects stand beside the tensors and were not looked at, by the names of their classes.
        metadata: texts that the container keeps beside the tensors, by name.
        left_out: what stands among the tensors and is no weight by its type: names to what it is.
    """

    root: Any
    is_tensor: Callable[[Any], bool]
    arrays: Callable[[Mapping[str, Any]], dict[str, StoredArray]]
    shards: tuple[ByteFile, ...] = ()
    beside: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def contents_of_arrays(tensors: Mapping[str, Any], shards: tuple[ByteFile, ...] = ()) -> Contents:
    """What a file holds that has nothing but tensors in it, each an array already."""
    return Contents(tensors, lambda value: isinstance(value, StoredArray), dict, shards)
