"""Opening a file that only this program makes: where something else stands under its name, it is an error at once.

Opening a pipe can wait for ever, and a link can lead into a file of the user's.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any, BinaryIO

if sys.platform != "win32":
    import fcntl

MAX_TEXT = 1 << 20  # bytes of a file that this program wrote a line into

# What file systems answer that have no locks: Lustre without -o flock, NFS without lockd, some of FUSE.
NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}

# Not there on Windows, where a pipe has a name that no file can have.
GUARDS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC"))


class NotOurs(OSError):
    """A pipe, a device, a link or a folder under the name of a file of ours."""


def open_own(path: Path, mode: str = "rb") -> BinaryIO:
    """Opens a file of ours in a binary mode of `open`.

    Raises:
        NotOurs: something else stands there.
        OSError: as `open` raises it.
    """

    def opener(name: str, flags: int) -> int:
        try:
            descriptor = os.open(name, flags | GUARDS, 0o666)
        except OSError as error:
            refuse_others(path)  # whose errors are many: ENXIO, EISDIR, ELOOP
            raise error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _not_ours(path)
        return descriptor

    file: Any = open(path, mode, opener=opener)  # noqa: SIM115 - no Path takes an opener
    opened: BinaryIO = file
    return opened


def read_own_text(path: Path) -> str:
    """The text of a small file of ours; what is no UTF-8 is replaced."""
    with open_own(path) as file:
        return file.read(MAX_TEXT).decode(errors="replace")


def refuse_others(path: Path) -> None:
    """Raises NotOurs where something stands that is no regular file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise _not_ours(path)


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Whether the file is locked now; False where its file system has no locks. The lock goes with the descriptor.

    Raises:
        BlockingIOError: another process holds it, and is not to be waited for.
    """
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def _not_ours(path: Path) -> NotOurs:
    return NotOurs(errno.EINVAL, "is a pipe, a link, a folder or a device where a file of the cache goes", str(path))
