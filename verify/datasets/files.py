"""Image files in folders: which they are, what they are called, and a set of them without labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from convert.errors import shown
from verify.datasets.blobs import FileBlob
from verify.datasets.items import Dataset, DatasetError, Item

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif"})


def read_unlabelled(root: Path) -> Dataset:
    """Every image under the folder, however deep."""
    images, ignored = split(root, walk(root))
    return Dataset(root, "no labels", tuple(file_item(root, path, None) for path in images), ignored=ignored)


def walk(root: Path) -> Iterator[Path]:
    """Every file under a folder, also links that lead nowhere.

    Raises:
        DatasetError: a folder that cannot be listed, or a link to a folder: its images might count twice.
    """
    pending = [root]  # and not a call for each, of which Python allows a thousand in one another
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            raise DatasetError(f"{folder}: cannot be listed: {error.strerror}") from error
        for entry in found:
            path = Path(entry.path)
            if not _is_folder(entry):
                yield path
            elif entry.is_symlink():
                raise DatasetError(f"{path}: links to a folder, which is not followed; put the images themselves there")
            else:
                pending.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed
        return False


def split(root: Path, paths: Iterable[Path]) -> tuple[list[Path], int]:
    """The images among files under the root, sorted, and the number of the others."""
    files = list(paths)
    images = [path for path in files if is_image(path.relative_to(root).as_posix())]
    return sorted(images, key=lambda path: path.as_posix()), len(files) - len(images)


def is_image(name: str) -> bool:
    """Whether the name, with forward slashes, is an image's and no litter's."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in EXTENSIONS and not hidden


def file_item(root: Path, path: Path, label: int | None) -> Item:
    """The item of a file that lies under the root."""
    return Item(name_of(path.relative_to(root)), label, file_size(path) or 0, FileBlob(path))


def name_of(path: Path) -> str:
    # A name that is no UTF-8 is shown by its bytes: neither the digest nor the run store can hold it otherwise.
    return shown(os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace"), 4096)


def file_size(path: Path) -> int | None:
    """Size of a file in bytes; None if there is no such file, or there cannot be."""
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # a name too long, or one with a NUL
        return None
