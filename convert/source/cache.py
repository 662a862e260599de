"""A cache of downloads whose entries are checked on every use.

An entry is the file under a name made from its address; beside it stand `.sha256`, in the form of sha256sum, `.lock`,
and during a download `.part` with its notes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from convert.checkpoints.atomic import write_atomically
from convert.digest import sha256_of
from convert.errors import shown
from convert.files import lock, open_regular, read_text
from convert.source.download import FetchError, discard, download, find_objection

__all__ = ["FetchError", "Fetched", "cache_folder", "fetch"]

NAME_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.\w+$")  # torch.hub's convention: name-<start of the sha256>.pth


@dataclass(frozen=True)
class Fetched:
    """A complete file in the cache, its digest just computed.

    Attributes:
        path: where it stands.
        sha256: of its content, hexadecimal.
        size: in bytes.
        from_cache: whether it was there before.
    """

    path: Path
    sha256: str
    size: int
    from_cache: bool


def fetch(
    url: str, *, cache: Path | None = None, sha256: str = "", timeout: float = 30.0, pause: float = 1.0
) -> Fetched:
    """The file at an http or https address, out of the cache if it is there.

    Args:
        url: the address. Where its file name ends in a digest, as in `x-0123abcd.pth`, the content must have it.
        cache: the cache's folder; `cache_folder()` if None.
        sha256: digest that the content must have, hexadecimal; it takes the place of the one in the file name.
        timeout: seconds to wait for the server's next bytes.
        pause: seconds before asking for the rest of a file whose connection was cut.

    Raises:
        FetchError: no file came, or another one than was asked for, or the cached one has changed. What a cut or
            interrupted download brought stays in the cache, and the next call goes on from there.
    """
    if objection := find_objection(url):
        raise FetchError(f"{shown(url, 200)}: {objection}; give the http or https address of the file itself")
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        length = f"{len(sha256)} characters"
        raise FetchError(f"sha256 {shown(repr(sha256))}: expected 64 hexadecimal digits, found {length}")
    folder = cache or cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entry = _Entry(url, folder / _file_name(url))
        with entry.locked():
            from_cache = entry.is_complete()
            if not from_cache:
                download(url, entry.part, timeout=timeout, pause=pause)
            return entry.checked(sha256.lower(), from_cache=from_cache)
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
        with open_regular(self._sibling(".lock"), "ab") as file:
            try:
                lock(file.fileno())
            except BlockingIOError:
                print(f"waiting for another process that fetches {shown(self.url, 200)}", file=sys.stderr)
                lock(file.fileno(), wait=True)
            yield

    def is_complete(self) -> bool:
        return self.path.exists() and self.record.exists()

    def checked(self, sha256: str, *, from_cache: bool) -> Fetched:
        """The entry, if its content is what was recorded and asked for; it is gone if not."""
        source = self.path if from_cache else self.part
        actual = sha256_of(source)
        recorded = read_text(self.record).partition(" ")[0] if from_cache else actual
        if actual != recorded:
            self._discard()
            raise FetchError(
                f"{source}: the cached copy of {shown(self.url, 200)} changed after it was downloaded: expected sha256 "
                f"{shown(recorded)}, found {actual}; it was removed, run it again to download it anew"
            )
        in_name = NAME_DIGEST.search(urlsplit(self.url).path)
        expected = sha256 or (in_name[1] if in_name else "")
        if not actual.startswith(expected):
            self._discard()
            raise FetchError(
                f"{shown(self.url, 200)}: is not the file that was asked for: expected sha256 "
                f"{expected}{'' if sha256 else '... (of its name)'}, found {actual}; it was removed from the cache, "
                "check the digest and the address"
            )
        if not from_cache:
            self._keep(actual)
        return Fetched(self.path, actual, self.path.stat().st_size, from_cache)

    def _keep(self, sha256: str) -> None:
        with open_regular(self.part, "r+b") as file:
            os.fsync(file.fileno())
        self.part.replace(self.path)
        line = f"{sha256}  {self.path.name}\n"
        write_atomically(self.record, [line.encode()], force=True)  # which flushes the folder, and the name in it
        discard(self.part)

    def _discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)
        discard(self.part)
