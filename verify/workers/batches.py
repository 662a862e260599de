"""Batches in memory that several processes see."""

from __future__ import annotations

from multiprocessing.shared_memory import SharedMemory
from types import TracebackType

import numpy as np

from convert.arrays import Array
from verify.workers.messages import ForwardJob


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

    def put(self, batch: Array) -> ForwardJob:
        """Copies a batch (N, C, H, W) in; it stays until the next one."""
        job = self.job(batch.shape, batch.dtype.name)
        self.view(job)[...] = batch
        return job

    def job(self, shape: tuple[int, ...], dtype: str) -> ForwardJob:
        """A batch of that shape (N, C, H, W), whatever lies there."""
        return ForwardJob(self.memory.name, shape, dtype)

    def view(self, job: ForwardJob) -> Array:
        """The batch itself, not a copy; let go of it before leaving."""
        batch: Array = np.ndarray(job.shape, job.dtype, buffer=self.memory.buf)
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

    def view(self, job: ForwardJob) -> Array:
        """The batch (N, C, H, W) itself, not a copy."""
        if job.memory not in self._memories:
            self._memories[job.memory] = SharedMemory(job.memory)
        batch: Array = np.ndarray(job.shape, job.dtype, buffer=self._memories[job.memory].buf)
        return batch
