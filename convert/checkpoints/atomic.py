"""Writing a file so that its name never stands for half of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from convert.errors import TargetError


@dataclass(frozen=True)
class Written:
    """A complete file.

    Attributes:
        path: where it stands.
        size: in bytes.
        sha256: of its content, hexadecimal.
    """

    path: Path
    size: int
    sha256: str


def check_target(path: Path, *, force: bool) -> None:
    """Raises TargetError if that path cannot become a file, or is one already and `force` is not given."""
    try:
        is_dir, has_folder, exists = path.is_dir(), path.parent.is_dir(), path.exists()
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror}") from error
    if is_dir:
        raise TargetError(f"{path}: is a directory; name a file in it")
    if not has_folder:
        raise TargetError(f"{path}: the folder {path.parent} does not exist; create it first")
    if exists and not force:
        raise TargetError(f"{path}: exists already and was left as it is; --force replaces it")


def write_atomically(path: Path, chunks: Iterable[bytes | memoryview], *, force: bool = False) -> Written:
    """Writes the chunks to a temporary file beside the target, flushes it to the disk and renames it.

    Raises:
        TargetError: the target may not or cannot be written; whatever it was before, it still is.
    """
    check_target(path, force=force)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        size, sha256 = _write(temporary, chunks)
        check_target(path, force=force)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # what failed above may fail here too
            temporary.unlink(missing_ok=True)
    return Written(path, size, sha256)


def _write(path: Path, chunks: Iterable[bytes | memoryview]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renaming is flushed by the system
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
