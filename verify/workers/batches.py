"""Batches in memory that several processes see.

The memory is a file that has no name and lies on no disk (memfd_create of Linux): neither the 64 MB that a container
gives /dev/shm nor a read-only root is in its way. All of it is taken when it is made, so that a lack is an error then,
not a signal later.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from types import TracebackType

import numpy as np

from convert.arrays import Array
from convert.errors import FerryError
from verify.workers.messages import BatchRef

HELP = "a smaller --batch-size needs less; docker's --shm-size, or ulimit -f and -v, may give more"
DISK_MEMORY = Path("/dev/shm")  # noqa: S108 - where memory looks like a disk, a file with a name is the second choice

_numbers = count()


class SharedBatch:
    """Room for one batch that every process sees. Use as a context manager.

    Args:
        nbytes: of the largest batch.

    Raises:
        FerryError: there is no such room.
    """

    def __init__(self, nbytes: int) -> None:
        self._file, self._memory = _reserve(max(nbytes, 1))

    def __enter__(self) -> SharedBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _unmap(self._memory)
        self._file.remove()

    @property
    def memory(self) -> str:
        """Where other processes find the memory."""
        return self._file.place

    def put(self, batch: Array) -> BatchRef:
        """Copies a batch (N, C, H, W) in, where it stays until the next one."""
        ref = self.ref(batch.shape, batch.dtype.name)
        self.view(ref)[...] = batch
        return ref

    def ref(self, shape: tuple[int, ...], dtype: str) -> BatchRef:
        """Where a batch of that shape (N, C, H, W) lies, whatever its values."""
        return BatchRef(self.memory, shape, dtype)

    def view(self, ref: BatchRef) -> Array:
        """The batch itself, not a copy; let go of it before leaving."""
        batch: Array = np.ndarray(ref.shape, ref.dtype, buffer=self._memory)
        return batch


class Attached:
    """What a process sees of other processes' batches. Use as a context manager."""

    def __init__(self) -> None:
        self._memories: dict[str, mmap.mmap] = {}

    def __enter__(self) -> Attached:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for memory in self._memories.values():
            _unmap(memory)

    def view(self, ref: BatchRef) -> Array:
        """The batch (N, C, H, W) itself, not a copy. Raises FerryError where it cannot be seen."""
        if ref.memory not in self._memories:
            self._memories[ref.memory] = _open(ref.memory)
        batch: Array = np.ndarray(ref.shape, ref.dtype, buffer=self._memories[ref.memory])
        return batch


def check_room(nbytes: int, batches: int) -> None:
    """Raises FerryError unless so many batches of that size can be held at once; none is kept."""
    with ExitStack() as stack:
        for _ in range(batches):
            stack.enter_context(SharedBatch(nbytes))


class _File:
    """A file of memory.

    Args:
        descriptor: of it, owned from now on.
        path: by which other processes may open it.
        named: whether that is a name that it would keep.

    Attributes:
        descriptor: as given.
        place: the path behind a number, for that of a descriptor may stand for another file later.
    """

    def __init__(self, descriptor: int, path: str, *, named: bool) -> None:
        self.descriptor = descriptor
        self.place = f"{next(_numbers)}:{path}"
        self._path = path
        self._named = named

    def remove(self) -> None:
        """Gives the room back."""
        os.close(self.descriptor)
        if self._named:
            Path(self._path).unlink(missing_ok=True)


def _reserve(nbytes: int) -> tuple[_File, mmap.mmap]:
    reasons: list[str] = []
    for make in (_make_unnamed, _make_in_memory, _make_on_disk):
        try:
            file = make()
            try:
                _take(file.descriptor, nbytes)
                return file, mmap.mmap(file.descriptor, nbytes)
            except BaseException:
                file.remove()
                raise
        except OSError as error:
            reasons.append(error.strerror or str(error))
    raise FerryError(f"there is no room for a batch of {nbytes:,} bytes that all processes see: {reasons[0]}; {HELP}")


def _make_unnamed() -> _File:
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    descriptor = os.memfd_create("paddleferry")
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    if not os.path.exists(path):  # noqa: PTH110 - /proc may not be there
        os.close(descriptor)
        raise OSError(errno.ENOENT, "there is no /proc")
    return _File(descriptor, path, named=False)


def _make_in_memory() -> _File:
    return _make_named(DISK_MEMORY)


def _make_on_disk() -> _File:
    return _make_named(None)


def _make_named(folder: Path | None) -> _File:
    descriptor, path = tempfile.mkstemp(prefix="paddleferry-", dir=folder)
    return _File(descriptor, path, named=True)


def _take(descriptor: int, nbytes: int) -> None:
    allocate: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
    if allocate:
        allocate(descriptor, 0, nbytes)
    else:  # macOS
        os.ftruncate(descriptor, nbytes)


def _open(place: str) -> mmap.mmap:
    path = place.partition(":")[2]
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise FerryError(f"the memory of a batch, {path}, cannot be seen from another process: {error}") from error


def _unmap(memory: mmap.mmap) -> None:
    with suppress(BufferError):  # somebody still looks at it; it goes with the last view
        memory.close()
