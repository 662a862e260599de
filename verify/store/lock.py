"""Which process writes to a run store. Others may read it all the while."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from types import ModuleType

from verify.store.border import StoreError, opening

fcntl: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where SQLite's own lock takes its place
    fcntl = None

FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class WriterLock:
    """Holds the name of a store until it is released, or its process ends however that ends.

    It is a lock on an empty file beside the store, so that SQLite's own locks, which keep readers out for the moment
    of a commit only, are left to SQLite. The file goes with the lock.

    Args:
        path: the store.

    Raises:
        StoreError: another process holds it, or the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f".{path.name}.lock")
        self._descriptor: int | None = None
        with opening(path):
            while fcntl and not self.held:
                descriptor = os.open(self._path, FLAGS, 0o666)
                try:
                    self._take(descriptor, path)
                except OSError:  # no locks here: Lustre without -o flock, some FUSE
                    self._discard(descriptor)
                    break

    @property
    def held(self) -> bool:
        """Whether the file system has such locks; where it has none, SQLite's own must keep others out."""
        return self._descriptor is not None

    def _take(self, descriptor: int, path: Path) -> None:
        assert fcntl
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StoreError(f"{self._path}: is no regular file; move it away, or take another --report folder")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            why = "another process is using it; wait for it, or take another --report folder"
            raise StoreError(f"{path}: cannot be opened: {why}") from error
        except StoreError:
            os.close(descriptor)
            raise
        if self._stands(descriptor):
            self._descriptor = descriptor
        else:  # its owner released it between our opening and our locking
            os.close(descriptor)

    def _stands(self, descriptor: int) -> bool:
        """Whether the file that was locked is still the one of that name."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.lstat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Lets the next one write; nothing happens where it is not held."""
        if self._descriptor is not None:
            self._discard(self._descriptor)
            self._descriptor = None

    def _discard(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()  # before the lock goes, or another's would be removed
        os.close(descriptor)
