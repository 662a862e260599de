"""Which layout lies there: found, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from convert.paths import NO_PATH, OptionalPathField, is_possible
from verify.datasets.files import EXTENSIONS, file_item, file_size, is_image, read_unlabelled
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.labels import UNLABELLED
from verify.datasets.layouts.class_folders import class_folders, read_class_folders
from verify.datasets.layouts.devkit import Devkit, find_devkits, given_devkit, read_with_devkit
from verify.datasets.layouts.names import CLASS_FOLDERS, DEVKIT, FILES, LIST, PARQUET, TAR, TAR_DEVKIT, TAR_LIST
from verify.datasets.layouts.parquet import find_shards, read_parquet
from verify.datasets.layouts.tar import TAR_NAME, read_tar
from verify.datasets.layouts.val_list import LIST_NAME, read_list, read_list_archive, read_list_folder


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose where what lies there is not enough.

    Attributes:
        layout: one of LAYOUTS, where two fit; empty: the one that does.
        devkit: folder or archive of ILSVRC2012's development kit; None looks for one beside the images.
        classes: "sorted" or a file of names, where class names have no known order.
    """

    layout: str = ""
    devkit: OptionalPathField = OptionalPathField()
    classes: str = ""


NO_CHOICE = Choice()


def read_dataset(root: Path, num_classes: int, *, labelled: bool = True, choice: Choice = NO_CHOICE) -> Dataset:
    """Finds the images and labels of a validation set.

    Args:
        root: a folder of class folders, of images with `val_list.txt` or with the devkit, of the untouched archive
            with either, or of a parquet set; or the archive itself.
        num_classes: of the model, or of the data where a class map leads from one to the other.
        labelled: False takes every image and no label, for comparing predictions only.
        choice: what the user chose.

    Raises:
        DatasetError: no such set, two that fit, or labels that are not the model's; the text says what to do.
    """
    if not is_possible(root):
        raise DatasetError(f"{root}: {NO_PATH}")
    try:
        dataset = _read(root, num_classes, labelled=labelled, choice=choice)
    except OSError as error:
        where, why = error.filename or root, error.strerror or error
        raise DatasetError(f"{where}: cannot be read: {why}; check the path and its permissions") from error
    if not dataset.items:
        raise DatasetError(f"{root}: no images; files ending in {', '.join(sorted(EXTENSIONS))} count")
    names: set[str] = set()
    for item in dataset.items:
        if item.name in names:
            raise DatasetError(f"{root}: two images are called {item.name}")
        names.add(item.name)
    return dataset


def _read(root: Path, num_classes: int, *, labelled: bool, choice: Choice) -> Dataset:
    if not root.is_dir() and not root.is_file():
        raise DatasetError(f"{root}: no such folder; --data takes a folder of images, or {TAR_NAME}")
    readers = _labelled_readers(root, num_classes, choice) if labelled else _unlabelled_readers(root, num_classes)
    return _choose_reader(root, readers, choice, labelled=labelled)()


Readers = dict[str, Callable[[], Dataset]]


def _choose_reader(root: Path, readers: Readers, choice: Choice, *, labelled: bool) -> Callable[[], Dataset]:
    if choice.layout and choice.layout not in readers:
        layouts = " and ".join(readers) or "no layout that is known"
        raise DatasetError(f"{root}: --layout {choice.layout} does not lie there, but {layouts}")
    if not readers:
        raise DatasetError(f"{root}: {_explain_nothing_found(root, labelled=labelled)}")
    if not choice.layout and len(readers) > 1:
        raise DatasetError(f"{root}: may be read as {' or as '.join(readers)}; --layout chooses")
    layout = choice.layout or next(iter(readers))
    if choice.classes and layout not in (CLASS_FOLDERS, PARQUET):
        raise DatasetError(f"{root}: --classes orders class names, and the layout {layout} has labels of its own")
    if choice.devkit and layout not in (DEVKIT, TAR_DEVKIT):
        raise DatasetError(f"{root}: --devkit is given, and would not be used by the layout {layout}")
    return readers[layout]


