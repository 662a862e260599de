"""The usual mistakes in a label file, each as other labels for the same images; they cost no forward pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]

NO_CLASS = -1
MAX_CELLS = 25_000_000  # of a confusion matrix: 200 MB
PERMUTED = "labels in another order"


@dataclass(frozen=True)
class Relabelling:
    """Other labels for the same images.

    Attributes:
        name: what would have been wrong with the labels, in words.
        labels: (N,) int64, a class for each image; -1 where there is none.
        advice: what to mend.
    """

    name: str
    labels: Labels
    advice: str


def relabellings(names: Sequence[str], labels: Labels, classes: int) -> list[Relabelling]:
    """Labels off by one, by one line, in the files' or the folders' order; none twice, none that changes nothing."""
    by_labels: dict[bytes, Relabelling] = {labels.tobytes(): Relabelling("", labels, "")}
    for relabelling in (*_shifts(labels, classes), *_lines(names, labels), *_folders(names, classes)):
        by_labels.setdefault(relabelling.labels.tobytes(), relabelling)
    return list(by_labels.values())[1:]


def _shifts(labels: Labels, classes: int) -> Iterator[Relabelling]:
    yield Relabelling(
        "every label one too high",
        (labels - 1) % classes,
        "the labels count from 1, verify's from 0: subtract 1 from each label of val_list.txt",
    )
    yield Relabelling("every label one too low", (labels + 1) % classes, "add 1 to each label of val_list.txt")


def _lines(names: Sequence[str], labels: Labels) -> Iterator[Relabelling]:
    for shift, words in ((1, "before"), (-1, "after")):
        yield Relabelling(
            f"each image's label on the line {words}",
            np.roll(labels, shift),
            "move the labels of val_list.txt against the names by one line",
        )
    order = np.array(sorted(range(len(names)), key=lambda number: names[number]))
    in_order = np.empty_like(labels)
    in_order[order] = labels
    yield Relabelling(
        "labels in the order of the sorted names",
        in_order,
        "the labels belong to the sorted names, not to the names beside which they stand: write val_list.txt anew",
    )


def _folders(names: Sequence[str], classes: int) -> Iterator[Relabelling]:
    folders = [PurePosixPath(name).parent.as_posix() for name in names]
    if len(set(folders)) != classes:
        return
    orders = {
        "the folders' sorted order": sorted(set(folders)),
        "the folders' order by number": sorted(set(folders), key=_natural),
        "the folders' order of appearance": list(dict.fromkeys(folders)),
    }
    for words, order in orders.items():
        numbers = {folder: number for number, folder in enumerate(order)}
        labels = np.array([numbers[folder] for folder in folders])
        yield Relabelling(f"labels by {words}", labels, f"write a val_list.txt with labels by {words}")


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def permuted(labels: Labels, predicted: Labels) -> Relabelling | None:
    """The one-to-one mapping of labels to predicted classes that makes most images right.

    Each half of every class's images gets the mapping that was found on the other half: on its own images a mapping
    of a thousand classes fits whatever there is. None where the matrix would be too large.

    Args:
        labels: (N,).
        predicted: (N,), the best class of each image.
    """
    if len(np.unique(labels)) * len(np.unique(predicted)) > MAX_CELLS:
        return None
    half = _halves(labels)
    mapped = np.empty_like(labels)
    for side in (False, True):
        mapping = _assign(labels[half == side], predicted[half == side])
        mapped[half != side] = [mapping.get(int(label), NO_CLASS) for label in labels[half != side]]
    mapping = _assign(labels, predicted)
    moved = [f"{label} is {to}" for label, to in sorted(mapping.items()) if label != to]
    more = f" and {len(moved) - 4} more" if len(moved) > 4 else ""
    advice = f"the labels count the classes in another order (label {', '.join(moved[:4])}{more}): val_list.txt takes "
    advice += "the order of the checkpoint's classes, for ImageNet the sorted WordNet ids and not the devkit's numbers"
    return Relabelling(PERMUTED, mapped, advice)


def _halves(labels: Labels) -> npt.NDArray[np.bool_]:
    """True for every second image of each class."""
    seen: dict[int, int] = {}
    odd = np.zeros(len(labels), np.bool_)
    for number, label in enumerate(labels.tolist()):
        seen[label] = seen.get(label, -1) + 1
        odd[number] = seen[label] % 2 == 1
    return odd


def _assign(labels: Labels, predicted: Labels) -> dict[int, int]:
    from scipy.optimize import linear_sum_assignment

    label_names, rows = np.unique(labels, return_inverse=True)
    class_names, columns = np.unique(predicted, return_inverse=True)
    counts = np.zeros((len(label_names), len(class_names)))
    np.add.at(counts, (rows, columns), 1)
    pairs = zip(*linear_sum_assignment(counts, maximize=True), strict=True)
    return {int(label_names[row]): int(class_names[column]) for row, column in pairs if counts[row, column]}
