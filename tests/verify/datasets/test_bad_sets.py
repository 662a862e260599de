"""A set that is no good is refused by what is wrong with it; nothing of it is guessed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bad_class_folders import FOLDERS
from bad_devkits import DEVKITS
from bad_lists import LISTS
from bad_parquets import PARQUETS
from bad_tars import TARS
from made_up_images import touch
from validation_sets import CONTENTS, LABELS, NAMES, devkit, flat, listed, parquet, tarred

from verify.datasets import Choice, DatasetError, read_dataset

TABLES = {"folders": FOLDERS, "list": LISTS, "devkit": DEVKITS, "tar": TARS, "parquet": PARQUETS}
BAD_SETS = {f"{layout}: {kind}": case for layout, cases in TABLES.items() for kind, case in cases.items()}


@pytest.mark.parametrize("kind", BAD_SETS)
def test_it_is_said_what_is_wrong_with(kind: str, tmp_path: Path) -> None:
    make, message = BAD_SETS[kind]
    make(tmp_path / "set")
    stated = re.search(r", (\d+) class", kind)
    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path / "set", int(stated[1]) if stated else 1000)

    assert str(caught.value) == message.replace("{root}", str(tmp_path / "set")).replace("{name}", "set")


def test_there_are_more_than_thirty_kinds() -> None:
    assert len(BAD_SETS) > 60


def refusal(root: Path, num_classes: int, choice: Choice) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(root, num_classes, choice=choice)
    return str(caught.value)


def test_a_layout_that_does_not_lie_there(tmp_path: Path) -> None:
    assert refusal(listed(flat(tmp_path)), 1000, Choice(layout="parquet")) == (
        f"{tmp_path}: --layout parquet does not lie there, but val-list"
    )


def test_class_names_for_a_layout_without_any(tmp_path: Path) -> None:
    assert refusal(listed(flat(tmp_path)), 1000, Choice(classes="sorted")) == (
        f"{tmp_path}: --classes orders class names, and the layout val-list has labels of its own"
    )


def test_a_devkit_for_a_layout_that_has_no_use_for_it(tmp_path: Path) -> None:
    root, kit = parquet(tmp_path / "set"), devkit(tmp_path / "kit")

    assert refusal(root, 1000, Choice(devkit=kit)) == (
        f"{root}: --devkit is given, and would not be used by the layout parquet"
    )


def test_a_devkit_that_is_not_where_it_is_said_to_be(tmp_path: Path) -> None:
    assert refusal(flat(tmp_path), 1000, Choice(devkit=tmp_path / "gone")) == (
        f"{tmp_path}/gone: has no ILSVRC2012_validation_ground_truth.txt; --devkit takes the folder of one devkit, or "
        "ILSVRC2012_devkit_t12.tar.gz"
    )


DECLARED: dict[str, tuple[str | bytes, str]] = {
    "too few": ("cat\n", "{file}: 1 line, but the model has 2 classes"),
    "one twice": ("cat\ncat\n", "{file}: cat stands there twice"),
    "another": ("cat\nfox\n", "{root}: class folder dog is not in names, which declares the classes"),
    "not UTF-8": (b"\xff\n", "{file}: is not UTF-8 text (byte 0); save it as such"),
}


@pytest.mark.parametrize("kind", DECLARED)
def test_declared_class_names_with(kind: str, tmp_path: Path) -> None:
    text, message = DECLARED[kind]
    root, file = touch(tmp_path / "set", "cat/x.png", "dog/x.png"), tmp_path / "names"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    assert refusal(root, 2, Choice(classes=str(file))) == message.format(file=file, root=root)


def test_a_file_of_class_names_that_is_not_there(tmp_path: Path) -> None:
    root = touch(tmp_path, "cat/x.png", "dog/x.png")

    assert refusal(root, 2, Choice(classes=str(tmp_path / "gone"))) == (
        f"{tmp_path}/gone: cannot be read: No such file or directory"
    )


def test_a_folder_of_both_images_and_the_archive_without_labels(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_dataset(flat(tarred(tmp_path)), 1000, labelled=False)

    assert str(caught.value) == f"{tmp_path}: may be read as tar or as files; --layout chooses"


@pytest.mark.parametrize("change", ["one label wrong", "two labels exchanged", "two images exchanged"])
def test_one_fault_among_right_labels_is_seen(change: str, tmp_path: Path) -> None:
    labels, names = list(LABELS), list(NAMES)
    if change == "one label wrong":
        labels[5] += 1
    elif change == "two labels exchanged":
        labels[5], labels[6] = labels[6], labels[5]
    else:
        names[5], names[6] = names[6], names[5]
    listed(flat(tmp_path, CONTENTS), [f"{name} {label}" for name, label in zip(names, labels, strict=True)])

    with pytest.raises(DatasetError, match=r"known to have"):
        read_dataset(tmp_path, 1000)
