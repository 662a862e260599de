"""A checkpoint's bytes, read once into memory that the frameworks' processes are given and nobody can change.

A path may stand for another file whenever it is opened again. What our reader has checked, what the report's digest is
of and what a framework's own loader gets are these bytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import mmap
import os
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any

from convert.checkpoints.reading import open_file
from convert.errors import FerryError, shown
from convert.files import PIECE, HeldBytes, SourceFile


@dataclass(frozen=True, eq=False)
class HeldFile(HeldBytes):
    """A file's bytes in memory of ours. The memory goes when no process holds it any more.

    Attributes:
        descriptor: of the memory; a worker is given it in place of the path.
        digest: SHA-256 of the bytes, hexadecimal.
        others: the files beside it that were asked for, by name.
    """

    descriptor: int
    digest: str
    others: dict[str, HeldFile] = field(default_factory=dict)

    def sha256(self) -> str:
        """Digest of the bytes, hexadecimal, taken when they were read."""
        return self.digest

    def beside(self, name: str) -> HeldFile:
        """The file of that name in the same folder, read once; the errors are those of opening it."""
        if name not in self.others:
            self.others[name] = _copy(SourceFile(self.path.with_name(name)))
        return self.others[name]

    def stream(self) -> io.BufferedReader:
        """The bytes as an open file."""
        return io.BufferedReader(_Stream(self.content), PIECE)

    def __reduce__(self) -> tuple[type[Announced], tuple[Path, int, str]]:
        """What a message says of it; its descriptor follows on the connection, for a number means nothing there."""
        return Announced, (self.path, self.size, self.digest)


@dataclass(frozen=True)
class Announced:
    """A held file in a message. Its attributes are those of the file."""

    path: Path
    size: int
    digest: str


def hold_file(path: Path) -> HeldFile:
    """Reads a file into memory.

    Raises:
        FerryError: it cannot be read, or changed while it was; or the memory cannot be had.
    """
    return _copy(open_file(path))


def send_files(connection: Connection, files: Sequence[HeldFile], process_id: int) -> None:
    """Gives another process the memory of files that a message has announced to it."""
    for file in files:
        send_handle(connection, file.descriptor, process_id)


def receive_files(connection: Connection, announced: Sequence[Any]) -> tuple[HeldFile, ...]:
    """Takes the memory of the files that a message has announced; the first finds the others beside it."""
    others: dict[str, HeldFile] = {}
    files = [_over(item.path, item.size, item.digest, recv_handle(connection), others) for item in announced]
    others.update({file.path.name: file for file in files[1:]})
    return tuple(files)


class PaddleStream(io.BytesIO):
    """Bytes as paddle.load takes them, which asks for a BytesIO, without the copy that one makes of them."""

    def __init__(self, content: memoryview) -> None:
        super().__init__()
        self._stream = io.BufferedReader(_Stream(content), PIECE)

    def read(self, size: int | None = -1, /) -> bytes:
        return self._stream.read(size)

    def readinto(self, buffer: Any, /) -> int:
        return self._stream.readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._stream.readline(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def refusal_of(loader: str, error: Exception) -> FerryError:
    """What to raise where a framework's own loader raised that on bytes which our reader accepts.

    Its text has the first line of the loader's: further ones advise to switch the loader's safety off, or are a trace.
    """
    first_line = next(iter(str(error).splitlines()), "")
    reason = f"{type(error).__name__}: {shown(first_line, 200)}" if first_line else type(error).__name__
    return FerryError(f"{loader} refuses what paddleferry's reader accepts: {reason}")


class _Stream(io.RawIOBase):
    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._content.nbytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        piece = self._content[self._position : self._position + target.nbytes]
        target[: piece.nbytes] = piece
        self._position += piece.nbytes
        return piece.nbytes


def _copy(source: SourceFile) -> HeldFile:
    try:
        descriptor = _private_memory()
        try:
            digest = _fill(descriptor, source)
            _seal(descriptor)
            source.check_unchanged()
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise FerryError(
            f"{source.path}: cannot be held in memory: {error.strerror}; its {source.size:,} bytes must fit beside the "
            "models"
        ) from error
    finally:
        source.close()
    return _over(source.path, source.size, digest, descriptor, {})


def _fill(descriptor: int, source: SourceFile) -> str:
    """Copies a file into the memory; returns the bytes' digest."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
    for position in range(0, source.size, PIECE):
        piece = buffer[: source.size - position]
        source.read_into(position, piece)
        digest.update(piece)
        while piece.nbytes:
            piece = piece[os.write(descriptor, piece) :]
    return digest.hexdigest()


def _private_memory() -> int:
    """A descriptor of memory without a name; where the system has none, of a file that only its owner may read."""
    if hasattr(os, "memfd_create"):  # of Linux; unlike /dev/shm, a container's limits do not make it small
        return os.memfd_create("paddleferry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _seal(descriptor: int) -> None:
    """Forbids every change, to this process too."""
    if hasattr(os, "memfd_create"):
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)


def _over(path: Path, size: int, digest: str, descriptor: int, others: dict[str, HeldFile]) -> HeldFile:
    # Private, or kernels before 6.7 refuse: a shared view of a descriptor that is open for writing might be written to.
    content = memoryview(mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))
    file = HeldFile(path, content, descriptor, digest, others)
    weakref.finalize(file, os.close, descriptor)
    return file
