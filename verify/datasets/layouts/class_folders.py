"""Images in folders: one folder a class, or any folder without labels."""

from __future__ import annotations

from pathlib import Path

from verify.datasets.files import file_item, split, walk
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.labels import check_labels, class_order

NO_CLASSES = frozenset({"__MACOSX", "ILSVRC2012_devkit_t12"})  # folders that lie beside class folders


def read_class_folders(root: Path, num_classes: int, *, classes: str = "") -> Dataset:
    """A folder a class; images may lie deeper in it.

    Args:
        root: holds the class folders.
        num_classes: of the model.
        classes: as `class_order` takes it.
    """
    folders = {path.name: path for path in class_folders(root)}
    order = class_order(str(root), folders, num_classes, declared=classes)
    targets = [path.resolve() for path in folders.values()]
    if len(set(targets)) < len(targets):
        twice = next(path for path in folders.values() if targets.count(path.resolve()) > 1)
        raise DatasetError(f"{twice}: this class folder is another one too, through a link")
    items: list[Item] = []
    ignored = sum(not path.is_dir() for path in root.iterdir())  # an image beside the folders has no class
    for label, name in enumerate(order):
        if name not in folders:  # declared, and without images here
            continue
        images, litter = split(folders[name], walk(folders[name]))
        if not images:
            raise DatasetError(f"{folders[name]}: this class folder has no images")
        items += [file_item(root, path, label) for path in images]
        ignored += litter
    check_labels(str(root), items, num_classes)
    layout = "class folders"
    if len(folders) < len(order):
        layout += f" ({len(folders):,} of {len(order):,} declared)"
    return Dataset(root, layout, tuple(items), order, ignored)


def class_folders(root: Path) -> list[Path]:
    """The folders under the root that may be classes, sorted by name."""
    folders = (
        path for path in root.iterdir() if path.is_dir() and path.name[:1] != "." and path.name not in NO_CLASSES
    )
    return sorted(folders, key=lambda path: path.name)