def _explain_nothing_found(root: Path, *, labelled: bool) -> str:
    if not labelled:
        return f"no images; files ending in {', '.join(sorted(EXTENSIONS))} count"
    if root.is_file() or (root / TAR_NAME).is_file():
        return f"the archive has no labels: put {LIST_NAME} or the devkit beside it, or give --devkit; {UNLABELLED}"
    return f"has neither class folders nor a {LIST_NAME}, devkit, {TAR_NAME} or parquet set; {UNLABELLED}"


def _labelled_readers(root: Path, num_classes: int, choice: Choice) -> Readers:
    readers: Readers = {}
    folder = root if root.is_dir() else root.parent
    archive = root if root.is_file() else root / TAR_NAME
    kit = _devkit(folder, choice)
    listed = folder / LIST_NAME
    if archive.is_file():
        if listed.is_file():
            readers[TAR_LIST] = lambda: _read_tar_with_list(archive, listed, num_classes)
        if kit:
            readers[TAR_DEVKIT] = lambda: _read_tar_with_devkit(archive, kit, num_classes)
    if root.is_file():
        return readers
    if listed.is_file() and (not archive.is_file() or _lies_loose(folder, num_classes)):
        readers[LIST] = lambda: read_list_folder(root, num_classes)
    if kit and any(is_image(path.name) for path in root.iterdir()):
        readers[DEVKIT] = lambda: _read_folder_with_devkit(root, kit, num_classes)
    shards = bool(find_shards(root))
    if shards:
        readers[PARQUET] = lambda: read_parquet(root, num_classes, classes=choice.classes)
    # Beside another layout, folders are taken for classes if there are as many: `val` beside a list is none.
    folders = [path.name for path in class_folders(root) if not (shards and path.name == "data")]
    if folders and ((not readers and not archive.is_file() and not kit) or len(folders) == num_classes):
        readers[CLASS_FOLDERS] = lambda: read_class_folders(root, num_classes, classes=choice.classes)
    return readers


def _unlabelled_readers(root: Path, num_classes: int) -> Readers:
    readers: Readers = {}
    archive = root if root.is_file() else root / TAR_NAME
    if archive.is_file():
        readers[TAR] = lambda: _read_tar_without_labels(archive)
    if root.is_dir():
        files = read_unlabelled(root)
        if files.items or (not archive.is_file() and not find_shards(root)):
            readers[FILES] = lambda: files
        if find_shards(root):
            readers[PARQUET] = lambda: read_parquet(root, num_classes, labelled=False)
    return readers


def _devkit(folder: Path, choice: Choice) -> Devkit | None:
    if choice.devkit:
        return given_devkit(choice.devkit)
    kits = find_devkits(folder)
    if len(kits) > 1:
        raise DatasetError(f"{folder}: has {' and '.join(str(kit.path) for kit in kits)}; --devkit chooses")
    return kits[0] if kits else None


def _lies_loose(folder: Path, num_classes: int) -> bool:
    return any(file_size(folder / entry.name) is not None for entry in read_list(folder / LIST_NAME, num_classes))


def _read_tar_with_list(archive: Path, listed: Path, num_classes: int) -> Dataset:
    images, ignored = read_tar(archive)
    return read_list_archive(archive, listed, num_classes, images=images, ignored=ignored)


def _read_tar_with_devkit(archive: Path, kit: Devkit, num_classes: int) -> Dataset:
    images, ignored = read_tar(archive)
    return read_with_devkit(archive, kit, num_classes, images=images, ignored=ignored)


def _read_tar_without_labels(archive: Path) -> Dataset:
    images, ignored = read_tar(archive)
    return Dataset(archive, "archive, no labels", tuple(images.values()), ignored=ignored)


def _read_folder_with_devkit(root: Path, kit: Devkit, num_classes: int) -> Dataset:
    files = [path for path in root.iterdir() if not path.is_dir()]
    images: dict[str, Item] = {path.name: file_item(root, path, None) for path in files if is_image(path.name)}
    return read_with_devkit(root, kit, num_classes, images=images, ignored=len(files) - len(images))
