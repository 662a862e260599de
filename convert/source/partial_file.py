"""What has come of a download so far, and the notes that say of which version of which file it is a part."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import asdict, astuple, dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO

from convert.source.own_files import open_own, read_own_text

HEAD = 64  # bytes, by which a file shows what it is
MAX_DIGITS = 15  # of a length; Python refuses to read one of thousands
BEYOND = 10**15  # bytes, in place of a length of more digits


@dataclass(frozen=True)
class Version:
    """One version of the file at an address.

    Attributes:
        validator: a strong ETag, else Last-Modified; without one nothing can be added to a part.
        size: bytes of the whole file; None where the server does not say.
    """

    validator: str = ""
    size: int | None = None

    @classmethod
    def read_from(cls, response: HTTPResponse) -> Version:
        """What an answer says of itself."""
        headers = response.headers
        tag = headers.get("ETag", "")
        whole = headers.get("Content-Range" if response.status == 206 else "Content-Length", "").rpartition("/")[2]
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        return cls(validator, None if response.chunked and response.status != 206 else _count(whole.strip()))

    @classmethod
    def read_notes(cls, text: str) -> Version:
        """What was noted; nothing where that is no note of ours."""
        notes: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            notes = json.loads(text)
        if not isinstance(notes, dict):
            return cls()
        validator, size = notes.get("validator"), notes.get("size")
        if not isinstance(validator, str) or not validator.isascii() or not validator.isprintable():
            return cls()
        if size is not None and (type(size) is not int or not 0 <= size < BEYOND):
            return cls()
        return cls(validator, size)

    def agrees(self, other: Version) -> bool:
        """Whether nothing that both say differs: a partial answer may leave out what the first one said."""
        return all(a == b for a, b in zip(astuple(self), astuple(other), strict=True) if a and b)


class PartialFile:
    """The bytes that came so far, in a file; its notes stand beside it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = path.with_name(f"{path.name}.json")

    def state(self) -> tuple[Version, int]:
        """What is known of the file, and how many of its bytes are here and can be added to."""
        try:
            version = Version.read_notes(read_own_text(self.notes))
            size = self.size()
        except FileNotFoundError:
            return Version(), 0
        return (version, size) if version.validator else (Version(), 0)

    def begin(self, version: Version) -> None:
        """Begins anew with that version of the file."""
        self.path.unlink(missing_ok=True)  # first: the new notes must never stand beside old bytes
        open_own(self.path, "xb").close()
        self.notes.unlink(missing_ok=True)
        with open_own(self.notes, "xb") as file:
            file.write(json.dumps(asdict(version)).encode())

    def open(self) -> BinaryIO:
        """The file, to be added to."""
        return open_own(self.path, "ab")

    def head(self) -> bytes:
        """The first `HEAD` bytes."""
        with open_own(self.path) as file:
            return file.read(HEAD)

    def size(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size

    def room(self) -> int:
        """Bytes that the disk has room for beside those that are here."""
        try:
            return shutil.disk_usage(self.path.parent).free
        except OSError:  # of a file system that does not tell
            return BEYOND

    def discard(self) -> None:
        """Removes the file and its notes."""
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def describe_kept_bytes(self) -> str:
        """What an error says of the bytes that are here."""
        version, size = self.state()
        whole = "" if version.size is None else f" of {version.size:,}"
        return f"; {size:,}{whole} bytes are kept, and running it again asks for the rest" if size else ""


def _count(text: str) -> int | None:
    """A number of bytes; None where that is none. One of too many digits is too large, whatever it is."""
    if not text.isascii() or not text.isdecimal():
        return None
    return int(text) if len(text) <= MAX_DIGITS else BEYOND
