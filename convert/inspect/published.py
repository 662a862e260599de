"""Published checkpoints by the start of the SHA-256 that their files' names carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convert.source.addresses import digest_in_name
from convert.source.other_files import OTHER_FILES
from convert.source.pretrained import ROWS


@dataclass(frozen=True)
class Published:
    """A published file whose name says how its SHA-256 begins.

    Attributes:
        name: of the checkpoint, as recipes have it.
        file: the file's name where it was published.
        digits: the first digits of its SHA-256.
    """

    name: str
    file: str
    digits: str


def find_published(sha256: str) -> Published | None:
    """The published file whose name has the first digits of that SHA-256."""
    return next((row for row in published_files() if sha256.startswith(row.digits)), None)


def published_files() -> Iterator[Published]:
    """Every published file that is known here and has digits of its SHA-256 in its name."""
    files = {row.url.rpartition("/")[2]: row.name for row in ROWS} | OTHER_FILES
    for file, name in files.items():
        if digits := digest_in_name(file):
            yield Published(name, file, digits)
