"""A file that somebody else may be writing: opened once, read through its descriptor, looked at again at the end.

No file is mapped: a mapping shows what others write into the file later, and ends the process where they cut it short.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from convert.errors import CheckpointError, UnreadableSource

PIECE = 1 << 20  # bytes of one read: they stay in the processor's cache until they have been looked at

# A write within one tick of the file system's clock after another does not show in the file's time of change. A file
# that was changed so recently is waited for, or a write during the reading could go unseen.
TICK = 20_000_000  # nanoseconds; the clock of most file systems moves every 1 to 10 ms
COARSE = 100  # ticks, of a file system that keeps whole seconds, or every other one
PATIENCE = 3.0  # seconds; a file that is written all the time is then read, and found to have changed


NO_FILE = "is a pipe or a device, not a file; save it to the disk first"


class ByteFile(Protocol):
    """A file's bytes, by position, wherever they are kept."""

    @property
    def path(self) -> Path:
        """What the user calls it."""

    @property
    def size(self) -> int:
        """In bytes."""

    def read(self, position: int, count: int) -> memoryview:
        """So many bytes from there; all of them lie within the file."""

    def read_into(self, position: int, target: memoryview) -> None:
        """Fills the target with the bytes from there; all of them lie within the file."""

    def check_unchanged(self) -> None:
        """Raises UnreadableSource where the file is no longer the one that was opened."""

    def sha256(self) -> str:
        """Digest of all its bytes, hexadecimal."""

    def beside(self, name: str) -> ByteFile:
        """The file of that name in the same folder."""


class SourceFile:
    """A file on a disk, opened once. It is closed when nobody holds it any more.

    Args:
        path: where it lies.

    Attributes:
        path: for messages; nothing is opened by it again.
        size: in bytes, when it was opened.

    Raises:
        CheckpointError: a pipe, a device or an empty file; the text does not name it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = _open_regular(path)
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self._status = _settled_status(self._descriptor)
        self.size = self._status.st_size
        if not self.size:
            raise CheckpointError("is empty (0 bytes); the download may have failed, fetch it again")

    def close(self) -> None:
        """Closes the file; nothing can be read of it any more."""
        self._close()

    def read(self, position: int, count: int) -> memoryview:
        """So many bytes from there, a copy."""
        target = memoryview(bytearray(count))
        self.read_into(position, target)
        return target.toreadonly()

    def read_into(self, position: int, target: memoryview) -> None:
        """Fills the target with the bytes from there.

        Raises:
            UnreadableSource: the file has become shorter, or the disk fails.
        """
        while target.nbytes:
            try:
                count = read_at(self._descriptor, position, target[:PIECE])
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}; check the disk that it lies on"
                raise UnreadableSource(f"{self.path}: {reason}") from error
            if not count:
                raise self._changed()
            position, target = position + count, target[count:]

    def check_unchanged(self) -> None:
        """Raises UnreadableSource where the file was written to, or cut, since it was opened."""
        if _is_changed(self._status, os.fstat(self._descriptor)):
            raise self._changed()

    def sha256(self) -> str:
        """Digest of all its bytes, hexadecimal."""
        digest, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
        for position in range(0, self.size, PIECE):
            piece = buffer[: self.size - position]
            self.read_into(position, piece)
            digest.update(piece)
        return digest.hexdigest()

    def beside(self, name: str) -> SourceFile:
        """The file of that name in the same folder, opened; the errors are those of opening."""
        return SourceFile(self.path.with_name(name))

    def _changed(self) -> UnreadableSource:
        wait = "wait until whoever writes it has finished, and run this again"
        return UnreadableSource(f"{self.path}: changed while it was read; {wait}")


@dataclass(frozen=True, eq=False)
class HeldBytes:
    """Bytes in memory that nobody changes any more.

    Attributes:
        path: what the user calls them; empty where they are a part of a file.
        content: the bytes.
    """

    path: Path
    content: memoryview

    @property
    def size(self) -> int:
        return self.content.nbytes

    def read(self, position: int, count: int) -> memoryview:
        """So many bytes from there, without a copy."""
        return self.content[position : position + count]

    def read_into(self, position: int, target: memoryview) -> None:
        """Fills the target with the bytes from there."""
        target[:] = self.content[position : position + target.nbytes]

    def check_unchanged(self) -> None:
        """Does nothing: they cannot have changed."""

    def sha256(self) -> str:
        """Digest of all the bytes, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def beside(self, name: str) -> ByteFile:
        """Raises FileNotFoundError: bytes in memory lie in no folder."""
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


@dataclass(frozen=True)
class Stretch:
    """A part of a file, which is read when it is asked for.

    Attributes:
        file: that it lies in.
        start: position of its first byte.
        nbytes: how many it has.
    """

    file: ByteFile
    start: int
    nbytes: int

    def part(self, start: int, nbytes: int) -> Stretch:
        """So many of its bytes from there; a ValueError if it has fewer."""
        if start < 0 or start + nbytes > self.nbytes:
            raise ValueError(f"bytes {start} to {start + nbytes} of {self.nbytes}")
        return Stretch(self.file, self.start + start, nbytes)

    def read(self, start: int, count: int) -> memoryview:
        """So many bytes from there, or as many as are left."""
        return self.file.read(self.start + start, min(count, self.nbytes - start))

    def read_into(self, start: int, target: memoryview) -> None:
        """Fills the target with the bytes from there."""
        self.file.read_into(self.start + start, target)


def whole(file: ByteFile) -> Stretch:
    """All of a file."""
    return Stretch(file, 0, file.size)


def held(content: bytes | memoryview) -> Stretch:
    """Bytes that are in memory already."""
    return Stretch(HeldBytes(Path(), memoryview(content)), 0, len(content))


def read_at(descriptor: int, position: int, target: memoryview) -> int:
    """Reads into the target, as many bytes as come at once, and returns how many."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [target], position)
    content = os.pread(descriptor, target.nbytes, position)  # not every system can read into memory that is there
    target[: len(content)] = content
    return len(content)


def _open_regular(path: Path) -> int:
    """A descriptor for reading; opening a pipe would wait for a writer, were it not for O_NONBLOCK."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a device without a driver
            raise CheckpointError(NO_FILE) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise CheckpointError(NO_FILE)


def _settled_status(descriptor: int) -> os.stat_result:
    """The file's status, once another write would show in it."""
    deadline = time.monotonic() + PATIENCE
    status = os.fstat(descriptor)
    while 0 <= time.time_ns() - status.st_mtime_ns < _tick(status) and time.monotonic() < deadline:
        time.sleep(0.004)
        status = os.fstat(descriptor)
    return status


def _tick(status: os.stat_result) -> int:
    return TICK if status.st_mtime_ns % 1_000_000_000 else COARSE * TICK


def _is_changed(before: os.stat_result, now: os.stat_result) -> bool:
    if (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
        return True
    # The time of change can be set back, that of the last change of status cannot. The latter moves too where another
    # file took the name and this one lost it, which leaves its bytes as they were.
    return before.st_ctime_ns != now.st_ctime_ns and before.st_nlink == now.st_nlink
