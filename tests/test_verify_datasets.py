"""Which files of a folder are images, and which label each gets."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
from pairs import listing, touch

from verify.datasets import Dataset, FileBlob, read_dataset


def found(dataset: Dataset) -> list[tuple[str, int | None]]:
    return [(item.name, item.label) for item in dataset.items]


# Class folders


def test_the_sorted_order_of_the_folders_is_the_label(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "n02/x.JPEG", "n10/b.png", "n01/z.jpg", "n10/a.webp"), 3)

    assert found(dataset) == [("n01/z.jpg", 0), ("n02/x.JPEG", 1), ("n10/a.webp", 2), ("n10/b.png", 2)]
    assert (dataset.layout, dataset.classes, dataset.ignored) == ("class folders", ("n01", "n02", "n10"), 0)


def test_folders_are_sorted_as_text(tmp_path: Path) -> None:
    assert read_dataset(touch(tmp_path, "9/x.png", "10/x.png", "B/x.png", "a/x.png"), 4).classes == (
        "10",
        "9",
        "B",
        "a",
    )


def test_an_items_blob_is_the_files_content_also_after_pickling(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.png", "b/y.png", content=b"four")
    item, _ = pickle.loads(pickle.dumps(read_dataset(tmp_path, 2).items))  # noqa: S301 - our own bytes

    assert (item.blob, item.blob.read(), item.nbytes) == (FileBlob(tmp_path / "a/x.png"), b"four", 4)


def test_nested_images_belong_to_their_class_folder(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "a/x.png", "a/deep/er/y.png", "b/deep/z.png"), 2)

    assert found(dataset) == [("a/deep/er/y.png", 0), ("a/x.png", 0), ("b/deep/z.png", 1)]


def test_every_ending_counts_in_any_case(tmp_path: Path) -> None:
    endings = ["bmp", "gif", "jpeg", "jpg", "png", "ppm", "tif", "tiff", "webp", "JPEG", "JPG", "PNG", "Tif"]
    touch(tmp_path, *(f"x{number:02}.{ending}" for number, ending in enumerate(endings)))

    assert len(read_dataset(tmp_path, 0, labelled=False).items) == len(endings)


def test_litter_is_counted_and_is_no_image(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.JPEG", "b/y.JPEG", "a/._x.JPEG", "a/Thumbs.db", "b/.DS_Store", "b/readme.txt", "LICENSE")
    dataset = read_dataset(tmp_path, 2)

    assert found(dataset) == [("a/x.JPEG", 0), ("b/y.JPEG", 1)]
    assert dataset.ignored == 5


def test_a_hidden_folder_is_no_class(tmp_path: Path) -> None:
    assert read_dataset(touch(tmp_path, "a/x.png", "b/y.png", ".cache/z.png"), 2).classes == ("a", "b")


def test_what_lies_in_a_hidden_folder_of_a_class_is_litter(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "a/x.png", "b/y.png", "a/.ipynb_checkpoints/x-checkpoint.png"), 2)

    assert found(dataset) == [("a/x.png", 0), ("b/y.png", 1)]
    assert dataset.ignored == 1


def test_an_image_beside_the_class_folders_is_not_left_out_unsaid(tmp_path: Path) -> None:
    assert read_dataset(touch(tmp_path, "a/x.png", "b/y.png", "stray.png"), 2).ignored == 1


def test_the_order_does_not_depend_on_the_order_of_creation(tmp_path: Path) -> None:
    names = ["b/2.png", "a/1.png", "b/1.png", "a/0.png", "a/x/9.png"]
    one, other = touch(tmp_path / "one", *names), touch(tmp_path / "other", *reversed(names))

    assert found(read_dataset(one, 2)) == found(read_dataset(other, 2))


# val_list.txt


def test_a_list_gives_names_and_labels_in_its_order(tmp_path: Path) -> None:
    touch(tmp_path, "val/2.png", "val/1.png", "not listed.png")
    dataset = read_dataset(listing(tmp_path, "val/2.png 1\nval/1.png 0\n"), 2)

    assert found(dataset) == [("val/2.png", 1), ("val/1.png", 0)]
    assert (dataset.layout, dataset.classes) == ("val_list.txt", ())


def test_a_list_goes_before_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.png", "b/y.png")

    assert found(read_dataset(listing(tmp_path, "a/x.png 1\nb/y.png 0"), 2)) == [("a/x.png", 1), ("b/y.png", 0)]


def test_a_list_may_have_blank_lines_spaces_and_windows_line_ends(tmp_path: Path) -> None:
    touch(tmp_path, "a b.png", "c.png")

    assert found(read_dataset(listing(tmp_path, "\r\na b.png 1\r\n   \r\n c.png 0 \r\n"), 2)) == [
        ("a b.png", 1),
        ("c.png", 0),
    ]


def test_a_list_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")

    assert found(read_dataset(listing(tmp_path, "\ufeffa.png 1\n"), 2)) == [("a.png", 1)]


# No labels


def test_without_labels_every_image_under_the_folder_counts(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "sub/a.png", "sub/._a.png", "notes.txt")
    dataset = read_dataset(tmp_path, 1000, labelled=False)

    assert found(dataset) == [("b.png", None), ("sub/a.png", None)]
    assert (dataset.layout, dataset.ignored) == ("no labels", 2)


def test_without_labels_a_list_is_not_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")

    assert found(read_dataset(listing(tmp_path, "a.png 0\n"), 2, labelled=False)) == [("a.png", None), ("b.png", None)]


def test_without_labels_what_lies_in_a_hidden_folder_is_litter(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "a.png", ".thumbnails/a.png"), 2, labelled=False)

    assert found(dataset) == [("a.png", None)]


# The fingerprint


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return touch(tmp_path / "pictures", "a/x.png", "b/y.png")


def fingerprint(root: Path) -> str:
    return read_dataset(root, 2).fingerprint()


def test_the_fingerprint_does_not_depend_on_the_folders_place(pictures: Path, tmp_path: Path) -> None:
    assert fingerprint(pictures) == fingerprint(shutil.copytree(pictures, tmp_path / "elsewhere"))


def test_the_fingerprint_changes_with_a_name(pictures: Path) -> None:
    before = fingerprint(pictures)
    (pictures / "a/x.png").rename(pictures / "a/w.png")

    assert fingerprint(pictures) != before


def test_the_fingerprint_changes_with_a_size(pictures: Path) -> None:
    before = fingerprint(pictures)
    touch(pictures, "a/x.png", content=b"more pixels")

    assert fingerprint(pictures) != before


def test_the_fingerprint_changes_with_a_label(pictures: Path) -> None:
    before = fingerprint(listing(pictures, "a/x.png 0\nb/y.png 1\n"))

    assert fingerprint(listing(pictures, "a/x.png 0\nb/y.png 0\n")) != before
