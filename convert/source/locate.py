"""From what `--src` says to a file: a path, a published checkpoint's name, or an address."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convert.archs import get_spec
from convert.checkpoints.containers import split_suffix
from convert.errors import CheckpointError, WrongChoice, WrongUsage
from convert.params import parameter_count
from convert.paths import status_of
from convert.source.addresses import name_address
from convert.source.pretrained import PRETRAINED, Pretrained, find_pretrained, is_address

if TYPE_CHECKING:
    from convert.source.cache import Fetched

FLOAT32 = 4  # bytes of a parameter in a published checkpoint
COPIES = 2  # of the tensors; those of CLIP have a text tower beside them
NAMES = 1 << 20  # bytes


@dataclass(frozen=True)
class Located:
    """A source file.

    Attributes:
        path: where it lies.
        arch: the architecture that its published name states; "" for another source.
        fetched: what was downloaded, or found in the cache; None for a path.
        url: its address; "" for a path.
    """

    path: Path
    arch: str = ""
    fetched: Fetched | None = None
    url: str = ""

    def line(self) -> str:
        """Where the file came from, and its digest; "" for a path."""
        if self.fetched is None:
            return ""
        origin = "found in the cache" if self.fetched.from_cache else "downloaded"
        address = name_address(self.url)
        return f"{origin}: {address}\n  {self.fetched.size:,} bytes, sha256 {self.fetched.sha256}"

    @contextmanager
    def forgotten_if_bad(self) -> Iterator[None]:
        """Removes a download from the cache where reading it fails, unless a digest vouches for it.

        It would be found there by every later run, and be refused by every one.
        """
        try:
            yield
        except WrongChoice:
            raise
        except CheckpointError as error:
            if self.fetched is None or self.fetched.vouched:
                raise
            done = "it was removed from the cache, run this again to fetch it anew"
            left = "it cannot be removed from the cache; remove it, and run this again to fetch it anew"
            raise type(error)(f"{error}; {done if self.fetched.forget() else left}") from error


def locate(src: str, *, sha256: str = "") -> Located:
    """The file that a source means.

    Args:
        src: a path; an http or https address; or a published checkpoint's name. What exists as a file is a path.
        sha256: digest that a downloaded file must have.

    Raises:
        WrongUsage: a digest is given for a path.
        FerryError: the download failed, or there is neither such a file nor such a name.
    """
    if is_address(src):
        return _downloaded(src, sha256)
    path = Path(src)
    exists = status_of(path) is not None
    if src in PRETRAINED and not exists:
        row = find_pretrained(src)
        return _downloaded(row.url, sha256, row)
    if not exists and path.name == src and not split_suffix(src)[1]:
        find_pretrained(src)  # raises, with the names that are close
    if sha256:
        raise WrongUsage(f"{src}: --sha256 is for a download; `sha256sum` prints a file's digest")
    return Located(path)


def size_limit(row: Pretrained) -> int:
    """Bytes that a published checkpoint cannot have more of."""
    spec = get_spec(row.arch)
    spec = dataclasses.replace(spec, num_classes=row.num_classes or spec.num_classes)
    return COPIES * FLOAT32 * parameter_count(spec.params()) + NAMES


def _downloaded(url: str, sha256: str, row: Pretrained | None = None) -> Located:
    # Loads what a network needs, for which a file on the disk need not wait.
    from convert.source.cache import Limits, fetch

    limits = Limits(size=size_limit(row)) if row else Limits()
    fetched = fetch(url, sha256=sha256, limits=limits)
    return Located(fetched.path, row.arch if row else "", fetched, url)
