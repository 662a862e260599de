"""Label files with the usual mistakes, planted in labels whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from verify.why.relabelling import NO_CLASS, PERMUTED, Labels, permuted, relabellings

CLASSES = 12
TRUTH = np.arange(240) // 20
NAMES = [f"{number:03}.png" for number in range(240)]


def labels_by_name(labels: Labels, names: list[str] = NAMES) -> dict[str, Labels]:
    return {relabelling.name: relabelling.labels for relabelling in relabellings(names, labels, CLASSES)}


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ((TRUTH + 1) % CLASSES, "every label one too high"),
        ((TRUTH - 1) % CLASSES, "every label one too low"),
        (np.roll(TRUTH, -1), "each image's label on the line before"),
        (np.roll(TRUTH, 1), "each image's label on the line after"),
    ],
)
def test_its_name_brings_the_truth_back(planted: Labels, name: str) -> None:
    assert np.array_equal(labels_by_name(planted)[name], TRUTH)


def test_labels_of_the_sorted_names_go_back_to_them() -> None:
    order = np.random.default_rng(1).permutation(240)
    labels = labels_by_name(TRUTH, [NAMES[number] for number in order])["labels in the order of the sorted names"]

    assert np.array_equal(labels, TRUTH[order])


def test_names_in_their_order_have_no_other_labels() -> None:
    assert "labels in the order of the sorted names" not in labels_by_name(TRUTH)


def test_folders_named_by_number_are_sorted_as_text_or_by_number() -> None:
    names = [f"{label}/{number:03}.png" for number, label in enumerate(TRUTH)]  # 0, 1, 10, 11, 2, ... as text
    as_text = np.array([sorted(str(label) for label in range(CLASSES)).index(str(label)) for label in TRUTH])

    assert np.array_equal(labels_by_name(as_text, names)["labels by the folders' order by number"], TRUTH)
    assert any(np.array_equal(labels, as_text) for labels in labels_by_name(TRUTH, names).values())


def test_no_labels_are_there_twice_and_none_are_those_of_the_run() -> None:
    names = [f"class_{label:02}/{number:03}.png" for number, label in enumerate(TRUTH)]
    contents = [labels.tobytes() for labels in labels_by_name(TRUTH, names).values()]

    assert len(set(contents)) == len(contents)
    assert TRUTH.tobytes() not in contents


def test_folders_that_are_no_classes_say_nothing_of_labels() -> None:
    assert not any(
        "folders" in name for name in labels_by_name((TRUTH + 1) % CLASSES, [f"val/{name}" for name in NAMES])
    )


def test_labels_in_any_other_order_are_found() -> None:
    order = np.random.default_rng(0).permutation(CLASSES)
    relabelling = permuted(order[TRUTH], TRUTH)

    assert relabelling is not None
    assert (relabelling.name, np.array_equal(relabelling.labels, TRUTH)) == (PERMUTED, True)
    pairs = ", ".join(f"{label} is {int(np.argmax(order == label))}" for label in range(4))
    assert f"(label {pairs} and {CLASSES - 4} more)" in relabelling.advice


def test_labels_in_the_right_order_stay() -> None:
    noisy = np.where(np.random.default_rng(1).random(240) < 0.4, 0, TRUTH)
    relabelling = permuted(TRUTH, noisy)

    assert relabelling is not None
    assert np.array_equal(relabelling.labels, TRUTH)


def test_chance_is_not_taken_for_an_order() -> None:
    rng = np.random.default_rng(2)
    labels, predicted = np.arange(2000) % 1000, rng.integers(0, 1000, 2000)  # two images of each class
    relabelling = permuted(labels, predicted)

    assert relabelling is not None
    assert np.mean(relabelling.labels == predicted) < 0.01


def test_a_class_of_one_image_gets_no_class_from_itself() -> None:
    relabelling = permuted(np.array([0, 0, 1]), np.array([1, 1, 0]))

    assert relabelling is not None
    assert relabelling.labels.tolist() == [1, 1, NO_CLASS]


def test_too_many_classes_are_left_alone() -> None:
    assert permuted(np.arange(5001), np.arange(5001)) is None
