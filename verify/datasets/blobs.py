"""Where an image's bytes lie. Blobs are small and pickle, so that worker processes can read them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
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


class BlobError(Exception):
    """Bytes that cannot be read; the text needs the image's name before it."""


class Blob(Protocol):
    """An image's bytes, wherever they lie."""

    def read(self) -> bytes:
        """The image's bytes.

        Raises:
            OSError: the file cannot be read.
            BlobError: it can, and the bytes are not to be had.
        """
        ...


@dataclass(frozen=True)
class FileBlob:
    """A file of its own."""

    path: Path

    def read(self) -> bytes:
        """The file's bytes. What is no ordinary file is not opened: a pipe would wait for ever."""
        status = self.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BlobError("is no ordinary file")
        return _read_range(self.path, 0, status.st_size)


@dataclass(frozen=True)
class TarBlob:
    """A member of an uncompressed archive: that many bytes from there."""

    path: Path
    offset: int
    nbytes: int

    def read(self) -> bytes:
        """The member's bytes; fewer, if the archive was cut since."""
        return _read_range(self.path, self.offset, self.nbytes)


def _read_range(path: Path, offset: int, nbytes: int) -> bytes:
    if nbytes > MAX_BYTES:
        raise BlobError(f"has {nbytes:,} bytes, more than the {MAX_BYTES:,} that an image may have")
    with path.open("rb", buffering=0) as file:
        os.lseek(file.fileno(), offset, os.SEEK_SET)
        parts: list[bytes] = []
        while nbytes and (part := file.read(nbytes)):
            parts.append(part)
            nbytes -= len(part)
    return b"".join(parts)
