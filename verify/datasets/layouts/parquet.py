"""A parquet set in the layout of Hugging Face: shards such as `data/validation-00000-of-00014.parquet`.

https://huggingface.co/docs/datasets/about_dataset_features: a row's image is a struct of `bytes` and `path`, its
label an int64 whose names stand in the schema's metadata.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convert.errors import counted, shown
from verify.datasets import imagenet
from verify.datasets.blobs import BlobError, FileState, open_ordinary
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.labels import check_labels, class_order
from verify.datasets.limited import Parsed, read_limited


@dataclass(frozen=True)
class ParquetBlob:
    """The bytes of an image in a shard of a parquet set. Rows that are read in their order are read once.

    Attributes:
        path: the shard.
        group: number of the row group.
        row: number of the row within the group.
        listed: the shard's state when the set was listed.
    """

    path: Path
    group: int
    row: int
    listed: FileState | None = field(default=None, compare=False)

    def read(self) -> bytes:
        """The image's bytes."""
        from verify.datasets.layouts.parquet_file import read_image

        content = read_image(self.path, self.group, self.row, self.listed)
        if content is None:
            raise BlobError("has no bytes in the parquet set")
        return content


SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?\.parquet", re.ASCII)
SPLIT = "validation"


def find_shards(folder: Path) -> list[Path]:
    """The parquet files of a folder or of `data` in it."""
    return [path for place in (folder, folder / "data") for path in sorted(place.glob("*.parquet"))]


def read_parquet(root: Path, num_classes: int, *, labelled: bool = True, classes: str = "") -> Dataset:
    """The validation split's rows, in their order.

    Args:
        root: has the shards, or the folder `data` with them.
        num_classes: of the model.
        labelled: False leaves the labels unread.
        classes: as `class_order` takes it, for label names that have no known order.

    Raises:
        DatasetError: a shard is missing or no such file, or its labels are not known to be the model's.
    """
    shards = _validation_shards(root, find_shards(root))
    items: list[Item] = []
    names: tuple[str, ...] | None = None
    for number, shard in enumerate(shards):
        shard_names, shard_items = _list_shard(shard, labelled=labelled)
        if number and shard_names != names:
            raise DatasetError(f"{shard}: its label names are not those of {shards[0].name}")
        names = shard_names
        items += shard_items
    if len({item.name for item in items}) < len(items):
        items = [Item(_place(item), item.label, item.nbytes, item.blob) for item in items]
    if not labelled:
        return Dataset(root, "no labels", tuple(items))
    order = _checked_order(root, items, names, num_classes, classes)
    return Dataset(root, f"parquet, {counted(len(shards), 'shard')}", tuple(items), order)


def _validation_shards(root: Path, paths: Sequence[Path]) -> list[Path]:
    splits: dict[str, dict[int, Path]] = {}
    totals: dict[str, int] = {}
    for path in paths:
        match = SHARD.fullmatch(path.name)
        if match is None:
            raise DatasetError(f"{path}: expected a name such as {SPLIT}-00000-of-00014.parquet")
        split, number, total = match[1], int(match[2]), int(match[3])
        if number in splits.setdefault(split, {}) or totals.setdefault(split, total) != total:
            raise DatasetError(f"{path}: shards of two sets lie together in {path.parent}; keep one of them")
        splits[split][number] = path
    split = next(iter(splits)) if len(splits) == 1 else SPLIT
    if split not in splits:
        raise DatasetError(f"{root}: has the splits {', '.join(sorted(splits))}, none of them {SPLIT}; keep one")
    for number in range(totals[split]):
        if number not in splits[split]:
            raise DatasetError(f"{root}: {split}-{number:05}-of-{totals[split]:05}.parquet is missing")
    if len(splits[split]) != totals[split]:
        raise DatasetError(f"{root}: has more shards of {split} than the {totals[split]} that their names say")
    return [splits[split][number] for number in sorted(splits[split])]


def _list_shard(path: Path, *, labelled: bool) -> tuple[tuple[str, ...] | None, list[Item]]:
    """The label names of a shard's schema, and its images."""
    state = _state(path)
    task, fault = "verify.datasets.layouts.parquet_file:list_shard", "is no parquet file that can be read"
    advice = "fetch it again, or write it again with 100 rows a group"
    parsed = Parsed(task, str(path), state.nbytes, fault=fault, advice=advice)
    names, groups = read_limited(parsed, str(path), labelled)
    if _state(path) != state:
        raise DatasetError(f"{path}: was changed while it was listed; run again when it stands still")
    items: list[Item] = []
    for group, rows in enumerate(groups):
        for row, (name, nbytes, label) in enumerate(rows):
            blob = ParquetBlob(path, group, row, state)
            items.append(Item(name or f"{path.name}, row {len(items)}", label, nbytes, blob))
    return (None if names is None else tuple(names)), items


def _state(path: Path) -> FileState:
    try:
        with open_ordinary(path) as file:
            return FileState.of(os.fstat(file.fileno()))
    except BlobError as error:
        raise DatasetError(f"{path}: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error


def _place(item: Item) -> str:
    assert isinstance(item.blob, ParquetBlob)
    return f"{item.blob.path.name}, row group {item.blob.group}, row {item.blob.row}"


def _checked_order(
    root: Path, items: Sequence[Item], names: tuple[str, ...] | None, num_classes: int, classes: str
) -> tuple[str, ...]:
    where = str(root)
    beyond = next((item for item in items if item.label is not None and item.label >= num_classes), None)
    if beyond:
        raise DatasetError(
            f"{where}: {beyond.name} has label {beyond.label}, but the model's {num_classes} classes are 0 to "
            f"{num_classes - 1}; --unlabelled compares predictions without labels"
        )
    if names is not None and len(names) != num_classes:
        raise DatasetError(f"{where}: its schema names {len(names)} classes, but the model has {num_classes}")
    if num_classes == imagenet.CLASSES and items and all(imagenet.original(item.name) for item in items):
        check_labels(where, items, num_classes)  # the names of the images tell, whatever the classes are called
        return names or imagenet.wordnet_ids()
    if names is None:
        raise DatasetError(f"{where}: neither its schema nor its images' names tell what the labels mean")
    order = class_order(where, names, num_classes, declared=classes, noun="class name")
    if order != names:
        place = next(i for i, (one, other) in enumerate(zip(order, names, strict=True)) if one != other)
        raise DatasetError(f"{where}: label {place} should be {shown(order[place])}, and is {shown(names[place])}")
    return names
