"""What stands in a run store of every image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array
from convert.frameworks import FRAMEWORKS

TOP = 5


@dataclass(frozen=True)
class Prediction:
    """One framework's view of one image.

    Attributes:
        classes: the five best, best first; fewer where the model has fewer.
        logits: theirs.
        confidence: softmax of the best class, between 0 and 1.
    """

    classes: tuple[int, ...]
    logits: tuple[float, ...]
    confidence: float = float("nan")

    @property
    def margin(self) -> float:
        """Logit of the best class less that of the second; inf for a model of one class."""
        return self.logits[0] - self.logits[1] if len(self.logits) > 1 else float("inf")


@dataclass(frozen=True)
class ImageRow:
    """One image of the run.

    Attributes:
        name: its path under the data set's folder.
        label: its class, or None.
        error: why it could not be decoded; None if it could.
        max_abs: the largest difference between the frameworks' logits; NaN where one is not a number.
        predictions: by framework; empty for an image that could not be decoded.
    """

    name: str
    label: int | None
    error: str | None
    max_abs: float
    predictions: Mapping[str, Prediction]

    @property
    def read(self) -> bool:
        """Whether both frameworks have a prediction."""
        return set(self.predictions) == set(FRAMEWORKS)

    @property
    def flipped(self) -> bool:
        """Whether their best classes differ."""
        return len({prediction.classes[0] for prediction in self.predictions.values()}) > 1


@dataclass(frozen=True)
class ImageFacts:
    """What an image's file turned out to be.

    Attributes:
        number: the image's position in the data set.
        name: its path under the data set's folder.
        label: its class, or None.
        width: of the file's image, in pixels.
        height: of the file's image, in pixels.
        mode: Pillow's word for the pixel format.
        error: why it could not be decoded; empty if it could.
    """

    number: int
    name: str
    label: int | None
    width: int
    height: int
    mode: str
    error: str = ""


def top_classes(logits: Array) -> Array:
    """(N, 5) best classes of logits (N, num_classes), best first; of fewer classes, all.

    Stable: among equal logits the lower class comes first in both frameworks alike. A NaN sorts last.
    """
    return np.argsort(-logits, axis=1, kind="stable")[:, :TOP]
