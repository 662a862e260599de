"""What is known of ILSVRC2012, and what is made of labels that differ from it."""

from __future__ import annotations

import importlib.resources
from collections import Counter
from pathlib import Path

import pytest

from verify.datasets import DatasetError, FileBlob, Item
from verify.datasets.imagenet import known_label, original, validation_labels, wordnet_ids
from verify.datasets.labels import check_labels, class_order, likely_cause

ALL = list(validation_labels())
ORDER = sorted(range(1000), key=lambda label: str(label)[::-1])  # some other order of the classes

CAUSES: dict[str, tuple[list[int], str]] = {
    "one too high": ([label + 1 for label in ALL], "Every label is one too high: they count from 1"),
    "one too low": ([label - 1 for label in ALL], "Every label is off by -1"),
    "another order": ([ORDER[label] for label in ALL], "The classes are the right ones in another order, as in the d"),
    "another order from 1": ([ORDER[label] + 1 for label in ALL], "The classes are the right ones in another order, a"),
    "the first lost": ([*ALL[1:], 0], "From the 1. image on each label is that of the next image"),
    "one lost": ([*ALL[:40_000], *ALL[40_001:], 0], "From the 40,001. image on each label is that of the next image"),
    "one too many": ([*ALL[:9], 4, *ALL[9:-1]], "From the 10. image on each label is that of the image before"),
    "one wrong": ([*ALL[:9], 4, *ALL[10:]], "Most are right: single images or labels were changed"),
    "sorted": (sorted(ALL), "No single mistake explains them: the list belongs to other images"),
    "all zero": ([0] * len(ALL), "No single mistake explains them: the list belongs to other images"),
}


@pytest.mark.parametrize("fault", CAUSES)
def test_the_cause_is_told_of_labels_that_are(fault: str) -> None:
    labels, cause = CAUSES[fault]

    assert likely_cause(ALL, labels).startswith(cause)


def test_there_are_fifty_images_of_each_class() -> None:
    assert Counter(validation_labels()) == dict.fromkeys(range(1000), 50)


def test_the_ids_are_timms() -> None:
    text = importlib.resources.files("timm.data").joinpath("_info/imagenet_synsets.txt").read_text()

    assert list(wordnet_ids()) == text.split() == sorted(text.split())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ILSVRC2012_val_00000001.JPEG", 65),
        ("a/b/ILSVRC2012_val_00000002.png", 970),
        ("ILSVRC2012_val_00000293_n01440764.JPEG", 0),
        ("ILSVRC2012_val_00050000.JPEG", 355),
        ("ILSVRC2012_val_00050001.JPEG", None),
        ("ILSVRC2012_val_00000000.JPEG", None),
        ("ILSVRC2012_val_0000001.JPEG", None),
        ("ILSVRC2012_test_00000001.JPEG", None),
        ("n01440764_10026.JPEG", None),
    ],
)
def test_a_name_tells_the_label(name: str, label: int | None) -> None:
    assert known_label(name) == label


def test_the_id_in_a_name_is_that_of_its_label() -> None:
    image = original("ILSVRC2012_val_00000293_n01440764.JPEG")

    assert image is not None
    assert image.wordnet_id == wordnet_ids()[0]


LARGER = (
    "the classes are ImageNet's 1000, and the model has 21,841; --class-map FILE says which of its outputs they are, "
    "--unlabelled compares predictions without labels"
)


def test_labels_of_the_thousand_are_no_labels_of_a_larger_head() -> None:
    items = [Item("ILSVRC2012_val_00000001.JPEG", 65, 1, FileBlob(Path("x"))), Item("x.png", 3, 1, FileBlob(Path("x")))]
    with pytest.raises(DatasetError) as caught:
        check_labels("val_list.txt", items, 21_841)

    assert str(caught.value) == f"val_list.txt: {LARGER}"


def test_other_labels_may_be_those_of_a_larger_head() -> None:
    check_labels("val_list.txt", [Item("ILSVRC2012_val_00000001.JPEG", 9205, 1, FileBlob(Path("x")))], 21_841)


def test_folders_of_the_thousand_are_no_classes_of_a_larger_head() -> None:
    with pytest.raises(DatasetError) as caught:
        class_order("val", wordnet_ids(), 21_841)

    assert str(caught.value) == f"val: {LARGER}"
