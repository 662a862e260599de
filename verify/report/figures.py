"""The numbers behind the page's plots, out of the rows of a run; small whatever the size of the set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array
from verify.accuracy.scores import ClassScore
from verify.store.rows import ImageRow

BINS_A_DECADE = 8
FLOOR = 1e-9  # of a logit difference on a plot; float32 logits of order 1 cannot differ by less and differ
CONFIDENCE_BINS = 40


@dataclass(frozen=True)
class Histogram:
    """How many images have a logit difference in each bin.

    Attributes:
        edges: (N + 1,) of the bins, rising by equal factors.
        counts: (N,) images in each.
        zeros: images whose logits are equal bit for bit, in no bin.
        unknown: images with a logit that is not a number, in no bin.
        median: of all images with a number.
    """

    edges: Array
    counts: Array
    zeros: int
    unknown: int
    median: float


@dataclass(frozen=True)
class Grid:
    """How many images have a confidence and a difference of confidence in each cell.

    Attributes:
        x_edges: (N + 1,) of torch's probability of its best class.
        y_edges: (M + 1,) of the absolute difference of Paddle's, rising by equal factors; less than the first edge is
            counted in the first row.
        counts: (N, M) images in each cell.
        largest: the largest difference.
    """

    x_edges: Array
    y_edges: Array
    counts: Array
    largest: float


@dataclass(frozen=True)
class ClassPoints:
    """The classes by their accuracy in both frameworks.

    Attributes:
        torch: (N,) per cent that torch has right at each distinct point.
        paddle: (N,) per cent that Paddle has right there.
        counts: (N,) classes at the point.
        different: classes whose accuracy is not the same.
    """

    torch: Array
    paddle: Array
    counts: Array
    different: int


def difference_histogram(rows: Iterable[ImageRow]) -> Histogram | None:
    """The histogram of each read image's largest logit difference; None if no image was read."""
    differences = np.array([row.max_abs for row in rows if row.read], np.float64)
    if not differences.size:
        return None
    finite = differences[np.isfinite(differences)]
    positive = np.maximum(finite[finite > 0], FLOOR)
    edges = _decades(positive, (1e-7, 1e-5))
    counts, _ = np.histogram(positive, edges)
    return Histogram(
        edges,
        counts,
        zeros=int((finite == 0).sum()),
        unknown=differences.size - finite.size,
        median=float(np.median(finite)) if finite.size else math.nan,
    )


def confidence_grid(rows: Iterable[ImageRow]) -> Grid | None:
    """The grid of the images whose confidence is known in both frameworks; None if there are none."""
    pairs = [[row.predictions[name].confidence for name in ("torch", "paddle")] for row in rows if row.read]
    known = np.array(pairs, np.float64).reshape(-1, 2)
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return None
    difference = np.abs(known[:, 1] - known[:, 0])
    x_edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    y_edges = _decades(np.maximum(difference, FLOOR), (FLOOR, 1e-6))
    inside = np.maximum(difference, y_edges[0])
    counts, _, _ = np.histogram2d(known[:, 0], inside, (x_edges, y_edges))
    return Grid(x_edges, y_edges, counts.astype(np.int64), float(difference.max()))


def class_points(classes: Sequence[ClassScore]) -> ClassPoints | None:
    """The points of the classes that have images; None if there are none."""
    points = Counter(
        (100 * score.torch_right / score.images, 100 * score.paddle_right / score.images)
        for score in classes
        if score.images
    )
    if not points:
        return None
    torch, paddle = np.array(sorted(points), np.float64).T
    counts = np.array([points[point] for point in sorted(points)])
    return ClassPoints(torch, paddle, counts, int(counts[torch != paddle].sum()))


def _decades(values: Array, least: tuple[float, float]) -> Array:
    """Edges over the whole decades that the values lie in, and over `least` where they lie within that."""
    low, high = (min(values.min(initial=least[0]), least[0]), max(values.max(initial=least[1]), least[1]))
    first, last = math.floor(math.log10(low) + 1e-9), math.floor(math.log10(high) + 1e-9) + 1
    return np.logspace(first, last, (last - first) * BINS_A_DECADE + 1)
