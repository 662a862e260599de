"""Which files of a folder are images, and which label each gets."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
from made_up_images import listing, touch

from verify.datasets import Choice, Dataset, FileBlob, read_dataset


def names_and_labels(dataset: Dataset) -> list[tuple[str, int | None]]:
    return [(item.name, item.label) for item in dataset.items]


# Class folders


def test_the_sorted_order_of_the_folders_is_the_label(tmp_path: Path) -> None:
    dataset = read_dataset(
        touch(tmp_path, "n00000002/x.JPEG", "n00000010/b.png", "n00000001/z.jpg", "n00000010/a.webp"), 3
    )

    assert names_and_labels(dataset) == [
        ("n00000001/z.jpg", 0),
        ("n00000002/x.JPEG", 1),
        ("n00000010/a.webp", 2),
        ("n00000010/b.png", 2),
    ]
    assert dataset.classes == ("n00000001", "n00000002", "n00000010")
    assert (dataset.layout, dataset.ignored) == ("class folders", 0)


def test_folders_that_are_declared_sorted_are_sorted_as_text(tmp_path: Path) -> None:
    touch(tmp_path, "9/x.png", "10/x.png", "B/x.png", "a/x.png")

    assert read_dataset(tmp_path, 4, choice=Choice(classes="sorted")).classes == ("10", "9", "B", "a")


def test_an_items_blob_is_the_files_content_also_after_pickling(tmp_path: Path) -> None:
    touch(tmp_path, "0/x.png", "1/y.png", content=b"four")
    item, _ = pickle.loads(pickle.dumps(read_dataset(tmp_path, 2).items))  # noqa: S301 - our own bytes

    assert (item.blob, item.blob.read(), item.nbytes) == (FileBlob(tmp_path / "0/x.png"), b"four", 4)


def test_nested_images_belong_to_their_class_folder(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "0/x.png", "0/deep/er/y.png", "1/deep/z.png"), 2)

    assert names_and_labels(dataset) == [("0/deep/er/y.png", 0), ("0/x.png", 0), ("1/deep/z.png", 1)]


def test_every_ending_counts_in_any_case(tmp_path: Path) -> None:
    endings = ["bmp", "gif", "jpeg", "jpg", "png", "ppm", "tif", "tiff", "webp", "JPEG", "JPG", "PNG", "Tif"]
    touch(tmp_path, *(f"x{number:02}.{ending}" for number, ending in enumerate(endings)))

    assert len(read_dataset(tmp_path, 0, labelled=False).items) == len(endings)


def test_litter_is_counted_and_is_no_image(tmp_path: Path) -> None:
    touch(tmp_path, "0/x.JPEG", "1/y.JPEG", "0/._x.JPEG", "0/Thumbs.db", "1/.DS_Store", "1/readme.txt", "LICENSE")
    dataset = read_dataset(tmp_path, 2)

    assert names_and_labels(dataset) == [("0/x.JPEG", 0), ("1/y.JPEG", 1)]
    assert dataset.ignored == 5


def test_a_hidden_folder_is_no_class(tmp_path: Path) -> None:
    assert read_dataset(touch(tmp_path, "0/x.png", "1/y.png", ".cache/z.png"), 2).classes == ("0", "1")


def test_what_lies_in_a_hidden_folder_of_a_class_is_litter(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "0/x.png", "1/y.png", "0/.ipynb_checkpoints/x-checkpoint.png"), 2)

    assert names_and_labels(dataset) == [("0/x.png", 0), ("1/y.png", 1)]
    assert dataset.ignored == 1


def test_an_image_beside_the_class_folders_is_not_left_out_unsaid(tmp_path: Path) -> None:
    assert read_dataset(touch(tmp_path, "0/x.png", "1/y.png", "stray.png"), 2).ignored == 1


def test_the_order_does_not_depend_on_the_order_of_creation(tmp_path: Path) -> None:
    names = ["1/2.png", "0/1.png", "1/1.png", "0/0.png", "0/x/9.png"]
    one, other = touch(tmp_path / "one", *names), touch(tmp_path / "other", *reversed(names))

    assert names_and_labels(read_dataset(one, 2)) == names_and_labels(read_dataset(other, 2))


# val_list.txt


def test_a_list_gives_names_and_labels_in_its_order(tmp_path: Path) -> None:
    touch(tmp_path, "val/2.png", "val/1.png", "not listed.png")
    dataset = read_dataset(listing(tmp_path, "val/2.png 1\nval/1.png 0\n"), 2)

    assert names_and_labels(dataset) == [("val/2.png", 1), ("val/1.png", 0)]
    assert (dataset.layout, dataset.classes) == ("val_list.txt", ())


def test_a_list_beside_class_folders_is_read_where_it_is_chosen(tmp_path: Path) -> None:
    listing(touch(tmp_path, "0/x.png", "1/y.png"), "0/x.png 1\n1/y.png 0")

    assert names_and_labels(read_dataset(tmp_path, 2, choice=Choice(layout="val-list"))) == [
        ("0/x.png", 1),
        ("1/y.png", 0),
    ]
    assert names_and_labels(read_dataset(tmp_path, 2, choice=Choice(layout="class-folders"))) == [
        ("0/x.png", 0),
        ("1/y.png", 1),
    ]


def test_a_list_may_have_blank_lines_spaces_and_windows_line_ends(tmp_path: Path) -> None:
    touch(tmp_path, "a b.png", "c.png")

    assert names_and_labels(read_dataset(listing(tmp_path, "\r\na b.png 1\r\n   \r\n c.png 0 \r\n"), 2)) == [
        ("a b.png", 1),
        ("c.png", 0),
    ]


def test_a_list_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")

    assert names_and_labels(read_dataset(listing(tmp_path, "\ufeffa.png 1\n"), 2)) == [("a.png", 1)]


# No labels


def test_without_labels_every_image_under_the_folder_counts(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "sub/a.png", "sub/._a.png", "notes.txt")
    dataset = read_dataset(tmp_path, 1000, labelled=False)

    assert names_and_labels(dataset) == [("b.png", None), ("sub/a.png", None)]
    assert (dataset.layout, dataset.ignored) == ("no labels", 2)


def test_without_labels_a_list_is_not_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")

    assert names_and_labels(read_dataset(listing(tmp_path, "a.png 0\n"), 2, labelled=False)) == [
        ("a.png", None),
        ("b.png", None),
    ]


def test_without_labels_what_lies_in_a_hidden_folder_is_litter(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "a.png", ".thumbnails/a.png"), 2, labelled=False)

    assert names_and_labels(dataset) == [("a.png", None)]


# The fingerprint


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return touch(tmp_path / "pictures", "0/x.png", "1/y.png")


def fingerprint(root: Path, layout: str = "class-folders") -> str:
    return read_dataset(root, 2, choice=Choice(layout=layout)).fingerprint()


def test_the_fingerprint_does_not_depend_on_the_folders_place(pictures: Path, tmp_path: Path) -> None:
    assert fingerprint(pictures) == fingerprint(shutil.copytree(pictures, tmp_path / "elsewhere"))


def test_the_fingerprint_changes_with_a_name(pictures: Path) -> None:
    before = fingerprint(pictures)
    (pictures / "0/x.png").rename(pictures / "0/w.png")

    assert fingerprint(pictures) != before


def test_the_fingerprint_changes_with_a_size(pictures: Path) -> None:
    before = fingerprint(pictures)
    touch(pictures, "0/x.png", content=b"more pixels")

    assert fingerprint(pictures) != before


def test_the_fingerprint_changes_with_a_label(pictures: Path) -> None:
    before = fingerprint(listing(pictures, "0/x.png 0\n1/y.png 1\n"), "val-list")

    assert fingerprint(listing(pictures, "0/x.png 0\n1/y.png 0\n"), "val-list") != before
