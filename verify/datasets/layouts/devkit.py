"""The development kit of ILSVRC2012: the ground truth in an order of its own, and `meta.mat`, which explains it."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convert.errors import counted, shown
from verify.datasets import imagenet
from verify.datasets.blobs import BlobError, open_ordinary
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.labels import check_labels
from verify.datasets.layouts.tar_headers import TarError, read_members
from verify.datasets.limited import Parsed, read_limited
from verify.datasets.texts import lines_of, number_of

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
ARCHIVE = "ILSVRC2012_devkit_t12.tar.gz"
PLACES = (".", "data", "ILSVRC2012_devkit_t12/data")
MAX_BYTES = 16 << 20  # of the kit unpacked; it has 4 MB


@dataclass(frozen=True)
class Devkit:
    """Where a kit lies: a folder with both files, or the archive as it is downloaded."""

    path: Path

    def read(self) -> Mapping[str, bytes]:
        """The contents of both files, by name."""
        try:
            if self.path.is_dir():
                return {name: _read_whole(self.path / name) for name in (TRUTH, META) if (self.path / name).is_file()}
            return _unpack(self.path)
        except (OSError, EOFError, zlib.error, BlobError, TarError) as error:
            raise DatasetError(f"{self.path}: the devkit cannot be read: {shown(error)}") from error


def find_devkits(folder: Path) -> list[Devkit]:
    """The kits that lie in a folder: unpacked in it or below it, and the archive."""
    unpacked = [folder / place for place in PLACES if (folder / place / TRUTH).is_file()]
    return [Devkit(path) for path in unpacked] + [Devkit(folder / ARCHIVE)] * (folder / ARCHIVE).is_file()


def given_devkit(path: Path) -> Devkit:
    """The kit that --devkit names: a folder or the archive.

    Raises:
        DatasetError: there is none, or there are two.
    """
    kits = [Devkit(path)] if path.is_file() else find_devkits(path)
    if len(kits) != 1:
        places = " and ".join(str(kit.path) for kit in kits) or f"no {TRUTH}"
        raise DatasetError(f"{path}: has {places}; --devkit takes the folder of one devkit, or {ARCHIVE}")
    return kits[0]


def read_with_devkit(root: Path, kit: Devkit, num_classes: int, *, images: Mapping[str, Item], ignored: int) -> Dataset:
    """Images numbered from 1 on, and the kit's label of each.

    Args:
        root: the folder or archive of the images.
        kit: has as many labels as there are images.
        num_classes: of the model, and of the kit.
        images: by name, without labels.
        ignored: files beside them.

    Raises:
        DatasetError: the images are not those of the ground truth, or the classes not those of the model.
    """
    numbers = read_ground_truth(kit, num_classes)
    _check_names(root, kit, sorted(images), len(numbers))
    items = [
        Item(images[name].name, label, images[name].nbytes, images[name].blob)
        for name, label in zip(sorted(images), numbers, strict=True)
    ]
    check_labels(f"{kit.path}/{TRUTH}", items, num_classes)
    kind = "flat folder" if root.is_dir() else "archive"
    return Dataset(root, f"{kind} with the devkit", tuple(items), ignored=ignored)


def read_ground_truth(kit: Devkit, num_classes: int) -> tuple[int, ...]:
    """The label of every validation image, counted among the sorted WordNet ids.

    Raises:
        DatasetError: files that are missing or that do not fit each other or the model.
    """
    files = kit.read()
    if missing := {TRUTH, META} - set(files):
        raise DatasetError(
            f"{kit.path}: has no {missing.pop()}; the ground truth counts classes in the devkit's own order, and only "
            f"{META} says which they are"
        )
    labels = _labels_by_id(f"{kit.path}/{META}", files[META], num_classes)
    where = f"{kit.path}/{TRUTH}"
    lines = lines_of(where, files[TRUTH])
    numbers = [number_of(line) for line in (lines[:-1] if lines[-1] == "" else lines)]
    for line, number in enumerate(numbers, start=1):
        if number not in labels:
            raise DatasetError(f"{where}, line {line}: expected 1 to {len(labels)}, found {lines[line - 1][:20]!r}")
    return tuple(labels[number] for number in numbers if number is not None)


def _labels_by_id(where: str, content: bytes, num_classes: int) -> dict[int | None, int]:
    """Maps each ILSVRC2012_ID to its label; only synsets without children are classes."""
    rows = [(number, name) for number, name, children in _synsets(where, content) if children == 0]
    order = {wordnet_id: label for label, wordnet_id in enumerate(sorted(name for _, name in rows))}
    if sorted(number for number, _ in rows) != list(range(1, len(rows) + 1)) or len(order) != len(rows):
        raise DatasetError(f"{where}: its classes are not numbered from 1 on, each once")
    if len(rows) != num_classes:
        raise DatasetError(f"{where}: {counted(len(rows), 'synset')} without children, but the model has {num_classes}")
    if num_classes == imagenet.CLASSES and tuple(order) != imagenet.wordnet_ids():
        raise DatasetError(f"{where}: its classes are not the 1000 of ILSVRC2012")
    return {number: order[name] for number, name in rows}


def _synsets(where: str, content: bytes) -> Sequence[tuple[int, str, int]]:
    task = "verify.datasets.layouts.meta_mat:read_synsets"
    advice = "fetch the devkit again"
    synsets: Sequence[tuple[int, str, int]] = read_limited(
        Parsed(task, where, len(content), fault="is not the devkit's", advice=advice), content=content
    )
    return synsets


def _check_names(root: Path, kit: Devkit, names: Sequence[str], count: int) -> None:
    for number in range(1, max(len(names), count) + 1):
        name = names[number - 1] if number <= len(names) else ""
        image = imagenet.original(name)
        if number > count or image is None or image.number != number:
            expected = f"ILSVRC2012_val_{number:08}.JPEG" if number <= count else "no more"
            raise DatasetError(
                f"{root}: {counted(len(names), 'image')} and {counted(count, 'label')} in {kit.path.name}/{TRUTH}; "
                f"image {number:,} should be {expected}, and is {shown(name) or 'missing'}"
            )


def _read_whole(path: Path) -> bytes:
    with open_ordinary(path) as file:
        return _within_limit(path, file.read(MAX_BYTES + 1))


def _unpack(path: Path) -> dict[str, bytes]:
    with open_ordinary(path) as file, gzip.open(file) as stream:
        content = _within_limit(path, stream.read(MAX_BYTES + 1))
    return {
        name: content[member.offset : member.offset + member.nbytes]
        for member in read_members(io.BytesIO(content), len(content))
        if member.kind == "a file" and (name := PurePosixPath(member.name).name) in (TRUTH, META)
    }


def _within_limit(path: Path, content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise DatasetError(f"{path}: has more than {MAX_BYTES:,} bytes unpacked; the devkit has 4 MB")
    return content
