"""The temporary file that takes a target's place: what it has of the old one, and what goes when it does not come."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from convert.regular import UNFOLLOWED, UNWAITING, lock, open_regular_descriptor

TRIES = 5  # names for the temporary file; whoever removes leftovers may catch one before it is locked
ACCESS_LIST = "system.posix_acl_access"

# What file systems answer that cannot flush. Of a folder CIFS and DrvFs answer EINVAL, others that it is not to be
# opened, or that it cannot be written.
NO_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
NO_FOLDER_FLUSH = NO_FLUSH | {errno.EROFS, errno.EACCES, errno.EBADF}


def end_of(path: Path) -> Path:
    """Where a chain of links ends; the path itself where it is no link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


class Replacement:
    """A file beside the end of a target's links, locked while it is open.

    Args:
        target: what it is to replace, if that stands there.

    Attributes:
        end: where it goes.
        path: where it stands until then.
        descriptor: of the file, open for reading and writing.
    """

    def __init__(self, target: Path) -> None:
        self.end = end_of(target)
        self.path = self.end
        self.descriptor = -1

    def create(self) -> None:
        """Makes the file; where it replaces another, nobody else may read it yet."""
        for _ in range(TRIES):
            self.path = self.end.with_name(f".{self.end.name}.{secrets.token_hex(6)}.tmp")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | UNWAITING | UNFOLLOWED
            self.descriptor = os.open(self.path, flags, 0o600 if self.end.exists() else 0o666)
            with contextlib.suppress(BlockingIOError):
                lock(self.descriptor)
                if os.fstat(self.descriptor).st_nlink:
                    return
            self._close()
        raise OSError(errno.EBUSY, "another process removes every temporary file beside it")

    def take_over(self) -> None:
        """Gives the file the mode, owner, group and access list of the one that it replaces, as far as is permitted.

        Nobody gets more than before: where group or list cannot be kept, all others get what both the group and
        everybody had.
        """
        if not self.end.exists():
            return
        old = self.end.stat()
        for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):
            with contextlib.suppress(OSError):
                os.fchown(self.descriptor, owner, group)
        mode = old.st_mode & 0o777
        listed = _copy_access_list(self.end, self.descriptor)
        if not listed or os.fstat(self.descriptor).st_gid != old.st_gid:
            common = mode >> 3 & mode & 0o007
            mode = mode & 0o700 | common << 3 | common
        with contextlib.suppress(OSError):  # a file system without modes
            os.fchmod(self.descriptor, mode)

    def put(self) -> str:
        """Renames the file to where it goes, and flushes the folder.

        Returns:
            What went wrong after the renaming; empty if nothing did.
        """
        self.path.replace(self.end)
        try:
            _flush_folder(self.end.parent)
        except OSError as error:
            return f"the folder could not be flushed to the disk: {error.strerror or error}"
        return ""

    def discard(self) -> None:
        """Closes the file, and removes it if it was not put where it goes."""
        if self.path != self.end:
            with contextlib.suppress(OSError):  # a disk that failed may fail here too
                self.path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


@contextlib.contextmanager
def replacement_of(target: Path) -> Iterator[Replacement]:
    """A file that can be written and put in the target's place; else it goes, whatever happens."""
    replacement = Replacement(target)
    try:
        replacement.create()
        yield replacement
    finally:
        replacement.discard()


def remove_leftovers(target: Path) -> None:
    """Removes temporary files of this target that no process holds; a killed process holds none.

    Only what has exactly the form that `Replacement` gives is touched, and it must be a regular file.
    """
    end = end_of(target)
    form = re.compile(rf"\.{re.escape(end.name)}\.[0-9a-f]{{12}}\.tmp")
    with contextlib.suppress(OSError):  # a folder that may be written to, and not listed
        for name in os.listdir(end.parent):  # noqa: PTH208 - names are all that is needed
            if form.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unheld(end.with_name(name))


def flush(descriptor: int) -> None:
    """Flushes a file to the disk, where the file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FLUSH:
            raise


def _remove_unheld(leftover: Path) -> None:
    # For writing, without which NFS gives no lock.
    descriptor = open_regular_descriptor(leftover, os.O_RDWR, follow=False)
    try:
        if lock(descriptor):
            leftover.unlink()
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renaming is flushed by the system
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | UNWAITING)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_FLUSH:
            raise


def _copy_access_list(old: Path, descriptor: int) -> bool:
    """Whether the new file has the old one's access list, or none where that has none."""
    if sys.platform != "linux":  # Python sees them there alone
        return True
    try:
        listed = os.getxattr(old, ACCESS_LIST)
    except OSError:
        listed = b""
    try:
        if listed:
            os.setxattr(descriptor, ACCESS_LIST, listed)
        else:
            os.removexattr(descriptor, ACCESS_LIST)  # which the folder's default may have given
    except OSError:
        return not listed
    return True
