"""Validation sets with hostile text in their names, lists and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hostile_text import CLEAN_UTF8, EVIL_NAME, WORD
from validation_sets import meta_mat_of, shard, tar

from verify.datasets.layouts.tar import TAR_NAME

NAME = EVIL_NAME.replace("/", " ")
TAR_TEXT = CLEAN_UTF8.replace("/", " ")


def in_list(root: Path) -> list[str]:
    (root / "val_list.txt").write_text(f"{CLEAN_UTF8.splitlines()[0]}.png 0\n" * 2, encoding="utf-8")
    return []


def in_label(root: Path) -> list[str]:
    (root / "val_list.txt").write_text(f"x.png {WORD}\x1b[2J\u202e\n", encoding="utf-8")
    return []


def in_classes(root: Path) -> list[str]:
    for number in range(10):
        (root / f"{number}x").mkdir()
        (root / f"{number}x" / "x.png").write_bytes(b"")
    file = root.with_name("classes.txt")
    file.write_text("".join(f"{WORD}\x1b[2J\u202e{number % 9}\n" for number in range(10)), encoding="utf-8")
    return ["--classes", str(file)]


def in_class_map(root: Path) -> list[str]:
    file = root.with_name("map.txt")
    file.write_text(f"{WORD}\x1b[2J\u202e\n" * 1000, encoding="utf-8")
    return ["--class-map", str(file)]


def in_class_folders(root: Path) -> list[str]:
    for number in range(10):
        (root / f"{NAME}{number}").mkdir()
    return []


def in_links(root: Path) -> list[str]:
    (root / NAME).symlink_to(root.parent)
    return ["--unlabelled"]


def in_tar(root: Path) -> list[str]:
    tar(root / TAR_NAME, {f"../{TAR_TEXT}.JPEG": b""})
    return ["--unlabelled"]


def in_parquet_names(root: Path) -> list[str]:
    rows = [("x.png", b"no image", 0)]
    shard(root / "validation-00000-of-00001.parquet", rows, names=[f"{CLEAN_UTF8}{number}" for number in range(10)])
    return []


def in_parquet_paths(root: Path) -> list[str]:
    rows = [(CLEAN_UTF8, b"no image", 77)]
    shard(root / "validation-00000-of-00001.parquet", rows, names=[str(number) for number in range(10)])
    return []


def in_parquet_file(root: Path) -> list[str]:
    (root / f"{NAME}.parquet").write_bytes(b"PAR1")
    return []


def in_devkit(root: Path) -> list[str]:
    (root / "x.JPEG").write_bytes(b"")
    kit = root.with_name("kit")
    kit.mkdir()
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text(f"{WORD}\x1b[2J\u202e\n", encoding="utf-8")
    (kit / "meta.mat").write_bytes(meta_mat_of({f"n{number:08}": number + 1 for number in range(10)}))
    return ["--devkit", str(kit)]


SETS: dict[str, Callable[[Path], list[str]]] = {
    make.__name__: make
    for make in (
        in_list,
        in_label,
        in_classes,
        in_class_map,
        in_class_folders,
        in_links,
        in_tar,
        in_parquet_names,
        in_parquet_paths,
        in_parquet_file,
        in_devkit,
    )
}
