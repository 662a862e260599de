"""Parquet sets that could make a reader take much memory or time, or fail in its own words.

Each is read for a model of three classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Make = Callable[[Path], object]
SHARD = "validation-00000-of-00001.parquet"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
HUGE = 20_000_000


def write(root: Path, image: Any, label: Any = None, *, metadata: Any = None, **options: Any) -> None:
    """A shard of these columns."""
    root.mkdir(parents=True, exist_ok=True)
    label = pa.array([0] * len(image), pa.int64()) if label is None else label
    table = pa.table({"image": image, "label": label})
    pq.write_table(table.replace_schema_metadata(metadata), root / SHARD, **{"compression": "zstd", **options})


def images(rows: int, content: bytes = b"x", path: str = "x.JPEG") -> Any:
    return pa.array([{"bytes": content, "path": path}] * rows, IMAGE)


def same_image(rows: int, content: bytes, path: str = "x.JPEG", **options: Any) -> Make:
    """Rows that all name one value of the dictionary, which is in memory once here, and once in the file."""

    def make(root: Path) -> None:
        indices = pa.array(np.zeros(rows, np.int32))
        columns = [pa.DictionaryArray.from_arrays(indices, pa.array([value])) for value in (content, path)]
        write(root, pa.StructArray.from_arrays(columns, names=["bytes", "path"]), store_schema=False, **options)

    return make


def prefixed(root: Path) -> None:
    """Each value is the one before it, by a length alone."""
    encoding = {"image.bytes": "DELTA_BYTE_ARRAY"}
    write(root, images(60, bytes(HUGE // 10)), use_dictionary=False, column_encoding=encoding)


def one_column(kind: Any, values: list[Any]) -> Make:
    """`image` is of another type."""
    return lambda root: write(root, pa.array(values, kind))


def one_field(kind: Any, value: Any, *, field: str = "bytes") -> Make:
    """One field of `image` is of another type."""
    kinds = {"bytes": pa.binary(), "path": pa.string(), field: kind}
    row = {"bytes": b"x", "path": "x.JPEG", field: value}
    return lambda root: write(root, pa.array([row], pa.struct(list(kinds.items()))))


def one_label(kind: Any, value: Any) -> Make:
    """The label is of another type."""
    return lambda root: write(root, images(1), pa.array([value], kind))


def two_columns(*names: str) -> Make:
    def make(root: Path) -> None:
        root.mkdir(parents=True)
        columns = [images(1) if name == "image" else pa.array([0]) for name in names]
        pq.write_table(pa.Table.from_arrays(columns, names=list(names)), root / SHARD)

    return make


def schema_says(text: str) -> Make:
    return lambda root: write(root, images(1), metadata={"huggingface": text})


def names_of(value: object) -> Make:
    return schema_says(json.dumps({"info": {"features": {"label": {"names": value}}}}))


TYPE = "expected {name} to be {wanted}, found {found}; write it again with the library `datasets`"
NO_ORDER = "neither its schema nor its images' names tell what the labels mean"


def other_type(name: str, wanted: str, found: str) -> str:
    return TYPE.format(name=name, wanted=wanted, found=found)


MEMORY = "MB of memory to read"
UNPACKED = "images do not pack so well"

# What is said behind the shard's name, or a part of it where the rest is a library's own.
PARQUETS: Mapping[str, tuple[Make, str]] = {
    "fifty rows of one value of 60 MB": (same_image(50, bytes(3 * HUGE)), MEMORY),
    "a thousand rows of one value of 2 MB": (same_image(1000, bytes(HUGE // 10)), UNPACKED),
    "a value of 100 MB in a page": (same_image(1, bytes(5 * HUGE)), MEMORY),
    "a value of 100 MB in brotli": (same_image(1, bytes(5 * HUGE), compression="brotli"), MEMORY),
    "a value of 100 MB in gzip": (same_image(1, bytes(5 * HUGE), compression="gzip"), MEMORY),
    "values that repeat the one before": (prefixed, UNPACKED),
    "names of 20 MB": (same_image(2000, b"x", "x" * HUGE), MEMORY),
    "ten million rows of nothing": (
        lambda root: write(root, pa.nulls(10_000_000, IMAGE), pa.nulls(10_000_000, pa.int64())),
        "says that it has 10,000,000 rows, more than its",
    ),
    "images in a list": (
        one_column(pa.list_(IMAGE), [[{"bytes": b"x", "path": "x"}]]),
        "expected a column `image` of bytes and path, found image, label",
    ),
    "images that are numbers": (
        one_column(pa.int64(), [1]),
        "expected a column `image` of bytes and path, found image, label",
    ),
    "images that are nothing": (
        one_column(pa.null(), [None]),
        "expected a column `image` of bytes and path, found image, label",
    ),
    "images that are bytes alone": (
        one_column(pa.binary(), [b"x"]),
        "expected a column `image` of bytes and path, found image, label",
    ),
    "bytes that are text": (one_field(pa.string(), "x"), other_type("image.bytes", "binary", "string")),
    "bytes that are numbers": (one_field(pa.int64(), 1), other_type("image.bytes", "binary", "int64")),
    "bytes that are nothing": (one_field(pa.null(), None), other_type("image.bytes", "binary", "null")),
    "bytes of one length": (
        one_field(pa.binary(1), b"x"),
        other_type("image.bytes", "binary", "fixed_size_binary[1]"),
    ),
    "bytes in a list": (
        one_field(pa.list_(pa.binary()), [b"x"]),
        "expected image.bytes to be binary, found list<",
    ),
    "bytes in a struct": (
        one_field(pa.struct([("bytes", pa.binary())]), {"bytes": b"x"}),
        other_type("image.bytes", "binary", "struct<bytes: binary>"),
    ),
    "bytes in a dictionary": (
        lambda root: write(
            root,
            pa.StructArray.from_arrays(
                [pa.array([b"x"]).dictionary_encode(), pa.array(["x"])], names=["bytes", "path"]
            ),
        ),
        "expected image.bytes to be binary, found dictionary<values=binary, indices=int32, ordered=0>",
    ),
    "a path that is a number": (one_field(pa.int64(), 1, field="path"), other_type("image.path", "string", "int64")),
    "a path that is bytes": (
        one_field(pa.binary(), b"\xff", field="path"),
        other_type("image.path", "string", "binary"),
    ),
    "labels that are text": (one_label(pa.string(), "tench"), other_type("label", "an integer", "string")),
    "labels that are fractions": (one_label(pa.float64(), 1.0), other_type("label", "an integer", "double")),
    "labels that are truths": (one_label(pa.bool_(), True), other_type("label", "an integer", "bool")),
    "labels that are nothing": (one_label(pa.null(), None), other_type("label", "an integer", "null")),
    "labels in a list": (
        one_label(pa.list_(pa.int64()), [1]),
        "expected label to be an integer, found list<",
    ),
    "labels in a struct": (
        one_label(pa.struct([("x", pa.int64())]), {"x": 1}),
        other_type("label", "an integer", "struct<x: int64>"),
    ),
    "labels that are times": (
        one_label(pa.timestamp("us"), 1),
        other_type("label", "an integer", "timestamp[us]"),
    ),
    "labels in a dictionary": (
        lambda root: write(root, images(1), pa.array(["tench"]).dictionary_encode()),
        "expected label to be an integer, found dictionary<values=string, indices=int32, ordered=0>",
    ),
    "a label beyond 63 bits": (
        one_label(pa.uint64(), (1 << 64) - 1),
        "x.JPEG has label 18446744073709551615, but the model's 3 classes are 0 to 2",
    ),
    "two columns of images": (
        two_columns("image", "image", "label"),
        "expected a column `image` of bytes and path, found image, image, label",
    ),
    "two columns of labels": (two_columns("image", "label", "label"), "has more than one column `label`"),
    "no labels": (two_columns("image"), "has no column `label`; --unlabelled compares predictions without labels"),
    "a schema of brackets": (schema_says("[" * 100_000), NO_ORDER),
    "a schema of digits": (schema_says("1" * 100_000), NO_ORDER),
    "label names that are one text": (names_of("abc"), NO_ORDER),
    "label names that are a number": (names_of(3), NO_ORDER),
    "a million label names": (names_of(["x"] * 1_000_000), "its schema names 1000000 classes, but the model has 3"),
}
