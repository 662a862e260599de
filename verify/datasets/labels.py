"""Whether labels mean the model's classes: checked against what is known, never assumed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from convert.errors import counted, shown
from verify.datasets import imagenet
from verify.datasets.items import DatasetError, Item
from verify.datasets.texts import number_of, read_lines

SORTED = "sorted"  # --classes sorted
NUMBERED = re.compile(r"(\D*)(\d+)", re.ASCII)
UNLABELLED = "--unlabelled compares predictions without labels"
FEW = 3  # labels, below which a pattern in them is chance


def class_order(
    where: str, names: Collection[str], num_classes: int, *, declared: str = "", noun: str = "class folder"
) -> tuple[str, ...]:
    """The names of a set's classes in the order of the labels.

    Known orders are the 1000 sorted WordNet ids of ILSVRC2012 (for another number of classes any sorted WordNet ids),
    and the numbers 0 to N-1 behind one common stem where sorting them as text and by number comes to the same.

    Args:
        where: what has these names, for the error.
        names: of the classes that occur.
        num_classes: of the model.
        declared: "sorted" takes any names in sorted order; another text is a file with every class's name, one a
            line, of which some may have no images.
        noun: what a name is, for the error.

    Raises:
        DatasetError: names that do not fit the model, or no known order.
    """
    if declared not in ("", SORTED):
        return _declared_order(where, names, num_classes, Path(declared), noun)
    ordered = tuple(sorted(names))
    if num_classes > len(ordered) and ordered == imagenet.wordnet_ids():
        raise DatasetError(f"{where}: {_explain_thousand_classes(num_classes)}")
    if len(ordered) != num_classes:
        raise DatasetError(
            f"{where}: {counted(len(ordered), noun)}, but the model has {num_classes} classes. "
            f"A missing {noun} would shift every later label; {UNLABELLED}"
        )
    if declared != SORTED and not _is_numbered(ordered):
        _check_wordnet_ids(where, ordered, noun)
    return ordered


def _check_wordnet_ids(where: str, ordered: tuple[str, ...], noun: str) -> None:
    if not all(imagenet.WORDNET_ID.fullmatch(name) for name in ordered):
        raise DatasetError(
            f"{where}: the {noun}s {shown(ordered[0], 40)} to {shown(ordered[-1], 40)} have no known order; "
            "--classes FILE lists the names in label order, --classes sorted declares that sorted order is right"
        )
    known = imagenet.wordnet_ids()
    if len(ordered) == imagenet.CLASSES and ordered != known:
        raise DatasetError(
            f"{where}: {noun} {min(set(ordered) - set(known))} is none of ILSVRC2012's 1000 classes, and "
            f"{min(set(known) - set(ordered))} is missing; --classes FILE lists another set's names in label order"
        )


def check_labels(where: str, items: Sequence[Item], num_classes: int) -> None:
    """Compares the labels with those that the images' names tell, for a model of ImageNet's 1000 classes or more.

    Raises:
        DatasetError: a label that is known to be wrong; the text has the first one and the likely cause. Or labels of
            the 1000 classes for a model of more.
    """
    if num_classes < imagenet.CLASSES:
        return
    known = [(item, label) for item in items if (label := imagenet.known_label(item.name)) is not None]
    wrong = [(item, label) for item, label in known if item.label != label]
    if num_classes > imagenet.CLASSES:
        if known and not wrong:
            raise DatasetError(f"{where}: {_explain_thousand_classes(num_classes)}")
        return
    if not wrong:
        return
    item, label = wrong[0]
    cause = likely_cause([label for _, label in known], [item.label or 0 for item, _ in known])
    raise DatasetError(
        f"{where}: {item.name} has label {item.label}, and is known to have {label}; {len(wrong):,} of "
        f"{counted(len(known), 'known label')} differ. {cause}"
    )


def _explain_thousand_classes(num_classes: int) -> str:
    return (
        f"the classes are ImageNet's 1000, and the model has {num_classes:,}; "
        f"--class-map FILE says which of its outputs they are, {UNLABELLED}"
    )


def likely_cause(expected: Sequence[int], labels: Sequence[int]) -> str:
    """What makes a list's labels of the expected ones, in a sentence.

    Args:
        expected: the right labels, in the order of the list.
        labels: those of the list; as many, and not the same.
    """
    offsets = {one - other for one, other in zip(labels, expected, strict=True)}
    if len(labels) < FEW:
        return "Too few labels are known to tell why"
    if offsets == {1}:
        return "Every label is one too high: they count from 1, and 0 is the first class"
    if len(offsets) == 1:
        return f"Every label is off by {offsets.pop():+d}"
    first = next(place for place, one in enumerate(labels) if one != expected[place])
    if len(labels) - first > FEW:
        where = f"From the {first + 1:,}. image on each label is "
        if labels[first:-1] == expected[first + 1 :]:
            return f"{where}that of the next image: one label was lost"
        if labels[first + 1 :] == expected[first:-1]:
            return f"{where}that of the image before: one label too many"
    if sum(one == other for one, other in zip(labels, expected, strict=True)) * 2 > len(labels):
        return "Most are right: single images or labels were changed"
    pairs = set(zip(labels, expected, strict=True))
    if len(pairs) == len(set(labels)) == len(set(expected)) < len(labels):
        return (
            "The classes are the right ones in another order, as in the devkit's ground truth: "
            "its numbers (ILSVRC2012_ID) become labels by meta.mat, which --devkit reads"
        )
    return "No single mistake explains them: the list belongs to other images"


def range_cause(labels: Collection[int], num_classes: int) -> str:
    """Why labels may lie outside 0 to num_classes - 1; empty if nothing tells."""
    if min(labels) == 1 and max(labels) == num_classes:
        return f"The labels run from 1 to {num_classes}: they count from 1, and 0 is the first class"
    return ""


def _is_numbered(ordered: Sequence[str]) -> bool:
    matches = [match for name in ordered if (match := NUMBERED.fullmatch(name))]
    numbers = [number_of(match[2]) for match in matches]
    return len({match[1] for match in matches}) == 1 and numbers == list(range(len(ordered)))


def _declared_order(where: str, names: Collection[str], num_classes: int, path: Path, noun: str) -> tuple[str, ...]:
    lines = read_lines(path)
    declared = tuple(lines[:-1] if lines[-1] == "" else lines)
    if len(declared) != num_classes:
        raise DatasetError(f"{path}: {counted(len(declared), 'line')}, but the model has {num_classes} classes")
    if twice := sorted({name for name in declared if declared.count(name) > 1}):
        raise DatasetError(f"{path}: {shown(twice[0]) or 'a blank line'} stands there twice")
    if strange := sorted(set(names) - set(declared)):
        raise DatasetError(f"{where}: {noun} {shown(strange[0])} is not in {path.name}, which declares the classes")
    return declared
