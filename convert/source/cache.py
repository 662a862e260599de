"""A cache of downloads whose entries are checked on every use.

An entry is the file under a name made from its address; beside it stand `.sha256`, in the form of sha256sum, `.lock`,
and during a download `.part` with its notes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from convert.checkpoints.atomic import write_atomically
from convert.console import print_message
from convert.digest import sha256_of
from convert.errors import shown
from convert.paths import make_folders
from convert.source.addresses import digest_in_name, find_objection, name_address
from convert.source.beginnings import find_flaw
from convert.source.download import LIMITS, FetchError, Limits, download
from convert.source.own_files import NotOurs, lock, open_own, read_own_text, refuse_others
from convert.source.partial_file import HEAD, PartialFile

__all__ = ["FetchError", "Fetched", "Limits", "cache_folder", "fetch"]

UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True)
class Fetched:
    """A complete file in the cache, its digest just computed.

    Attributes:
        path: where it stands.
        sha256: of its content, hexadecimal.
        size: in bytes.
        from_cache: whether it was there before.
        vouched: whether it was compared with a digest that was given, or that its name has. Nobody but the
            server has said that another file is the right one.
    """

    path: Path
    sha256: str
    size: int
    from_cache: bool
    vouched: bool = False

    def forget(self) -> bool:
        """Removes the file from the cache; whether that could be done."""
        try:
            _Entry("", self.path).discard()
        except OSError:
            return False
        return True


def fetch(url: str, *, cache: Path | None = None, sha256: str = "", limits: Limits = LIMITS) -> Fetched:
    """The checkpoint at an http or https address, out of the cache if it is there.

    Args:
        url: the address. Where its file name ends in a digest, as in `x-0123abcd.pth`, the content must have it.
        cache: the cache's folder; `cache_folder()` if None.
        sha256: digest that the content must have, hexadecimal; it takes the place of the one in the file name.
        limits: what the download may take.

    Raises:
        FetchError: no file came, or another one than was asked for, or the cached one has changed. What a cut or
            interrupted download brought stays in the cache, and the next call goes on from there; what is no
            checkpoint does not stay.
    """
    if objection := find_objection(url):
        raise FetchError(f"{name_address(url)}: {objection}; give the http or https address of the file itself")
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        length = f"{len(sha256)} characters"
        raise FetchError(f"sha256 {shown(repr(sha256))}: expected 64 hexadecimal digits, found {length}")
    folder = cache or cache_folder()
    try:
        make_folders(folder)
        entry = _Entry(url, folder / _file_name(url))
        expected = sha256.lower() or digest_in_name(url)
        with entry.locked():
            from_cache = entry.is_complete()
            if not from_cache:
                flaw = (lambda _: "") if expected else find_flaw  # a digest says more than the first bytes do
                download(url, entry.part, limits=limits, find_flaw=flaw)
            return entry.checked(expected, given=bool(sha256), from_cache=from_cache)
    except NotOurs as error:
        raise FetchError(f"{error.filename}: {error.strerror}; remove it") from error
    except OSError as error:
        step = "set PADDLEFERRY_CACHE to a folder that can"
        raise FetchError(f"{folder}: cannot hold the cache: {error.strerror or error}; {step}") from error


def cache_folder() -> Path:
    """$PADDLEFERRY_CACHE, else $XDG_CACHE_HOME/paddleferry, else ~/.cache/paddleferry; FetchError without a home."""
    if named := os.environ.get("PADDLEFERRY_CACHE"):
        return Path(named)
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:  # the specification of XDG_CACHE_HOME has relative paths ignored
        return (caches if caches.is_absolute() else Path.home() / ".cache") / "paddleferry"
    except RuntimeError as error:
        raise FetchError("there is no home folder to keep a cache in; set PADDLEFERRY_CACHE") from error


def _file_name(url: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", urlsplit(url).path.rpartition("/")[2], flags=re.ASCII)
    return f"{hashlib.sha256(os.fsencode(url)).hexdigest()[:16]}-{name[-80:] or 'file'}"


@dataclass(frozen=True)
class _Entry:
    url: str
    path: Path

    @property
    def part(self) -> Path:
        return self._sibling(".part")

    @property
    def record(self) -> Path:
        return self._sibling(".sha256")

    def _sibling(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from the same entry; the system frees the lock of one that died."""
        for path in (self.path, self.record, self.part, PartialFile(self.part).notes):
            refuse_others(path)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(open_own(self._sibling(".lock"), "ab"))
            except OSError as error:
                if error.errno not in UNWRITABLE or not self.is_complete():
                    raise
            else:  # a cache that others fill, and this user may only read, has entries that do not change
                self._lock(file.fileno())
            yield

    def _lock(self, descriptor: int) -> None:
        try:
            lock(descriptor)
        except BlockingIOError:
            print_message(f"waiting for another process that fetches {name_address(self.url)}")
            lock(descriptor, wait=True)

    def is_complete(self) -> bool:
        return self.path.exists() and self.record.exists()

    def checked(self, expected: str, *, given: bool, from_cache: bool) -> Fetched:
        """The entry, if its content is what was recorded and asked for; it is gone if not.

        Args:
            expected: the start of the digest that it must have; "" where nothing says which.
            given: whether the user said so; otherwise it is of the file's name.
            from_cache: whether it was there before.
        """
        source = self.path if from_cache else self.part
        actual = sha256_of(source)
        recorded = read_own_text(self.record).partition(" ")[0] if from_cache else actual
        if actual != recorded:
            self.discard()
            raise FetchError(
                f"{source}: the cached copy of {name_address(self.url)} changed after it was downloaded: expected "
                f"sha256 {shown(recorded)}, found {actual}; it was removed, run it again to download it anew"
            )
        if not actual.startswith(expected):
            self.discard()
            raise FetchError(
                f"{name_address(self.url)}: is not the file that was asked for: expected sha256 "
                f"{expected}{'' if given else '... (of its name)'}, found {actual}; it was removed from the cache, "
                "check the digest and the address"
            )
        if not from_cache:
            self._refuse_flaw(vouched=bool(expected))
            self._keep(actual)
        return Fetched(self.path, actual, self.path.stat().st_size, from_cache, bool(expected))

    def _refuse_flaw(self, *, vouched: bool) -> None:
        with open_own(self.part) as file:
            flaw = "" if vouched else find_flaw(file.read(HEAD))
        if flaw:
            self.discard()
            raise FetchError(f"{name_address(self.url)}: {flaw}; nothing of it is kept")

    def _keep(self, sha256: str) -> None:
        with open_own(self.part, "r+b") as file:
            os.fsync(file.fileno())
        self.part.replace(self.path)
        line = f"{sha256}  {self.path.name}\n"
        write_atomically(self.record, [line.encode()], force=True)  # which flushes the folder, and the name in it
        PartialFile(self.part).discard()

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)
        PartialFile(self.part).discard()
