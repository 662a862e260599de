"""Tiny twins of the architectures, and weights under which no fault can hide."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from convert.params import Param
from verify.selftest.tensors import distinct_weights

__all__ = ["GRAY", "IMAGE", "TINY", "carried", "distinct_weights", "max_rel", "random_image", "randomised"]

# One stage of depth 3 and the others of 1, every stage of another width, and a square head, whose shape hides a
# transpose that was forgotten.
TINY = ConvNeXtSpec(name="tiny_twin", depths=(1, 1, 3, 1), dims=(4, 6, 8, 10), num_classes=10)
GRAY = dataclasses.replace(TINY, name="gray_twin", num_classes=7, in_chans=1)

IMAGE = (2, 3, 64, 96)  # not square, so that height and width cannot be exchanged unseen


def carried(params: Iterable[Param], weights: Mapping[str, Array]) -> dict[str, Array]:
    """Weights of any dtype under Paddle's names and in Paddle's layout, as the table states them."""
    return {param.paddle_name: param.layout.to_paddle(weights[param.torch_name]) for param in params}


def random_image(shape: tuple[int, ...] = IMAGE, seed: int = 1) -> Array:
    """Float64 input of order 1."""
    return np.random.default_rng(seed).normal(size=shape)


def max_rel(actual: Array, expected: Array) -> float:
    """max|actual - expected| / max|expected|; NaN where either has one."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def randomised(shapes: Mapping[str, tuple[int, ...]], seed: int = 0, dtype: str = "float64") -> dict[str, Array]:
    """`distinct_weights` under any library's own keys, for a model that takes no name from us."""
    return distinct_weights([Param(name, tuple(shape)) for name, shape in shapes.items()], seed, dtype)
