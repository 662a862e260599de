"""PaddleClas' `val_list.txt`: `name label` a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convert.errors import counted, shown
from verify.datasets import imagenet
from verify.datasets.files import file_item, file_state, is_image
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.labels import UNLABELLED, check_labels, likely_cause, range_cause
from verify.datasets.texts import number_of, read_lines

LIST_NAME = "val_list.txt"


@dataclass(frozen=True)
class Listed:
    """A line of the list."""

    line: int
    name: str
    label: int


def read_list_folder(root: Path, num_classes: int) -> Dataset:
    """Images in a folder whose val_list.txt labels them; their order is the list's."""
    path = root / LIST_NAME
    entries = read_list(path, num_classes)
    absent = [entry.name for entry in entries if file_state(root / entry.name) is None]
    if absent:
        raise DatasetError(f"{path}: {counted(len(absent), 'listed file')} missing, first {shown(absent[0])}")
    items = tuple(file_item(root, root / entry.name, entry.label) for entry in entries)
    folders = {(root / entry.name).parent for entry in entries}
    neighbours = {path for folder in folders for path in folder.iterdir() if not path.is_dir()}
    images = sum(is_image(path.relative_to(root).as_posix()) for path in neighbours)
    listed = sum(is_image(entry.name) for entry in entries)
    litter = len(neighbours) - images - (root in folders) - (len(entries) - listed)
    check_labels(str(path), items, num_classes)
    return Dataset(root, LIST_NAME, items, ignored=litter, unlisted=images - listed)


def read_list_archive(
    archive: Path, list_path: Path, num_classes: int, *, images: Mapping[str, Item], ignored: int
) -> Dataset:
    """Images of an archive that a list labels; their order is the list's.

    Where the archive's images lie in no folder, the list may name one before them.

    Args:
        archive: for what is said.
        list_path: the list.
        num_classes: of the model.
        images: the archive's, by name, without labels.
        ignored: its other members.
    """
    items: dict[str, Item] = {}
    for entry in read_list(list_path, num_classes):
        name = entry.name if entry.name in images else PurePosixPath(entry.name).name
        where = f"{list_path}, line {entry.line}"
        if name not in images:
            raise DatasetError(f"{where}: {shown(entry.name)} is not in {archive.name}")
        if name in items:
            raise DatasetError(f"{where}: {shown(name)} of {archive.name} is listed twice")
        image = images[name]
        items[name] = Item(image.name, entry.label, image.nbytes, image.blob)
    check_labels(str(list_path), tuple(items.values()), num_classes)
    layout = f"archive with {LIST_NAME}"
    return Dataset(archive, layout, tuple(items.values()), ignored=ignored, unlisted=len(images) - len(items))


def read_list(path: Path, num_classes: int) -> list[Listed]:
    """The lines of a list, each name once, every label one of the model's.

    Raises:
        DatasetError: a line that is none, or labels that do not fit, with the likely cause.
    """
    entries: dict[str, Listed] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        where = f"{path}, line {number}"
        name, _, text = line.rpartition(" ")
        if not name or not text.isascii() or not text.isdigit():
            raise DatasetError(f"{where}: expected `name label`, found {line[:80]!r}")
        name = Path(name).as_posix()
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DatasetError(f"{where}: {shown(name)} lies outside the folder")
        if (label := number_of(text)) is None:
            raise DatasetError(f"{where}: label {shown(text, 20)}, but the model has {num_classes} classes")
        if name in entries:
            raise DatasetError(f"{where}: {shown(name)} is listed twice")
        entries[name] = Listed(number, name, label)
    _check_range(path, list(entries.values()), num_classes)
    return list(entries.values())


def _check_range(path: Path, entries: list[Listed], num_classes: int) -> None:
    beyond = next((entry for entry in entries if entry.label >= num_classes), None)
    if beyond is None:
        return
    cause = range_cause([entry.label for entry in entries], num_classes)
    known = [(entry.label, imagenet.known_label(entry.name)) for entry in entries]
    pairs = [(label, expected) for label, expected in known if expected is not None]
    if num_classes == imagenet.CLASSES and len(pairs) > 1:
        cause = likely_cause([expected for _, expected in pairs], [label for label, _ in pairs])
    raise DatasetError(
        f"{path}, line {beyond.line}: label {beyond.label}, but the model's {num_classes} classes are 0 to "
        f"{num_classes - 1}{f'. {cause}. ' if cause else '; '}{UNLABELLED}"
    )
