"""What a folder of images can get wrong, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up_images import listing, touch

from convert.errors import FerryError
from verify.datasets import DatasetError, read_dataset

TAR = "ILSVRC2012_img_val.tar"
HINT = "--unlabelled compares predictions without labels"
ENDINGS = ".bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp"


def error_of(root: Path, num_classes: int = 2, *, labelled: bool = True) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(root, num_classes, labelled=labelled)
    return str(caught.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    assert error_of(tmp_path / "gone") == f"{tmp_path}/gone: no such folder; --data takes a folder of images, or {TAR}"


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    touch(tmp_path, "val.tar", "val_list.txt")

    assert error_of(tmp_path / "val.tar") == (
        f"{tmp_path}/val.tar: is no whole tar archive: truncated header; download it again"
    )


@pytest.mark.parametrize("names", [(), ("x.png", "y.png"), (".hidden/x.png",)], ids=["empty", "flat", "hidden"])
def test_neither_class_folders_nor_a_list(names: tuple[str, ...], tmp_path: Path) -> None:
    assert (
        error_of(touch(tmp_path, *names))
        == f"{tmp_path}: has neither class folders nor a val_list.txt, devkit, {TAR} or parquet set; {HINT}"
    )


@pytest.mark.parametrize(("folders", "counted"), [(1, "1 class folder"), (3, "3 class folders")])
def test_a_wrong_number_of_class_folders(folders: int, counted: str, tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}/x.png" for number in range(folders)))

    assert error_of(tmp_path) == (
        f"{tmp_path}: {counted}, but the model has 2 classes. "
        f"A missing class folder would shift every later label; {HINT}"
    )


def test_an_empty_class_folder(tmp_path: Path) -> None:
    touch(tmp_path, "0/x.png", "1/._y.png", "1/notes.txt")

    assert error_of(tmp_path) == f"{tmp_path}/1: this class folder has no images"


@pytest.mark.parametrize("line", ["x.png", "x.png one", "x.png -1", "x.png 1.0", "x.png\t1", "x.png \u00b2", "1"])
def test_a_list_with_a_bad_line(line: str, tmp_path: Path) -> None:
    listing(touch(tmp_path, "x.png"), f"x.png 0\n\n{line}\n")

    assert error_of(tmp_path) == f"{tmp_path}/val_list.txt, line 3: expected `name label`, found {line!r}"


def test_a_bad_line_is_quoted_no_further_than_80_characters(tmp_path: Path) -> None:
    listing(tmp_path, "x" * 1000)

    assert error_of(tmp_path) == f"{tmp_path}/val_list.txt, line 1: expected `name label`, found '{'x' * 80}'"


def test_a_label_out_of_range(tmp_path: Path) -> None:
    listing(touch(tmp_path, "x.png"), "x.png 2\n")

    assert error_of(tmp_path) == (
        f"{tmp_path}/val_list.txt, line 1: label 2, but the model's 2 classes are 0 to 1; {HINT}"
    )


def test_a_label_of_five_thousand_digits(tmp_path: Path) -> None:
    listing(touch(tmp_path, "x.png"), f"x.png {'1' * 5000}\n")

    with pytest.raises(FerryError):
        read_dataset(tmp_path, 2)


def test_a_name_listed_twice(tmp_path: Path) -> None:
    listing(touch(tmp_path, "x.png"), "x.png 0\nx.png 1\n")

    assert error_of(tmp_path) == f"{tmp_path}/val_list.txt, line 2: x.png is listed twice"


@pytest.mark.parametrize(("absent", "counted"), [(1, "1 listed file"), (2, "2 listed files")])
def test_a_listed_file_missing(absent: int, counted: str, tmp_path: Path) -> None:
    names = [f"gone_{number}.png" for number in range(absent)]
    listing(touch(tmp_path, "x.png"), "\n".join(f"{name} 0" for name in ["x.png", *names]))

    assert error_of(tmp_path) == f"{tmp_path}/val_list.txt: {counted} missing, first gone_0.png"


def test_a_list_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "val_list.txt").write_bytes("\u00e9.png 0\n".encode("latin-1"))

    with pytest.raises(FerryError):
        read_dataset(tmp_path, 2)


def test_an_empty_list(tmp_path: Path) -> None:
    listing(touch(tmp_path, "x.png"), "\n")

    assert error_of(tmp_path) == f"{tmp_path}: no images; files ending in {ENDINGS} count"


def test_no_images_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "._x.png")

    assert error_of(tmp_path, labelled=False) == f"{tmp_path}: no images; files ending in {ENDINGS} count"


def test_a_file_name_that_is_not_utf_8_is_shown_by_its_bytes(tmp_path: Path) -> None:
    touch(tmp_path, "0/x.png", "1/y.png")
    (tmp_path / os.fsdecode(b"1/\xff.png")).write_bytes(b"pixels")

    dataset = read_dataset(tmp_path, 2)

    assert [item.name for item in dataset.items] == ["0/x.png", "1/y.png", "1/\\xff.png"]
    assert len(dataset.fingerprint()) == 64


def test_a_list_entry_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "val_list.txt").write_text("../b.png 0\n")

    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path, 2)

    assert str(caught.value) == f"{tmp_path / 'val_list.txt'}, line 1: ../b.png lies outside the folder"


def test_a_list_entry_that_names_one_file_in_two_ways(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "val_list.txt").write_text("a.png 0\n./a.png 1\n")

    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path, 2)

    assert str(caught.value) == f"{tmp_path / 'val_list.txt'}, line 2: a.png is listed twice"
