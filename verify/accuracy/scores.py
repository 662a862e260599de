"""From the run store's rows to accuracy and flips."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from convert.frameworks import FRAMEWORKS
from verify.accuracy.statistics import mcnemar_exact, wilson_interval
from verify.accuracy.tally import Tally
from verify.limits import FLOAT32_MAX_ABS
from verify.store.rows import ImageRow

Interval = tuple[float, float]


@dataclass(frozen=True)
class Flip:
    """An image whose best class is not the same in both frameworks.

    Attributes:
        name: the image.
        label: its class, or None.
        torch: PyTorch's best class.
        paddle: Paddle's.
        torch_margin: PyTorch's logit of its best class less that of its second.
        paddle_margin: Paddle's logit of its best class less that of its second.
        max_abs: the largest difference between the frameworks' logits on this image.
        explained: whether rounding can have turned it.
    """

    name: str
    label: int | None
    torch: int
    paddle: int
    torch_margin: float
    paddle_margin: float
    max_abs: float
    explained: bool


@dataclass(frozen=True)
class Accuracy:
    """One framework's score, in per cent of the images that were read; None without labels.

    Attributes:
        top1: per cent whose best class is the label.
        top5: per cent with the label among the best five.
        top1_interval: Wilson's interval of the top-1, of 95 %, in per cent.
        top5_interval: Wilson's interval of the top-5.
    """

    top1: float | None
    top5: float | None
    top1_interval: Interval | None = None
    top5_interval: Interval | None = None


@dataclass(frozen=True)
class McNemar:
    """Whether one framework is right more often than the other.

    Attributes:
        torch_only: images that only PyTorch has right.
        paddle_only: images that only Paddle has right.
        p: two-sided, of McNemar's exact test; a small one means that they do differ.
    """

    torch_only: int
    paddle_only: int
    p: float


@dataclass(frozen=True)
class ClassScore:
    """One class's images that were read, and how many of them each framework has right."""

    label: int
    images: int
    torch_right: int
    paddle_right: int


@dataclass(frozen=True)
class PairedResult:
    """Both frameworks' scores over a data set.

    Attributes:
        images: in the set.
        read: that could be decoded and have predictions of both.
        unreadable: name and reason of each image that could not be read.
        accuracy: by framework.
        agreement: per cent of the read images with the same best class.
        flips: the read images whose best classes differ.
        noise: the logit difference against which flips are judged.
        max_abs: the largest logit difference over all images; NaN if a logit is not a number.
        mcnemar: the images that one framework alone has right; None without labels.
        per_class: every class that occurs, by label; empty without labels.
    """

    images: int
    read: int
    unreadable: tuple[tuple[str, str], ...]
    accuracy: dict[str, Accuracy]
    agreement: float
    flips: tuple[Flip, ...]
    noise: float
    max_abs: float
    mcnemar: McNemar | None = None
    per_class: tuple[ClassScore, ...] = ()

    @property
    def unexplained(self) -> int:
        return sum(not flip.explained for flip in self.flips)

    @property
    def top1_difference(self) -> float | None:
        """Percentage points, Paddle's top-1 less PyTorch's; None without labels."""
        torch, paddle = (self.accuracy[framework].top1 for framework in FRAMEWORKS)
        return None if torch is None or paddle is None else paddle - torch


def summarise(rows: Iterable[ImageRow]) -> PairedResult:
    """Scores the rows of a run in one pass.

    A flip is explained when its smaller margin is under twice the noise. The noise is the largest logit difference
    over the images that did *not* flip, and no more than the float32 gate allows: an image's own difference is always
    at least half its margin when it flips, so measured against that, every flip would count as explained.
    """
    tally = Tally()
    for row in rows:
        tally.add(row)
    noise = min(tally.noise, FLOAT32_MAX_ABS)
    return PairedResult(
        images=tally.read + len(tally.unreadable),
        read=tally.read,
        unreadable=tuple(tally.unreadable),
        accuracy={framework: _accuracy(tally, framework) for framework in FRAMEWORKS},
        agreement=_percent(tally.read - len(tally.flipped), tally.read),
        flips=tuple(_flip(row, noise) for row in tally.flipped),
        noise=noise,
        max_abs=tally.max_abs if tally.read else math.nan,
        mcnemar=_mcnemar(tally),
        per_class=_per_class(tally),
    )


def _accuracy(tally: Tally, framework: str) -> Accuracy:
    if not tally.has_labels:
        return Accuracy(None, None)
    top1, top5, n = tally.top1(framework), tally.top5[framework], tally.read
    return Accuracy(_percent(top1, n), _percent(top5, n), _interval(top1, n), _interval(top5, n))


def _mcnemar(tally: Tally) -> McNemar | None:
    if not tally.has_labels:
        return None
    torch, paddle = tally.only("torch"), tally.only("paddle")
    return McNemar(torch, paddle, mcnemar_exact(torch, paddle))


def _per_class(tally: Tally) -> tuple[ClassScore, ...]:
    if not tally.has_labels:
        return ()
    return tuple(
        ClassScore(label, neither + torch + paddle + both, torch + both, paddle + both)
        for label, (neither, torch, paddle, both) in sorted(tally.classes.items())
    )


def _flip(row: ImageRow, noise: float) -> Flip:
    torch, paddle = (row.predictions[framework] for framework in FRAMEWORKS)
    explained = min(torch.margin, paddle.margin) < 2 * noise and row.max_abs <= FLOAT32_MAX_ABS
    classes = torch.classes[0], paddle.classes[0]
    return Flip(row.name, row.label, *classes, torch.margin, paddle.margin, row.max_abs, explained)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else math.nan


def _interval(part: int, whole: int) -> Interval:
    low, high = wilson_interval(part, whole)
    return 100 * low, 100 * high
