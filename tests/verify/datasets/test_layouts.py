"""The same images and labels come out of every layout; each is found by what lies there."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_images import touch
from torchvision.datasets import imagenet as torchvisions
from validation_sets import (
    CONTENTS,
    COUNT,
    EXPECTED,
    LABELS,
    LINES,
    NAMES,
    ROWS,
    devkit,
    flat,
    listed,
    parquet,
    read_back,
    shard,
    tar,
    tarred,
    truth,
)

from verify.datasets import Choice, read_dataset
from verify.datasets.imagenet import wordnet_ids
from verify.datasets.layouts.devkit import ARCHIVE, META, TRUTH, Devkit, read_ground_truth
from verify.datasets.layouts.tar import TAR_NAME

LITTER = {"._x.JPEG": b"", "Thumbs.db": b"", ".DS_Store": b""}


def packed_devkit(path: Path) -> Path:
    """The devkit as it is downloaded."""
    folder = devkit(path.parent / "unpacked")
    with tarfile.open(path, "w:gz") as archive:
        for name in (TRUTH, META):
            archive.add(folder / name, f"ILSVRC2012_devkit_t12/data/{name}")
    return path


# How each is made, the name of its layout, and whether its images are called as in the archive.
SETS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "flat with a list": (lambda root: listed(flat(root)), "val_list.txt"),
    "flat with the devkit's files": (lambda root: devkit(flat(root)), "flat folder with the devkit"),
    "flat with the devkit's folder": (
        lambda root: devkit(flat(root) / "ILSVRC2012_devkit_t12/data").parents[1],
        "flat folder with the devkit",
    ),
    "flat with the devkit's archive": (
        lambda root: packed_devkit(flat(root) / ARCHIVE).parent,
        "flat folder with the devkit",
    ),
    "a tar in a folder with a list": (lambda root: listed(tarred(root)), "archive with val_list.txt"),
    "a tar with a list that names a folder": (
        lambda root: listed(tarred(root), [f"val/{line}" for line in LINES]) / TAR_NAME,
        "archive with val_list.txt",
    ),
    "a tar with a list beside it": (lambda root: listed(tarred(root)) / TAR_NAME, "archive with val_list.txt"),
    "a tar with the devkit beside it": (lambda root: devkit(tarred(root)) / TAR_NAME, "archive with the devkit"),
    "a tar with ./ before its names": (
        lambda root: devkit(tarred(root, {f"./{name}": content for name, content in CONTENTS.items()})),
        "archive with the devkit",
    ),
    "litter in a tar": (lambda root: devkit(tarred(root, {**LITTER, **CONTENTS})), "archive with the devkit"),
    "litter in a folder": (lambda root: devkit(flat(root, {**LITTER, **CONTENTS})), "flat folder with the devkit"),
    "parquet": (parquet, "parquet, 2 shards"),
    "parquet of one shard": (lambda root: parquet(root, shards=1), "parquet, 1 shard"),
    "parquet without a folder `data`": (lambda root: parquet(root) / "data", "parquet, 2 shards"),
}


@pytest.mark.parametrize("kind", SETS)
def test_every_image_comes_once_with_its_own_label_from(kind: str, tmp_path: Path) -> None:
    make, layout = SETS[kind]
    dataset = read_dataset(make(tmp_path / "set"), 1000)

    assert read_back(dataset) == EXPECTED
    assert dataset.layout == layout
    assert [item.nbytes for item in dataset.items] == [len(content) for content in CONTENTS.values()]


@pytest.mark.parametrize("kind", SETS)
def test_blobs_survive_pickling_from(kind: str, tmp_path: Path) -> None:
    items = pickle.dumps(read_dataset(SETS[kind][0](tmp_path / "set"), 1000).items)

    assert [item.blob.read() for item in pickle.loads(items)] == list(CONTENTS.values())  # noqa: S301 - our own bytes


def test_folder_and_archive_have_one_fingerprint(tmp_path: Path) -> None:
    kinds = ["flat with a list", "a tar with the devkit beside it", "litter in a tar", "litter in a folder"]

    assert len({read_dataset(SETS[kind][0](tmp_path / kind), 1000).fingerprint() for kind in kinds}) == 1


def test_litter_in_an_archive_is_counted(tmp_path: Path) -> None:
    dataset = read_dataset(SETS["litter in a tar"][0](tmp_path), 1000)

    assert (dataset.ignored, dataset.layout) == (3, "archive with the devkit")


def test_images_that_a_list_leaves_out_are_counted(tmp_path: Path) -> None:
    in_folder = read_dataset(listed(flat(tmp_path / "folder"), LINES[1:4]), 1000)
    in_archive = read_dataset(listed(tarred(tmp_path / "tar"), LINES[1:4]), 1000)

    assert read_back(in_folder) == read_back(in_archive) == EXPECTED[1:4]
    assert (in_folder.unlisted, in_folder.ignored, in_archive.unlisted) == (COUNT - 3, 0, COUNT - 3)


def test_only_the_folders_of_listed_images_are_searched_for_others(tmp_path: Path) -> None:
    listed(flat(tmp_path / "val").parent, [f"val/{line}" for line in LINES])
    touch(tmp_path, "train/n01440764/x.JPEG")

    assert read_dataset(tmp_path, 1000).unlisted == 0


def test_the_facts_of_a_set(tmp_path: Path) -> None:
    lines = [*LINES[:3], f"other.png {LABELS[0]}"]
    dataset = read_dataset(listed(flat(tmp_path, {**CONTENTS, "other.png": b"1"}), lines), 1000)

    assert dataset.class_counts() == {LABELS[0]: 2, LABELS[2]: 1, LABELS[1]: 1}
    assert list(dataset.class_counts()) == sorted(LABELS[:3])
    assert (
        dataset.fingerprint()
        == hashlib.sha256(
            "".join(f"{name} 7 {label}\n" for name, label in zip(NAMES[:3], LABELS, strict=False)).encode()
            + f"other.png 1 {LABELS[0]}\n".encode()
        ).hexdigest()
    )


@pytest.mark.parametrize("kind", ["a tar in a folder with a list", "parquet", "flat with a list"])
def test_without_labels_any_layout_is_read(kind: str, tmp_path: Path) -> None:
    dataset = read_dataset(SETS[kind][0](tmp_path), 5, labelled=False)

    assert read_back(dataset) == [(None, content) for content in CONTENTS.values()]


def test_a_layout_that_is_chosen_goes_before_another(tmp_path: Path) -> None:
    devkit(listed(flat(tmp_path), LINES[:4]))

    assert len(read_dataset(tmp_path, 1000, choice=Choice(layout="val-list")).items) == 4
    assert len(read_dataset(tmp_path, 1000, choice=Choice(layout="devkit")).items) == COUNT


@pytest.mark.parametrize("given", ["kit", "kit/ILSVRC2012_devkit_t12", "kit/ILSVRC2012_devkit_t12/data"])
def test_a_devkit_that_lies_elsewhere_is_given(given: str, tmp_path: Path) -> None:
    devkit(tmp_path / "kit/ILSVRC2012_devkit_t12/data")

    assert read_back(read_dataset(flat(tmp_path / "val"), 1000, choice=Choice(devkit=tmp_path / given))) == EXPECTED


def test_the_devkits_labels_are_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed_devkit(tmp_path / ARCHIVE)
    digest = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(torchvisions.ARCHIVE_META, "devkit", (ARCHIVE, digest))
    torchvisions.parse_devkit_archive(str(tmp_path))
    names, images = torchvisions.load_meta_file(str(tmp_path))

    assert list(read_ground_truth(Devkit(archive), 1000)) == [sorted(names).index(name) for name in images] == LABELS


def test_a_devkit_of_another_order_reads_other_numbers() -> None:
    assert [int(line) - 1 for line in truth().split()] != LABELS


# What the classes of a parquet set mean


def test_label_names_that_are_wordnet_ids_tell_the_order(tmp_path: Path) -> None:
    rows = [("a.png", b"a", 1), ("b.png", b"b", 0)]
    shard(tmp_path / "validation-00000-of-00001.parquet", rows, names=["n00000001", "n00000002"])

    dataset = read_dataset(tmp_path, 2)

    assert (read_back(dataset), dataset.classes) == ([(1, b"a"), (0, b"b")], ("n00000001", "n00000002"))


def test_label_names_may_be_declared(tmp_path: Path) -> None:
    shard(tmp_path / "validation-00000-of-00001.parquet", [("a.png", b"a", 1)], names=["tench", "goldfish"])
    (tmp_path / "names.txt").write_text("tench\ngoldfish\n")

    assert read_back(read_dataset(tmp_path, 2, choice=Choice(classes=str(tmp_path / "names.txt")))) == [(1, b"a")]


@pytest.mark.parametrize("name", [None, "x.JPEG"])
def test_rows_without_names_of_their_own_are_named_by_their_place(name: str | None, tmp_path: Path) -> None:
    rows = [(name, content, 0) for content in (b"a", b"b", b"c", b"d")]
    shard(tmp_path / "validation-00000-of-00001.parquet", rows, names=["0"])
    items = read_dataset(tmp_path, 1).items

    assert len({item.name for item in items}) == 4
    assert [item.blob.read() for item in items] == [b"a", b"b", b"c", b"d"]


def test_labels_of_rows_lie_in_their_own_order(tmp_path: Path) -> None:
    shard(tmp_path / "validation-00000-of-00001.parquet", ROWS[::-1])

    assert read_back(read_dataset(tmp_path, 1000)) == EXPECTED[::-1]


# What the names of class folders mean


@pytest.mark.parametrize(
    "names",
    [
        ("0", "1", "2"),
        ("class_0", "class_1", "class_2"),
        ("00", "01", "02"),
        ("n00000009", "n00000010", "n11111111"),
        ("n01440764", "n02102040", "n02979186"),
    ],
)
def test_these_names_have_a_known_order(names: tuple[str, ...], tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/x.png" for name in names))

    assert read_dataset(tmp_path, 3).classes == names


def test_all_thousand_ids_are_a_known_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/x.png" for name in wordnet_ids()), "__MACOSX/n01440764/._x.png")
    dataset = read_dataset(tmp_path, 1000)

    assert [item.label for item in dataset.items] == list(range(1000))
    assert [item.name for item in dataset.items] == [f"{name}/x.png" for name in wordnet_ids()]


def test_a_file_declares_the_order(tmp_path: Path) -> None:
    touch(tmp_path / "val", "cat/x.png", "dog/y.png")
    (tmp_path / "names").write_text("dog\nbird\ncat\n")
    dataset = read_dataset(tmp_path / "val", 3, choice=Choice(classes=str(tmp_path / "names")))

    assert [(item.name, item.label) for item in dataset.items] == [("dog/y.png", 0), ("cat/x.png", 2)]
    assert (dataset.layout, dataset.classes) == ("class folders (2 of 3 declared)", ("dog", "bird", "cat"))


def test_a_broken_link_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    touch(tmp_path, "0/x.png")
    (tmp_path / "0/y.png").symlink_to(tmp_path / "gone.png")

    assert [item.name for item in read_dataset(tmp_path, 1).items] == ["0/x.png", "0/y.png"]


def test_an_archive_is_read_in_place(tmp_path: Path) -> None:
    path = tar(tmp_path / "any.tar")
    read_back(read_dataset(path, 1000, labelled=False))

    assert list(tmp_path.iterdir()) == [path]
