"""Parquet sets that are no good, and what is said of them."""

from __future__ import annotations

from pathlib import Path

from bad_sets import HINT, Case
from made_up_images import touch
from validation_sets import COUNT, LABELS, ROWS, parquet, shard

ONE = "validation-00000-of-00001.parquet"


def remove_shard(root: Path, number: int) -> None:
    parquet(root, shards=3)
    (root / f"data/validation-{number:05}-of-00003.parquet").unlink()


PARQUETS: dict[str, Case] = {
    "a shard missing": (
        lambda root: remove_shard(root, 1),
        "{root}: validation-00001-of-00003.parquet is missing",
    ),
    "the last shard missing": (
        lambda root: remove_shard(root, 2),
        "{root}: validation-00002-of-00003.parquet is missing",
    ),
    "a shard of another set": (
        lambda root: shard(parquet(root) / "data/validation-00000-of-00003.parquet", ROWS),
        "{root}/data/validation-00000-of-00003.parquet: shards of two sets lie together in {root}/data; keep one of "
        "them",
    ),
    "a shard twice": (
        lambda root: shard(parquet(root) / "data/validation-00000-of-00002-abcdef.parquet", ROWS),
        "{root}/data/validation-00000-of-00002.parquet: shards of two sets lie together in {root}/data; keep one of "
        "them",
    ),
    "no validation split": (
        lambda root: shard(shard(root / "train-00000-of-00001.parquet", ROWS).parent / ONE.replace("valid", "x"), ROWS),
        "{root}: has the splits train, xation, none of them validation; keep one",
    ),
    "a file of another name": (
        lambda root: shard(root / "all.parquet", ROWS),
        "{root}/all.parquet: expected a name such as validation-00000-of-00014.parquet",
    ),
    "a label that is wrong": (
        lambda root: shard(root / ONE, [*ROWS[:-1], (*ROWS[-1][:2], 3)]),
        f"{{root}}: {ROWS[-1][0]} has label 3, and is known to have {LABELS[-1]}; 1 of {COUNT} known labels differ. "
        "Most are right: single images or labels were changed",
    ),
    "no labels, as in a test split": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", -1)]),
        f"{{root}}/{ONE}, row 0: label -1; a test split has none",
    ),
    "a label missing": (
        lambda root: shard(root / ONE, [ROWS[0], ("x.JPEG", b"x", None)]),
        f"{{root}}/{ONE}, row 1: label None; a test split has none",
    ),
    "a label beyond the model": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1000)]),
        f"{{root}}: x.JPEG has label 1000, but the model's 1000 classes are 0 to 999; {HINT}",
    ),
    "labels that nothing explains": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)]),
        "{root}: neither its schema nor its images' names tell what the labels mean",
    ),
    "label names of no known order, 2 classes": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)], names=["dog", "cat"]),
        "{root}: the class names cat to dog have no known order; --classes FILE lists the names in label order, "
        "--classes sorted declares that sorted order is right",
    ),
    "label names that are not sorted, 2 classes": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)], names=["n00000002", "n00000001"]),
        "{root}: label 0 should be n00000001, and is n00000002",
    ),
    "other label names than the model's classes, 2 classes": (
        lambda root: shard(root / ONE, [("x.JPEG", b"x", 1)], names=["0", "1", "2"]),
        "{root}: its schema names 3 classes, but the model has 2",
    ),
    "a file that is no parquet": (
        lambda root: touch(root, ONE),
        f"{{root}}/{ONE}: is no parquet file that can be read: Parquet file size is 6 bytes, smaller than "
        "the minimum file footer (8 bytes)",
    ),
}
