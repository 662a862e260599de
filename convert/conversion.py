"""What a conversion does to each tensor, and what it has written."""

from __future__ import annotations

from dataclasses import dataclass

from convert.checkpoints.atomic import Written


@dataclass(frozen=True)
class TensorStep:
    """What happens to one tensor.

    Attributes:
        source: key in the source file; "" for a tensor that is made here.
        source_shape: shape there.
        operations: in order; empty for a plain copy.
        target: key in the target file.
        target_shape: shape there.
    """

    source: str
    source_shape: tuple[int, ...]
    operations: tuple[str, ...]
    target: str
    target_shape: tuple[int, ...]


@dataclass(frozen=True)
class Conversion(Written):
    """A target that was written, and what it was made of.

    Attributes:
        sources: SHA-256 of the source and, where that is an index, of each shard; empty where they were not asked for.
        tensors: one digest of all tensors, whatever their container, order or layout; empty likewise.
    """

    sources: tuple[str, ...] = ()
    tensors: str = ""
