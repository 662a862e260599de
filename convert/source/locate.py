"""From what `--src` says to a file: a path, a published checkpoint's name, or an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convert.checkpoints.containers import split_suffix
from convert.errors import WrongUsage
from convert.source.pretrained import PRETRAINED, find_pretrained, is_address

if TYPE_CHECKING:
    from convert.source.cache import Fetched


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
        return f"{origin}: {self.url}\n  {self.fetched.size:,} bytes, sha256 {self.fetched.sha256}"


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
    if src in PRETRAINED and not path.exists():
        row = find_pretrained(src)
        return _downloaded(row.url, sha256, row.arch)
    if not path.exists() and path.name == src and not split_suffix(src)[1]:
        find_pretrained(src)  # raises, with the names that are close
    if sha256:
        raise WrongUsage(f"{src}: --sha256 is for a download; `sha256sum` prints a file's digest")
    return Located(path)


def _downloaded(url: str, sha256: str, arch: str = "") -> Located:
    from convert.source.cache import fetch  # loads what a network needs, for which a file on the disk need not wait

    fetched = fetch(url, sha256=sha256)
    return Located(fetched.path, arch, fetched, url)
