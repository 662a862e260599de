"""Opening what somebody else may have made, and room for what is needed for a while only.

Where a file is looked for, anybody may have put a pipe or a device: opening that for reading can wait for ever.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from convert.errors import FerryError
from convert.paths import AnyPath

fcntl: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # not on Windows, where a file that somebody writes cannot be removed anyway
    fcntl = None

# What file systems answer that have no locks: Lustre without -o flock, NFS without lockd, some of FUSE.
NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}

# Not there on Windows, where a pipe has a name that no file can have.
UNWAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0)

MAX_TEXT = 1 << 20  # bytes of a file that this program wrote a line into

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link",
}


class NotRegular(OSError):
    """A pipe, a socket, a device or a folder, where a regular file is needed; `strerror` says which."""


def open_regular(path: AnyPath, mode: str = "rb", *, buffering: int = -1) -> BinaryIO:
    """Opens a regular file; nothing else is waited for, read from or written to.

    Args:
        path: the file.
        mode: a binary mode of `open`.
        buffering: as `open` takes it.

    Raises:
        NotRegular: something else stands there.
        OSError: as `open` raises it.
    """

    file: Any = open(path, mode, buffering, opener=open_regular_descriptor)  # noqa: SIM115 - no Path takes one
    opened: BinaryIO = file
    return opened


def read_text(path: AnyPath) -> str:
    """The text of a small regular file, up to `MAX_TEXT` bytes; what is no UTF-8 is replaced."""
    with open_regular(path) as file:
        return file.read(MAX_TEXT).decode(errors="replace")


def open_regular_descriptor(path: AnyPath, flags: int, permissions: int = 0o666, *, follow: bool = True) -> int:
    """A descriptor of a regular file; like `os.open` otherwise.

    Raises:
        NotRegular: something else stands there.
        OSError: as `os.open` raises it.
    """
    try:
        descriptor = os.open(path, flags | UNWAITING | (0 if follow else UNFOLLOWED), permissions)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR):  # nobody reads from that pipe; a socket; a folder
            refuse_irregular(path)
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _not_regular(mode, path)
    return descriptor


def refuse_irregular(path: AnyPath) -> None:
    """Raises NotRegular where something stands that is no regular file; for libraries that open by name alone."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - any path
    except (OSError, ValueError):  # whoever opens it says what is wrong with the name
        return
    if not stat.S_ISREG(mode):
        raise _not_regular(mode, path)


def identity_of(path: AnyPath | None) -> tuple[int, int] | None:
    """What tells a file from every other that stands or stood there; None where nothing stands."""
    try:
        status = os.stat(path) if path else None  # noqa: PTH116 - any path
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status else None


def kind_of(mode: int) -> str:
    """What a file's mode says that it is: "a pipe"; empty for a regular file."""
    return "" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no regular file")


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Whether the file is locked now; False where the file system has no locks. The lock goes with the descriptor.

    Raises:
        BlockingIOError: another process holds it, and is not to be waited for.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of its own for files that are needed for a while; it goes with them.

    Raises:
        FerryError: nowhere can one be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="paddleferry-")
    except OSError as error:
        raise FerryError(
            f"no folder for temporary files can be made: {error.strerror or error}; set TMPDIR to one that can be "
            "written to"
        ) from error
    with folder as name:
        yield Path(name)


def _not_regular(mode: int, path: AnyPath) -> NotRegular:
    if stat.S_ISDIR(mode):  # in the system's own words, which everybody knows
        return NotRegular(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    return NotRegular(errno.EINVAL, f"it is {kind_of(mode)}, not a file", os.fspath(path))
