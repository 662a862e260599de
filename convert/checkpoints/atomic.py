"""Writing a file so that its name never stands for half of it."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from convert.buffers import Buffer, Deferred
from convert.checkpoints.replacement import end_of, flush, remove_leftovers, replacement_of
from convert.cores import THREADS
from convert.digest import sha256_of_open
from convert.errors import TargetError
from convert.paths import NO_PATH, is_possible
from convert.regular import kind_of

Chunk = bytes | memoryview | Deferred

# Bytes a write. The kernel takes as large a block of memory for its copy as the write is long; large ones have mostly
# never been touched, which on a virtual machine costs ten times the copying. Shorter writes (4 kB) cost more calls.
PIECE = 256 * 1024

# What file systems answer that cannot ask for the room at once.
NO_RESERVATION = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


@dataclass(frozen=True)
class Written:
    """A complete file.

    Attributes:
        path: where it stands.
        size: in bytes.
        sha256: of its content, hexadecimal; empty where it was not asked for.
        fsync_seconds: of the wait for the disk, which `cp` does not make.
        note: what went wrong when the file stood there already; empty if nothing did.
    """

    path: Path
    size: int
    sha256: str
    fsync_seconds: float = 0.0
    note: str = ""


def check_target(path: Path, *, force: bool) -> None:
    """Raises TargetError if that path cannot become a file, or is one already and `force` is not given."""
    if not is_possible(path):
        raise TargetError(f"{path}: {NO_PATH}")
    try:
        end = end_of(path)
        mode, exists, has_folder = _mode_of(end), os.path.lexists(path), end.parent.is_dir()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TargetError(f"{path}: cannot be written: {reason}") from error
    if stat.S_ISDIR(mode):
        raise TargetError(f"{path}: is a directory; name a file in it")
    if not has_folder:
        raise TargetError(f"{path}: the folder {end.parent} does not exist; create it first")
    if exists and not force:
        raise TargetError(f"{path}: exists already and was left as it is; --force replaces it")
    if mode and (kind := kind_of(mode)):
        raise TargetError(f"{path}: is {kind}, not a file, and was left as it is; choose another target")


def no_objection() -> None:
    """Lets a file take its name."""


def write_atomically(
    path: Path,
    chunks: Iterable[Chunk],
    *,
    force: bool = False,
    digest: bool = True,
    confirm: Callable[[], None] = no_objection,
) -> Written:
    """Writes the chunks to a temporary file beside the target, flushes it to the disk and renames it.

    What an earlier run that was killed left beside the target is removed; what a running one is writing is not. A file
    that is replaced hands on its mode, owner and group as far as is permitted; where the target is a link, the file at
    its end is replaced.

    Args:
        path: the target.
        chunks: the file's bytes in order.
        force: whether to replace an existing file.
        digest: whether to compute the file's SHA-256.
        confirm: called when all chunks were made, before the file takes the target's name; what it raises leaves the
            target as it was.

    Raises:
        TargetError: the target may not or cannot be written; whatever it was before, it still is.
    """
    check_target(path, force=force)
    try:
        remove_leftovers(path)
        with replacement_of(path) as replacement:
            written = _write(replacement.descriptor, path, chunks, digest=digest, confirm=confirm)
            check_target(path, force=force)
            replacement.take_over()
            note = replacement.put()
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from error
    return replace(written, note=note and f"{path}: is complete, but {note}")


def _mode_of(path: Path) -> int:
    """The mode of what stands there, not followed; 0 where nothing does."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _write(
    descriptor: int, path: Path, chunks: Iterable[Chunk], *, digest: bool, confirm: Callable[[], None]
) -> Written:
    with ThreadPoolExecutor(THREADS) as pool:
        _reserve(descriptor, chunks)
        writer = _Writer(descriptor, chunks)
        try:
            for worker in [pool.submit(writer.work) for _ in range(THREADS)]:
                worker.result()
        finally:
            writer.stopped = True
        # While the disk is waited for.
        confirmed = pool.submit(confirm)
        sha256 = pool.submit(sha256_of_open, descriptor) if digest else None
        start = time.perf_counter()
        flush(descriptor)
        waited = time.perf_counter() - start
        confirmed.result()
        return Written(path, writer.size, sha256.result() if sha256 else "", waited)


class _Writer:
    """Writes chunks on several threads, each with a buffer of its own.

    Args:
        descriptor: of the file.
        chunks: its bytes, in order.

    Attributes:
        size: bytes taken so far.
        stopped: set where one thread has failed, so that the others take no more.
    """

    def __init__(self, descriptor: int, chunks: Iterable[Chunk]) -> None:
        self.size = 0
        self.stopped = False
        self._descriptor = descriptor
        self._chunks = iter(chunks)
        self._taking = threading.Lock()
        self._writing = threading.Lock()  # the file has one of its own, on which waiting threads spin

    def work(self) -> None:
        """Takes a chunk, makes it and writes it, until none is left."""
        buffer = Buffer()
        try:
            while (taken := self._take()) is not None:
                chunk, position = taken
                data = chunk.make(buffer) if isinstance(chunk, Deferred) else memoryview(chunk)
                with self._writing:
                    _write_at(self._descriptor, position, data)
        except BaseException:
            self.stopped = True
            raise

    def _take(self) -> tuple[Chunk, int] | None:
        with self._taking:
            chunk = None if self.stopped else next(self._chunks, None)
            if chunk is None:
                return None
            position, self.size = self.size, self.size + len(chunk)
            return chunk, position


def _reserve(descriptor: int, chunks: Iterable[Chunk]) -> None:
    """Asks for the room on the disk at once: found piece by piece, it costs more than all the rest of the writing."""
    if isinstance(chunks, list) and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, sum(map(len, chunks)))
        except OSError as error:
            if error.errno not in NO_RESERVATION:
                raise


def _write_at(descriptor: int, position: int, data: memoryview) -> None:
    while data.nbytes:
        written = os.pwrite(descriptor, data[:PIECE], position)
        data, position = data[written:], position + written
