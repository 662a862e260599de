"""A parquet set in the layout of Hugging Face: shards such as `data/validation-00000-of-00014.parquet`.

https://huggingface.co/docs/datasets/about_dataset_features: a row's image is a struct of `bytes` and `path`, its
label an int64 whose names stand in the schema's metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.errors import counted, shown
from verify.datasets import imagenet
from verify.datasets.blobs import BlobError
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.labels import check_labels, class_order

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ParquetBlob:
    """The bytes of an image in a shard of a parquet set.

    Reading one reads the row group that it lies in, so the last of them stays in memory: read rows in their order.

    Attributes:
        path: the shard.
        group: number of the row group.
        row: number of the row within the group.
    """

    path: Path
    group: int
    row: int

    def read(self) -> bytes:
        """The image's bytes."""

        content = image_column(self.path, self.group)[self.row].as_py()
        if content is None:
            raise BlobError("has no bytes in the parquet set")
        return bytes(content)


SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?\.parquet", re.ASCII)
SPLIT = "validation"
MAX_GROUP = 2 << 30  # bytes of a row group in memory; Hugging Face writes 100 images each


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
        with _open_shard(shard) as file:
            if number and _label_names(file) != names:
                raise DatasetError(f"{shard}: its label names are not those of {shards[0].name}")
            names = _label_names(file)
            items += _rows(shard, file, labelled=labelled)
    if len({item.name for item in items}) < len(items):
        items = [Item(_place(item), item.label, item.nbytes, item.blob) for item in items]
    if not labelled:
        return Dataset(root, "no labels", tuple(items))
    order = _checked_order(root, items, names, num_classes, classes)
    return Dataset(root, f"parquet, {counted(len(shards), 'shard')}", tuple(items), order)


@lru_cache(maxsize=1)
def image_column(path: Path, group: int) -> pa.Array:
    """The images' bytes of a row group. One group stays in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            column = file.read_row_group(group, columns=["image.bytes"], use_threads=False).column("image")
    except pa.ArrowException as error:
        raise BlobError(f"cannot be read from {path.name}: {_first_line(error)}") from error
    return column.combine_chunks().field("bytes")


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


def _open_shard(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: is no parquet file that can be read: {_first_line(error)}") from error
    image = schema.field("image").type if "image" in schema.names else None
    fields = {image.field(i).name for i in range(image.num_fields)} if image and pa.types.is_struct(image) else set()
    if not {"bytes", "path"} <= fields:
        raise DatasetError(f"{path}: expected a column `image` of bytes and path, found {', '.join(schema.names)}")
    sizes = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    if max(sizes, default=0) > MAX_GROUP:
        raise DatasetError(
            f"{path}: a row group has {max(sizes):,} bytes, and one is held in memory at a time; "
            "write it again with 100 rows a group"
        )
    return file


def _rows(path: Path, file: Any, *, labelled: bool) -> Iterator[Item]:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ["image.bytes", "image.path", *(["label"] if labelled else [])]
    row_number = 0
    for group in range(file.num_row_groups):
        try:
            table = file.read_row_group(group, columns=columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{path}: row group {group} cannot be read: {_first_line(error)}") from error
        image = table.column("image").combine_chunks()
        sizes = pc.fill_null(pc.binary_length(image.field("bytes")), 0).to_pylist()
        names = image.field("path").to_pylist()
        labels = _labels(path, table, first=row_number) if labelled else [None] * len(names)
        for row, (name, size, label) in enumerate(zip(names, sizes, labels, strict=True)):
            blob = ParquetBlob(path, group, row)
            yield Item(shown(name, 4096) if name else f"{path.name}, row {row_number + row}", label, size, blob)
        row_number += len(names)


def _labels(path: Path, table: Any, *, first: int) -> list[int]:
    if "label" not in table.column_names:
        raise DatasetError(f"{path}: has no column `label`; --unlabelled compares predictions without labels")
    labels: list[Any] = table.column("label").to_pylist()
    for row, label in enumerate(labels, start=first):
        if type(label) is not int or label < 0:
            raise DatasetError(f"{path}, row {row}: label {shown(label, 20)}; a test split has none")
    return labels


def _place(item: Item) -> str:
    assert isinstance(item.blob, ParquetBlob)
    return f"{item.blob.path.name}, row group {item.blob.group}, row {item.blob.row}"


def _label_names(file: Any) -> tuple[str, ...] | None:
    """The names of the labels that the schema's metadata have; None if they have none."""
    try:
        features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return None


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


def _first_line(error: Exception) -> str:
    return shown(str(error).partition("\n")[0], 200)
