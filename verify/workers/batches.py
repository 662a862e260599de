"""Batches in memory that several processes see."""

from __future__ import annotations

from multiprocessing.shared_memory import SharedMemory
from types import TracebackType

import numpy as np

from convert.arrays import Array
from verify.workers.messages import BatchRef


class SharedBatch:
    """Room for one batch that every process sees. Use as a context manager.

    Args:
        nbytes: of the largest batch.
    """

    def __init__(self, nbytes: int) -> None:
        self.memory = SharedMemory(create=True, size=max(nbytes, 1))

    def __enter__(self) -> SharedBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.memory.close()
        self.memory.unlink()

    def put(self, batch: Array) -> BatchRef:
        """Copies a batch (N, C, H, W) in, where it stays until the next one."""
        ref = self.ref(batch.shape, batch.dtype.name)
        self.view(ref)[...] = batch
        return ref

    def ref(self, shape: tuple[int, ...], dtype: str) -> BatchRef:
        """Where a batch of that shape (N, C, H, W) lies, whatever its values."""
        return BatchRef(self.memory.name, shape, dtype)

    def view(self, ref: BatchRef) -> Array:
        """The batch itself, not a copy; let go of it before leaving."""
        batch: Array = np.ndarray(ref.shape, ref.dtype, buffer=self.memory.buf)
        return batch


class Attached:
    """What a process sees of other processes' batches. Use as a context manager."""

    def __init__(self) -> None:
        self._memories: dict[str, SharedMemory] = {}

    def __enter__(self) -> Attached:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for memory in self._memories.values():
            memory.close()

    def view(self, ref: BatchRef) -> Array:
        """The batch (N, C, H, W) itself, not a copy."""
        if ref.memory not in self._memories:
            self._memories[ref.memory] = SharedMemory(ref.memory)
        batch: Array = np.ndarray(ref.shape, ref.dtype, buffer=self._memories[ref.memory].buf)
        return batch
