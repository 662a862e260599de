"""Counting the rows of a run, one at a time: nothing is kept of an image on which the frameworks agree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from convert.frameworks import FRAMEWORKS
from verify.store.rows import ImageRow


@dataclass
class Tally:
    """What has been counted so far.

    Attributes:
        read: images with predictions of both frameworks.
        labelled: of those, the ones that have a label.
        unreadable: name and reason of each of the other images.
        flipped: images whose best class differs.
        noise: the largest logit difference over the images that did not flip.
        max_abs: the largest over all; NaN if any is.
        top5: framework to the images whose label is among the best five.
        classes: label to the images that no framework, torch alone, Paddle alone, and both have right.
    """

    read: int = 0
    labelled: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    flipped: list[ImageRow] = field(default_factory=list)
    noise: float = 0.0
    max_abs: float = 0.0
    top5: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FRAMEWORKS, 0))
    classes: dict[int, list[int]] = field(default_factory=dict)

    def add(self, row: ImageRow) -> None:
        """Counts one image."""
        if not row.read:
            self.unreadable.append((row.name, row.error or "no prediction"))
            return
        self.read += 1
        if math.isnan(row.max_abs) or row.max_abs > self.max_abs:  # a NaN stays: no number is larger
            self.max_abs = row.max_abs
        if row.flipped:
            self.flipped.append(row)
        elif row.max_abs > self.noise:
            self.noise = row.max_abs
        if row.label is not None:
            self._add_labelled(row, row.label)

    def _add_labelled(self, row: ImageRow, label: int) -> None:
        self.labelled += 1
        right = 0
        for bit, framework in enumerate(FRAMEWORKS):
            classes = row.predictions[framework].classes
            right |= (classes[0] == label) << bit
            self.top5[framework] += label in classes
        self.classes.setdefault(label, [0, 0, 0, 0])[right] += 1

    @property
    def has_labels(self) -> bool:
        """Whether there is an image, and each has a label."""
        return 0 < self.labelled == self.read

    def top1(self, framework: str) -> int:
        """Images that the framework has right."""
        return self.only(framework) + sum(counts[3] for counts in self.classes.values())

    def only(self, framework: str) -> int:
        """Images that it alone has right."""
        bit = 1 << FRAMEWORKS.index(framework)
        return sum(counts[bit] for counts in self.classes.values())
