"""What a validation set is made of, wherever its images lie."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from convert.errors import FerryError
from verify.datasets.blobs import Blob


class DatasetError(FerryError):
    """A folder that is no validation set, or whose labels do not fit the model."""


@dataclass(frozen=True)
class Item:
    """An image.

    Attributes:
        name: its path under the data set's folder, with forward slashes; no other image of the set has it.
        label: its class, or None in a set without labels.
        nbytes: its size when the set was listed.
        blob: where its bytes lie.
    """

    name: str
    label: int | None
    nbytes: int
    blob: Blob


@dataclass(frozen=True)
class Dataset:
    """Every image exactly once, in an order that does not depend on the file system.

    Attributes:
        root: the folder, or the archive.
        layout: how images and labels were found, in words.
        items: the images.
        classes: name of each label, where the set names them.
        ignored: files that are no images by their name, and hidden files.
        unlisted: images that lie beside the listed ones and that the list leaves out.
    """

    root: Path
    layout: str
    items: tuple[Item, ...]
    classes: tuple[str, ...] = ()
    ignored: int = 0
    unlisted: int = 0

    def fingerprint(self) -> str:
        """SHA-256 over every image's name, size in bytes and label."""
        lines = (f"{item.name} {item.nbytes} {item.label}\n" for item in self.items)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def class_counts(self) -> dict[int, int]:
        """Images of each label that occurs, in the labels' order; empty without labels."""
        counts = Counter(item.label for item in self.items if item.label is not None)
        return dict(sorted(counts.items()))
