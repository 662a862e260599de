"""What the reader of each container makes of a file, before a state dict is chosen in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.arrays import Array


@dataclass(frozen=True)
class Contents:
    """What a checkpoint file holds.

    Attributes:
        root: the object in it, whose tensors the container describes in its own way.
        is_tensor: whether a value in `root` describes a tensor.
        arrays: from names and such values to read-only arrays over the file's bytes, copied nowhere yet.
        shards: the files that hold the tensors, where the file is the index of a sharded one.
    """

    root: Any
    is_tensor: Callable[[Any], bool]
    arrays: Callable[[Mapping[str, Any]], dict[str, Array]]
    shards: tuple[Path, ...] = ()


def contents_of_arrays(tensors: Mapping[str, Array], shards: tuple[Path, ...] = ()) -> Contents:
    """What a file holds that has nothing but tensors in it, each an array already."""
    return Contents(tensors, lambda value: isinstance(value, np.ndarray), dict, shards)
