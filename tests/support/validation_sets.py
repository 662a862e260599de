"""Validation sets in every layout, of images whose content is a few bytes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from verify.datasets import Dataset
from verify.datasets.imagenet import validation_labels, wordnet_ids
from verify.datasets.layouts.devkit import META, TRUTH
from verify.datasets.layouts.tar import TAR_NAME

COUNT = 12
NAMES = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, COUNT + 1)]
LABELS = list(validation_labels()[:COUNT])
CONTENTS = {name: f"image {number}".encode() for number, name in enumerate(NAMES)}
FIELDS = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images")
LINES = [f"{name} {label}" for name, label in zip(NAMES, LABELS, strict=True)]


def flat(root: Path, contents: Mapping[str, bytes] = CONTENTS) -> Path:
    """A folder with the images loose in it."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def listed(root: Path, lines: Sequence[str] = LINES) -> Path:
    """The folder with a val_list.txt."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "val_list.txt").write_text("\n".join([*lines, ""]))
    return root


def devkit_numbers() -> dict[str, int]:
    """An ILSVRC2012_ID of each WordNet id, in an order of its own."""
    ids = sorted(wordnet_ids(), key=lambda wordnet_id: wordnet_id[::-1])
    return {wordnet_id: number for number, wordnet_id in enumerate(ids, start=1)}


@cache
def meta_mat() -> bytes:
    """A meta.mat as the devkit has it: the classes, and behind them synsets that have children."""
    return meta_mat_of(devkit_numbers())


def meta_mat_of(ids: Mapping[str, int]) -> bytes:
    """A meta.mat of these classes and numbers."""
    rows = [(number, wordnet_id, 0) for wordnet_id, number in ids.items()]
    rows += [(len(rows) + 1 + place, f"n999999{place:02}", 2) for place in range(5)]
    names = [
        "ILSVRC2012_ID",
        "WNID",
        "words",
        "gloss",
        "num_children",
        "children",
        "wordnet_height",
        "num_train_images",
    ]
    synsets = np.zeros((len(rows), 1), [(name, "O") for name in names])
    for place, (number, wordnet_id, children) in enumerate(sorted(rows)):
        synsets[place, 0] = (number, wordnet_id, "words", "a gloss", children, np.arange(children), 3, 1300)
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets}, do_compression=True)
    return stream.getvalue()


def truth(labels: Sequence[int] = LABELS) -> str:
    """The ground truth of the devkit for labels in sorted order."""
    numbers = devkit_numbers()
    return "".join(f"{numbers[wordnet_ids()[label]]}\n" for label in labels)


def devkit(root: Path) -> Path:
    """A folder with both files of the devkit."""
    root.mkdir(parents=True, exist_ok=True)
    (root / TRUTH).write_text(truth())
    (root / META).write_bytes(meta_mat())
    return root


def tar(path: Path, contents: Mapping[str, bytes] = CONTENTS, *, mode: Literal["w", "w:gz"] = "w") -> Path:
    """An archive of the images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            add(archive, name, content)
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    """One member of an archive, of any kind."""
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, "elsewhere" if kind != tarfile.REGTYPE else ""
    archive.addfile(member, io.BytesIO(content))


def tarred(root: Path, contents: Mapping[str, bytes] = CONTENTS) -> Path:
    """The folder with the archive in it, under the name that it is downloaded by."""
    tar(root / TAR_NAME, contents)
    return root


def shard(
    path: Path,
    rows: Sequence[tuple[str | None, bytes | None, int | None]],
    *,
    names: Sequence[str] | None = None,
    group: int = 3,
) -> Path:
    """A parquet file as the library `datasets` writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": content, "path": name} for name, content, _ in rows]
    fields = [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.int64()),
    ]
    schema = pa.schema(fields)
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    columns = [pa.array(images, fields[0][1]), pa.array([label for _, _, label in rows], pa.int64())]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, row_group_size=group)
    return path


def hugging_face_name(name: str, label: int) -> str:
    """An image's name in Hugging Face's imagenet-1k, where the class stands behind the number."""
    return f"{name.removesuffix('.JPEG')}_{wordnet_ids()[label]}.JPEG"


ROWS = [
    (hugging_face_name(name, label), content, label)
    for (name, content), label in zip(CONTENTS.items(), LABELS, strict=True)
]


def parquet(root: Path, *, shards: int = 2) -> Path:
    """A parquet set of that many shards, beside a split that is not validated on."""
    for number in range(shards):
        rows = ROWS[number * COUNT // shards : (number + 1) * COUNT // shards]
        shard(root / f"data/validation-{number:05}-of-{shards:05}.parquet", rows)
    shard(root / "data/test-00000-of-00001.parquet", [("t.JPEG", b"test", -1)])
    return root


def read_back(dataset: Dataset) -> list[tuple[int | None, bytes]]:
    """Every image's label and content, in order."""
    return [(item.label, item.blob.read()) for item in dataset.items]


EXPECTED = list(zip(LABELS, CONTENTS.values(), strict=True))
