"""A validation set on disk: which images, and which label each has."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from convert.errors import counted, shown
from verify.datasets.blobs import FileBlob
from verify.datasets.items import Dataset, DatasetError, Item

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff", ".gif"})
LIST_NAME = "val_list.txt"
MAX_DIGITS = 9  # of a label


def read_dataset(root: Path, num_classes: int, *, labelled: bool = True) -> Dataset:
    """Finds the images and labels under a folder.

    Args:
        root: class folders whose sorted order is the label, or images and a `val_list.txt` of `name label` lines.
        num_classes: of the model; the labels must fit it.
        labelled: False takes every image under the folder and no label, for comparing predictions only.

    Raises:
        DatasetError: no folder, no images, or labels that do not fit; the text says which and what to do.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; --data takes a folder of images")
    if not labelled:
        dataset = _unlabelled(root)
    elif (root / LIST_NAME).is_file():
        dataset = _listed(root, num_classes)
    else:
        dataset = _class_folders(root, num_classes)
    if not dataset.items:
        raise DatasetError(f"{root}: no images; files ending in {', '.join(sorted(EXTENSIONS))} count")
    return dataset


def _unlabelled(root: Path) -> Dataset:
    images, ignored = _split(root, root.rglob("*"))
    return Dataset(root, "no labels", tuple(_item(root, path, None) for path in images), ignored=ignored)


def _class_folders(root: Path, num_classes: int) -> Dataset:
    folders = sorted((path for path in root.iterdir() if path.is_dir() and path.name[:1] != "."), key=lambda p: p.name)
    if not folders:
        raise DatasetError(
            f"{root}: has neither class folders nor a {LIST_NAME}; --unlabelled compares predictions without labels"
        )
    if len(folders) != num_classes:
        raise DatasetError(
            f"{root}: {counted(len(folders), 'class folder')}, but the model has {num_classes} classes. "
            "A missing folder would shift every later label; --unlabelled compares predictions without labels"
        )
    items: list[Item] = []
    ignored = sum(path.is_file() for path in root.iterdir())  # an image beside the folders has no class
    for label, folder in enumerate(folders):
        images, litter = _split(folder, folder.rglob("*"))
        if not images:
            raise DatasetError(f"{folder}: this class folder has no images")
        items += [_item(root, path, label) for path in images]
        ignored += litter
    return Dataset(root, "class folders", tuple(items), tuple(folder.name for folder in folders), ignored)


def _listed(root: Path, num_classes: int) -> Dataset:
    items: dict[str, Item] = {}
    for number, line in enumerate(_read_list(root / LIST_NAME).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{root / LIST_NAME}, line {number}"
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isascii() or not label.isdigit():
            raise DatasetError(f"{where}: expected `name label`, found {line[:80]!r}")
        name = Path(name).as_posix()
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DatasetError(f"{where}: {name} lies outside the folder")
        if len(label) > MAX_DIGITS or int(label) >= num_classes:
            raise DatasetError(
                f"{where}: label {shown(label, 20)}, but the model's {num_classes} classes are 0 to {num_classes - 1}; "
                "--unlabelled compares predictions without labels"
            )
        if name in items:
            raise DatasetError(f"{where}: {name} is listed twice")
        items[name] = _item(root, root / name, int(label), name=name)
    absent = [name for name in items if not (root / name).is_file()]
    if absent:
        raise DatasetError(f"{root / LIST_NAME}: {counted(len(absent), 'listed file')} missing, first {absent[0]}")
    return Dataset(root, LIST_NAME, tuple(items.values()))


def _read_list(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text (byte {error.start}); save it as such") from error


def _split(root: Path, paths: Iterable[Path]) -> tuple[list[Path], int]:
    files = [path for path in paths if path.is_file()]
    images = [path for path in files if path.suffix.lower() in EXTENSIONS and not _is_hidden(path.relative_to(root))]
    return sorted(images, key=lambda path: path.as_posix()), len(files) - len(images)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _item(root: Path, path: Path, label: int | None, name: str = "") -> Item:
    # A name that is no UTF-8 is shown by its bytes: neither the digest nor the run store can hold it otherwise.
    shown_name = name or os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return Item(shown_name, label, path.stat().st_size if path.is_file() else 0, FileBlob(path))
