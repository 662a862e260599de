"""Small validation sets in parquet and tar, seeded damage to them, and what reading the damaged ones may lead to."""

from __future__ import annotations

import io
import random
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq
from damage import damaged
from validation_sets import CONTENTS, ROWS, shard

from convert.errors import FerryError, shown
from verify.datasets import BlobError, Dataset, read_dataset
from verify.datasets.files import is_image

SHARD = "validation-00000-of-00001.parquet"
TAR = "x.tar"
LONG = {f"{'folder/' * 20}{name}": content for name, content in CONTENTS.items()}
ACCENTS = {f"\u00e9/{name}": content for name, content in CONTENTS.items()}
DEEP = {f"{'d' * 90}/{name}": content for name, content in CONTENTS.items()}

Listing = list[tuple[str, int, int | None]]  # name, size, CRC of the bytes or None where they cannot be had


@dataclass(frozen=True)
class Base:
    """A good set of one file.

    Attributes:
        kind: "parquet" or "tar".
        name: of the file.
        content: of the file.
        summed: whether checksums hold its values.
    """

    kind: str
    name: str
    content: bytes
    summed: bool


def bases(kind: str, scratch: Path) -> list[Base]:
    """The good sets of a kind, each written in another way."""
    return BASES[kind](scratch)


def _parquets(scratch: Path) -> list[Base]:
    table = pq.read_table(shard(scratch / SHARD, ROWS))
    ways: tuple[Mapping[str, Any], ...] = (
        {"compression": "none", "row_group_size": 5},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"compression": "snappy", "use_dictionary": False, "store_schema": False},
        {"compression": "gzip", "row_group_size": 4, "write_page_checksum": True},
    )
    contents = []
    for way in ways:
        pq.write_table(table, scratch / SHARD, **way)
        contents.append(Base("parquet", SHARD, (scratch / SHARD).read_bytes(), "write_page_checksum" in way))
    return contents


def _tars(_: Path) -> list[Base]:
    ways = (
        (tarfile.USTAR_FORMAT, CONTENTS),
        (tarfile.USTAR_FORMAT, DEEP),
        (tarfile.GNU_FORMAT, LONG),
        (tarfile.PAX_FORMAT, LONG),
        (tarfile.PAX_FORMAT, ACCENTS),
    )
    return [Base("tar", TAR, archive(format_, contents), summed=False) for format_, contents in ways]


def archive(format_: int, contents: Mapping[str, bytes]) -> bytes:
    """A tar archive as Python's own library writes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_) as file:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1.5 if format_ == tarfile.PAX_FORMAT else 1
            file.addfile(member, io.BytesIO(content))
    return stream.getvalue()


BASES: Mapping[str, Callable[[Path], list[Base]]] = {"parquet": _parquets, "tar": _tars}


def damage(base: Base, number: int) -> bytes:
    """The base's bytes after the damage of that number."""
    return damaged(base.content, random.Random(number))  # noqa: S311 - seeded, no secret


def outcome(base: Base, content: bytes, folder: Path) -> str:
    """ "refused", "same", "other values", or "silent: ..." for what must not be. Any other error is raised.

    What is read must be what the file says to another reader: pyarrow's own of whole tables, or Python's tarfile.
    """
    folder.mkdir(exist_ok=True)
    path = folder / base.name
    path.write_bytes(content)
    try:
        dataset = read_dataset(path if base.kind == "tar" else folder, 1000, labelled=False)
    except FerryError as error:
        text = str(error)
        return "refused" if str(folder) in text and "\n" not in text else f"silent: what is said is {text}"
    seen, expected = _seen(dataset), ORACLES[base.kind](path)
    if len({name for name, *_ in expected}) < len(expected):  # then rows are called by their place
        seen, expected = ([("", *row[1:]) for row in rows] for rows in (seen, expected))
    if seen != expected:
        return f"silent: {sorted({*seen} ^ {*expected}, key=str)[:2]}"
    path.write_bytes(base.content)
    if seen == ORACLES[base.kind](path):
        return "same"
    return "silent: a value changed in spite of its checksum" if base.summed else "other values"


def _seen(dataset: Dataset) -> Listing:
    rows: Listing = []
    for item in dataset.items:
        try:
            rows.append((item.name, item.nbytes, zlib.crc32(item.blob.read())))
        except BlobError:
            rows.append((item.name, item.nbytes, None))
    return rows


def _whole_table(path: Path) -> Listing:
    table = pq.read_table(path, columns=["image"], use_threads=False)
    rows = [row or {"path": None, "bytes": None} for row in table.column("image").to_pylist()]
    names = [shown(row["path"], 4096) if row["path"] else f"{path.name}, row {place}" for place, row in enumerate(rows)]
    return [
        (name, len(row["bytes"] or b""), None if row["bytes"] is None else zlib.crc32(row["bytes"]))
        for name, row in zip(names, rows, strict=True)
    ]


def _tarfile(path: Path) -> Listing:
    rows: Listing = []
    with tarfile.open(path, "r:") as file:
        for member in file:
            name = PurePosixPath(member.name).as_posix()
            if member.isreg() and is_image(name) and (stream := file.extractfile(member)):
                rows.append((shown(name, 4096), member.size, zlib.crc32(stream.read())))
    return rows


ORACLES: Mapping[str, Callable[[Path], Listing]] = {"parquet": _whole_table, "tar": _tarfile}
