"""Where an image's bytes lie. Blobs are small and pickle, so that worker processes can read them."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class BytesBlob:
    """An image that lies in memory."""

    content: bytes

    def read(self) -> bytes:
        """The image's bytes."""
        return self.content


MAX_BYTES = 1 << 30  # of one image; the largest of ImageNet has 17 MB
CHANGED = "was changed since the set was listed"


class BlobError(Exception):
    """Bytes that cannot be read; the text needs the image's name before it."""


class Blob(Protocol):
    """An image's bytes, wherever they lie."""

    def read(self) -> bytes:
        """The image's bytes.

        Raises:
            OSError: the file cannot be read.
            BlobError: it can, and the bytes are not to be had, or are no longer those that were listed.
        """
        ...


@dataclass(frozen=True)
class FileState:
    """What a file has that changes when its content does.

    A program can set the time of the last change to the content back, but not that of the last change to the file.

    Attributes:
        nbytes: its size.
        modified: time of the last change to its content, in nanoseconds.
        changed: time of the last change to the content, name or mode, in nanoseconds.
    """

    nbytes: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """The state that a file's status tells."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True)
class FileBlob:
    """A file of its own.

    Attributes:
        path: the file.
        listed: its state when the set was listed; None for a file that was not listed.
    """

    path: Path
    listed: FileState | None = field(default=None, compare=False)

    def read(self) -> bytes:
        """The file's bytes. What is no ordinary file is not read: a pipe would wait for ever."""
        return _read_range(self.path, 0, None, self.listed)


@dataclass(frozen=True)
class TarBlob:
    """A member of an uncompressed archive: that many bytes from there.

    Attributes:
        path: the archive.
        offset: of the member's first byte.
        nbytes: of the member.
        listed: the archive's state when the set was listed.
    """

    path: Path
    offset: int
    nbytes: int
    listed: FileState | None = field(default=None, compare=False)

    def read(self) -> bytes:
        """The member's bytes; fewer, if the archive was cut since."""
        return _read_range(self.path, self.offset, self.nbytes, self.listed)


def open_ordinary(path: Path) -> io.FileIO:
    """The file, opened for reading without waiting for anybody.

    Raises:
        OSError: there is none, or it cannot be opened.
        BlobError: it is a folder, a pipe or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BlobError("is no ordinary file")
    return io.FileIO(descriptor)


def _read_range(path: Path, offset: int, nbytes: int | None, listed: FileState | None) -> bytes:
    """Bytes of a file, all of them for None; another size than listed is for the caller to see."""
    with open_ordinary(path) as file:
        state = FileState.of(os.fstat(file.fileno()))
        wanted = left = state.nbytes if nbytes is None else nbytes
        if wanted > MAX_BYTES:
            raise BlobError(f"has {wanted:,} bytes, more than the {MAX_BYTES:,} that an image may have")
        file.seek(offset)
        parts: list[bytes] = []
        while left and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
        afterwards = FileState.of(os.fstat(file.fileno()))
    same_size = not left and (nbytes is not None or listed is None or listed.nbytes == state.nbytes)
    if same_size and (afterwards != state or listed not in (None, state)):
        raise BlobError(CHANGED)
    return b"".join(parts)
