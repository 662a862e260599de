"""Writing a file so that its name never stands for half of it."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedIOBase, RawIOBase
from pathlib import Path
from types import ModuleType

from convert.errors import TargetError
from convert.strips import Deferred

Chunk = bytes | memoryview | Deferred

fcntl: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # not on Windows, where a file that somebody writes cannot be removed anyway
    fcntl = None


@dataclass(frozen=True)
class Written:
    """A complete file.

    Attributes:
        path: where it stands.
        size: in bytes.
        sha256: of its content, hexadecimal; empty where it was not asked for.
        fsync_seconds: of the wait for the disk, which `cp` does not make.
    """

    path: Path
    size: int
    sha256: str
    fsync_seconds: float = 0.0


def check_target(path: Path, *, force: bool) -> None:
    """Raises TargetError if that path cannot become a file, or is one already and `force` is not given."""
    try:
        is_dir, has_folder, exists = path.is_dir(), path.parent.is_dir(), os.path.lexists(path)
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror}") from error
    if is_dir:
        raise TargetError(f"{path}: is a directory; name a file in it")
    if not has_folder:
        raise TargetError(f"{path}: the folder {path.parent} does not exist; create it first")
    if exists and not force:
        raise TargetError(f"{path}: exists already and was left as it is; --force replaces it")


def write_atomically(path: Path, chunks: Iterable[Chunk], *, force: bool = False, digest: bool = True) -> Written:
    """Writes the chunks to a temporary file beside the target, flushes it to the disk and renames it.

    What an earlier run that was killed left beside the target is removed; what a running one is writing is not.

    Raises:
        TargetError: the target may not or cannot be written; whatever it was before, it still is.
    """
    check_target(path, force=force)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        _remove_leftovers(path)
        written = _write(temporary, path, chunks, digest=digest)
        check_target(path, force=force)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # the disk that failed above may fail here too
            temporary.unlink(missing_ok=True)
    return written


def _write(temporary: Path, path: Path, chunks: Iterable[Chunk], *, digest: bool) -> Written:
    sha256, size = hashlib.sha256(), 0
    waiting: Future[None] | None = None
    with temporary.open("xb", buffering=0) as file, ThreadPoolExecutor(1) as pool:
        _lock(file)
        _reserve(file.fileno(), chunks)
        # One thread makes and writes: two wait for each other at the file's lock. A digest runs beside it.
        for chunk in chunks:
            data = chunk.make() if isinstance(chunk, Deferred) else memoryview(chunk)
            _write_at(file.fileno(), size, data)
            size += data.nbytes
            if waiting:
                waiting.result()
            waiting = pool.submit(sha256.update, data) if digest else None
        if waiting:
            waiting.result()
        start = time.perf_counter()
        os.fsync(file.fileno())
    return Written(path, size, sha256.hexdigest() if digest else "", time.perf_counter() - start)


def _reserve(descriptor: int, chunks: Iterable[Chunk]) -> None:
    """Asks for the room on the disk at once: found piece by piece, it costs more than all the rest of the writing."""
    if isinstance(chunks, list) and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, sum(map(len, chunks)))


def _write_at(descriptor: int, position: int, data: memoryview) -> None:
    while data.nbytes:
        written = os.pwrite(descriptor, data, position)
        data, position = data[written:], position + written


def _lock(file: RawIOBase | BufferedIOBase) -> None:
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_leftovers(path: Path) -> None:
    """Removes temporary files of this target that no process holds; a killed process holds none."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), leftover.open("rb") as file:
            _lock(file)
            leftover.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renaming is flushed by the system
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
