"""Lists of images and labels that are no good, and what is said of them."""

from __future__ import annotations

from bad_sets import HINT, Case
from made_up_images import touch
from validation_sets import COUNT, LABELS, LINES, NAMES, flat, listed, truth


def lines_of(labels: list[int]) -> list[str]:
    return [f"{name} {label}" for name, label in zip(NAMES, labels, strict=True)]


LISTS: dict[str, Case] = {
    "labels that count from 1": (
        lambda root: listed(flat(root), lines_of([label + 1 for label in LABELS])),
        f"{{root}}/val_list.txt: {NAMES[0]} has label 66, and is known to have 65; {COUNT} of {COUNT} known labels "
        "differ. Every label is one too high: they count from 1, and 0 is the first class",
    ),
    "labels in the devkit's order": (
        lambda root: listed(
            flat(root, {f"{folder}/{name}": b"x" for folder in "ab" for name in NAMES}),
            [f"{folder}/{line}" for folder in "ab" for line in lines_of([int(n) - 1 for n in truth().split()])],
        ),
        f"{{root}}/val_list.txt: a/{NAMES[0]} has label {int(truth().split()[0]) - 1}, and is known to have 65; "
        f"{2 * COUNT} of {2 * COUNT} known labels differ. The classes are the right ones in another order, as in the "
        "devkit's ground truth: its numbers (ILSVRC2012_ID) become labels by meta.mat, which --devkit reads",
    ),
    "a label lost, so that the later ones move up": (
        lambda root: listed(flat(root), lines_of([*LABELS[:2], *LABELS[3:], 7])),
        f"{{root}}/val_list.txt: {NAMES[2]} has label {LABELS[3]}, and is known to have {LABELS[2]}; {COUNT - 2} of "
        f"{COUNT} known labels differ. From the 3. image on each label is that of the next image: one label was lost",
    ),
    "a label too many": (
        lambda root: listed(flat(root), lines_of([LABELS[0], 7, *LABELS[1:-1]])),
        f"{{root}}/val_list.txt: {NAMES[1]} has label 7, and is known to have {LABELS[1]}; {COUNT - 1} of {COUNT} "
        "known labels differ. From the 2. image on each label is that of the image before: one label too many",
    ),
    "labels of other images": (
        lambda root: listed(flat(root), lines_of([label ^ 5 for label in LABELS[::-1]])),
        f"{{root}}/val_list.txt: {NAMES[0]} has label {LABELS[-1] ^ 5}, and is known to have 65; {COUNT} of {COUNT} "
        "known labels differ. No single mistake explains them: the list belongs to other images",
    ),
    "labels that count from 1, 3 classes": (
        lambda root: listed(touch(root, "x.png", "y.png"), ["x.png 1", "y.png 3"]),
        "{root}/val_list.txt, line 2: label 3, but the model's 3 classes are 0 to 2. "
        f"The labels run from 1 to 3: they count from 1, and 0 is the first class. {HINT}",
    ),
    "a listed image that is not there": (
        lambda root: listed(flat(root), [*LINES, "gone.JPEG 0"]),
        "{root}/val_list.txt: 1 listed file missing, first gone.JPEG",
    ),
    "a listed name that no file can have": (
        lambda root: listed(flat(root), [*LINES, f"{'x' * 300} 0", "a\0b 0"]),
        f"{{root}}/val_list.txt: 2 listed files missing, first {'x' * 77}...",
    ),
    "a listed image twice": (
        lambda root: listed(flat(root), [*LINES, LINES[0]]),
        f"{{root}}/val_list.txt, line {COUNT + 1}: {NAMES[0]} is listed twice",
    ),
    "a list without a name": (
        lambda root: listed(flat(root), ["65"]),
        "{root}/val_list.txt, line 1: expected `name label`, found '65'",
    ),
}
