"""The steps of networks with batch norms, beside those of verify/reference/steps.py: batch norm, ReLU, max pooling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from convert.arrays import Array
from convert.params import BATCH_NORM_EPS
from verify.reference.steps import Affine, Mistake, Step, Weights


@dataclass(frozen=True)
class BatchNorm(Affine):
    """A batch norm in evaluation mode: by the statistics in the file, channel by channel."""

    eps: float = BATCH_NORM_EPS
    statistics: str = "in the file"  # or "initial", "exchanged"

    def run(self, x: Array, weights: Weights) -> Array:
        mean, variance = weights[f"{self.name}.running_mean"], weights[f"{self.name}.running_var"]
        if self.statistics == "initial":
            mean, variance = np.zeros_like(mean), np.ones_like(variance)
        elif self.statistics == "exchanged":
            mean, variance = variance, mean
        scaled: Array = (x - mean) / np.sqrt(variance + self.eps) * weights[f"{self.name}.weight"]
        return scaled + self._shift(weights)

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        text = f"{self.name}: the statistics are the initial ones, mean 0 and variance 1"
        yield text, replace(self, statistics="initial")
        if (weights[f"{self.name}.running_mean"] + self.eps > 0).all():  # another has no root
            yield f"{self.name}: mean and variance are exchanged", replace(self, statistics="exchanged")
        yield from self._dropped_bias(weights)
        yield from super().mistakes(weights)


@dataclass(frozen=True)
class Relu(Step):
    """The larger of x and 0."""

    slope: float = 0.0

    def run(self, x: Array, weights: Weights) -> Array:  # noqa: ARG002 - it has no tensors
        return np.maximum(x, self.slope * x)

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        yield f"{self.name}: a leaky ReLU of slope 0.01 in place of ReLU", replace(self, slope=0.01)
        yield from super().mistakes(weights)


POOLS = {
    "centred": "the maximum, padded on every side",
    "below and to the right": "the maximum, padded below and to the right alone as in Caffe",
    "mean": "the mean, padded on every side",
}


@dataclass(frozen=True)
class MaxPool(Step):
    """The maximum of each 3x3 window, of stride 2, padded by one on every side."""

    form: str = "centred"

    def run(self, x: Array, weights: Weights) -> Array:  # noqa: ARG002 - it has no tensors
        before = 0 if self.form == "below and to the right" else 1
        filling = 0.0 if self.form == "mean" else -math.inf
        padded = np.pad(x, [(0, 0), (before, 1), (before, 1), (0, 0)], constant_values=filling)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
        pooled: Array = windows.mean((-2, -1)) if self.form == "mean" else windows.max((-2, -1))
        return pooled

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        for form, what in POOLS.items():
            if form != self.form:
                yield f"{self.name}: {what}, in place of {POOLS[self.form]}", replace(self, form=form)
        yield from super().mistakes(weights)


@dataclass(frozen=True)
class FirstWindow(Step):
    """The mean over the first square window, of a map into which a single one fits."""

    side: int = 7
    whole: bool = False

    def run(self, x: Array, weights: Weights) -> Array:  # noqa: ARG002 - it has no tensors
        window = x if self.whole else x[:, : self.side, : self.side]
        pooled: Array = window.mean((1, 2))
        return pooled

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:  # noqa: ARG002 - it has no tensors
        yield f"{self.name}: the mean over the whole map in its place", replace(self, whole=True)


@dataclass(frozen=True)
class Sum(Step):
    """The sum of what several branches make of the same input.

    Attributes:
        branches: each a list of steps.
    """

    branches: tuple[tuple[Step, ...], ...] = ()

    def has(self, tensor: str) -> bool:
        return any(step.has(tensor) for branch in self.branches for step in branch)

    def run(self, x: Array, weights: Weights) -> Array:
        first, *others = (_run(branch, x, weights) for branch in self.branches)
        return sum(others, start=first)

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        for place, branch in enumerate(self.branches):
            before, after = self.branches[:place], self.branches[place + 1 :]
            yield f"{self.name}: the branch of {branch[0].name} is left out", replace(self, branches=before + after)
            for index, step in enumerate(branch):
                for text, wrong in step.mistakes(weights):
                    changed = (*branch[:index], *([] if wrong is None else [wrong]), *branch[index + 1 :])
                    yield text, replace(self, branches=(*before, changed, *after))


def _run(steps: tuple[Step, ...], x: Array, weights: Weights) -> Array:
    for step in steps:
        x = step.run(x, weights)
    return x
