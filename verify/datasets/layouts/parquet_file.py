"""The border to pyarrow: the rows of one shard, each read alone, so that no number in the file makes them one array.

Imported where pyarrow reads: in the process that `read_limited` starts, and where images are decoded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from convert.errors import shown
from verify.datasets.blobs import CHANGED, BlobError, FileState, open_ordinary
from verify.datasets.items import DatasetError
from verify.datasets.limited import PARSER_ERRORS, first_line

FEW_ROWS = 10_000  # cost little, whatever the file's size
BYTES_A_ROW = 16  # of the file; the smallest image has more, and a row has a name and a label besides
FEW_BYTES = 64 << 20  # of images, whatever the file's size
BYTES_A_BYTE = 64  # of images for one of the file; image files are packed already and hardly get smaller

AGAIN = "write it again with the library `datasets`"
ERRORS = (pa.ArrowException, *PARSER_ERRORS)

Row = tuple[str | None, int, int | None]  # path, size of the image in bytes, label


def list_shard(path: str, labelled: bool) -> tuple[list[str] | None, list[list[Row]]]:
    """The label names that the schema has, and the rows of each row group. Runs where `read_limited` has it run.

    Raises:
        DatasetError: columns that hold something else, or more rows or bytes than the file can hold.
    """
    try:
        with _open_shard(Path(path)) as (handle, file):
            nbytes = handle.seek(0, 2)
            _check_columns(path, file.schema_arrow, labelled=labelled)
            _check_rows(path, file.metadata, nbytes)
            groups = _list_groups(path, file, FEW_BYTES + BYTES_A_BYTE * nbytes, labelled=labelled)
            return _label_names(file.schema_arrow), groups
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise ValueError(first_line(error)) from error
    except BlobError as error:
        raise DatasetError(f"{path}: {error}") from error


def read_image(path: Path, group: int, row: int, listed: FileState | None) -> bytes | None:
    """The bytes of a row's image; None where it has none. Reading rows in their order reads each once.

    Raises:
        OSError: the file is gone.
        BlobError: it was changed since it was listed, or cannot be read.
    """
    if listed not in (None, FileState.of(path.stat())):
        raise BlobError(CHANGED)
    try:
        return _open_group(path, group, listed).read(row)
    except ERRORS as error:
        _open_group.cache_clear()
        raise BlobError(f"cannot be read from {path.name}: {first_line(error)}") from error


@contextmanager
def _open_shard(path: Path) -> Iterator[tuple[Any, Any]]:
    with open_ordinary(path) as handle:
        yield handle, _parquet_file(handle)


def _parquet_file(handle: Any) -> Any:
    """The file as pyarrow opens it: read page by page, and those pages that have a checksum held to it."""
    return pq.ParquetFile(handle, pre_buffer=False, page_checksum_verification=True)


def _batches(file: Any, group: int, columns: Sequence[str]) -> Iterator[Any]:
    """The rows of a row group, a batch each."""
    yield from file.iter_batches(1, row_groups=[group], columns=list(columns), use_threads=False)


class _Group:
    """The images of a row group, which are read in their order; an earlier one starts anew."""

    def __init__(self, path: Path, group: int) -> None:
        self._handle = open_ordinary(path)
        self._file = _parquet_file(self._handle)
        self._group = group
        self._start()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self._handle.close()

    def _start(self) -> None:
        self._row = -1
        self._batches = _batches(self._file, self._group, ["image.bytes"])

    def read(self, row: int) -> bytes | None:
        if row <= self._row:
            self._start()
        for batch in self._batches:
            self._row += 1
            if self._row == row:
                content: bytes | None = batch.column("image").field("bytes")[0].as_py()
                return content
        raise ValueError(f"row group {self._group} ends before row {row}")


@lru_cache(maxsize=1)
def _open_group(path: Path, group: int, _: FileState | None) -> _Group:
    return _Group(path, group)  # another one for a file that was listed in another state


def _check_columns(path: str, schema: Any, *, labelled: bool) -> None:
    image = schema.field("image").type if schema.names.count("image") == 1 else None
    fields = [image.field(i) for i in range(image.num_fields)] if image and pa.types.is_struct(image) else []
    kinds = {name: [field.type for field in fields if field.name == name] for name in ("bytes", "path")}
    if any(len(types) != 1 for types in kinds.values()):
        found = shown(", ".join(schema.names), 200)
        raise DatasetError(f"{path}: expected a column `image` of bytes and path, found {found}")
    labels = [field.type for field in schema if field.name == "label"]
    if labelled and len(labels) != 1:
        has = "no column" if not labels else "more than one column"
        raise DatasetError(f"{path}: has {has} `label`; --unlabelled compares predictions without labels")
    expected = [
        ("image.bytes", kinds["bytes"][0], (pa.types.is_binary, pa.types.is_large_binary), "binary"),
        ("image.path", kinds["path"][0], (pa.types.is_string, pa.types.is_large_string, pa.types.is_null), "string"),
        *(("label", kind, (pa.types.is_integer,), "an integer") for kind in labels if labelled),
    ]
    for name, kind, fits, wanted in expected:
        if not any(fit(kind) for fit in fits):
            raise DatasetError(f"{path}: expected {name} to be {wanted}, found {shown(kind, 60)}; {AGAIN}")


def _check_rows(path: str, metadata: Any, nbytes: int) -> None:
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != metadata.num_rows:
        raise DatasetError(f"{path}: its row groups do not have the {metadata.num_rows:,} rows that it says it has")
    if sum(rows) > max(FEW_ROWS, nbytes // BYTES_A_ROW):
        raise DatasetError(
            f"{path}: says that it has {sum(rows):,} rows, more than its {nbytes:,} bytes can hold; fetch it again"
        )


def _list_groups(path: str, file: Any, most: int, *, labelled: bool) -> list[list[Row]]:
    groups: list[list[Row]] = []
    number = unpacked = 0
    for group in range(file.num_row_groups):
        groups.append([])
        for batch in _batches(file, group, ["image.bytes", "image.path", *(["label"] if labelled else [])]):
            name, nbytes, label = _row(batch, labelled=labelled)
            if labelled and (type(label) is not int or label < 0):
                raise DatasetError(f"{path}, row {number}: label {shown(label, 20)}; a test split has none")
            groups[-1].append((name, nbytes, label))
            number, unpacked = number + 1, unpacked + nbytes
            if unpacked > most:
                raise DatasetError(
                    f"{path}: its first {number:,} images have {unpacked:,} bytes, more than {most:,}, which is the "
                    "most for a file of its size: images do not pack so well; fetch it again"
                )
        if len(groups[-1]) != file.metadata.row_group(group).num_rows:
            raise DatasetError(f"{path}: row group {group} ends after {len(groups[-1]):,} rows; fetch it again")
    return groups


def _row(batch: Any, *, labelled: bool) -> Row:
    image = batch.column("image")
    content, name = image.field("bytes")[0], image.field("path")[0].as_py()
    nbytes = content.as_buffer().size if content.is_valid else 0
    return (shown(name, 4096) if name else None), nbytes, (batch.column("label")[0].as_py() if labelled else None)


def _label_names(schema: Any) -> list[str] | None:
    """The names of the labels that the schema's metadata have; None if they have none."""
    try:
        names = json.loads(schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
        return [str(name) for name in names] if isinstance(names, list) else None
    except (LookupError, TypeError, ValueError, RecursionError):
        return None
