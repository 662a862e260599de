"""Tiny twins of the architectures, and weights under which no fault can hide."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np

from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from convert.params import Param

# One stage of depth 3 and the others of 1, every stage of another width, and a square head, whose shape hides a
# transpose that was forgotten.
TINY = ConvNeXtSpec(name="tiny_twin", depths=(1, 1, 3, 1), dims=(4, 6, 8, 10), num_classes=10)
GRAY = dataclasses.replace(TINY, name="gray_twin", num_classes=7, in_chans=1)

IMAGE = (2, 3, 64, 96)  # not square, so that height and width cannot be exchanged unseen


def distinct_weights(params: Iterable[Param], seed: int = 0, dtype: str = "float64") -> dict[str, Array]:
    """Weights in PyTorch's layout, no two tensors alike and none trivial.

    At initialisation LayerScale is 1e-6, biases are 0 and norms are 1, so a network whose blocks were never
    copied answers as the right one does. Here every scale is of order 1 and every tensor differs: matrices and
    kernels keep a signal's size, every other value lies between 0.5 and 1.5 in magnitude, of either sign.
    """
    rng = np.random.default_rng(seed)
    return {param.torch_name: _values(param, rng).astype(dtype) for param in params}


def _values(param: Param, rng: np.random.Generator) -> Array:
    if len(param.shape) > 1 and param.shape[0] > 1:  # a V2 block's (1, 1, 1, C) is a vector
        return rng.normal(size=param.shape) / math.sqrt(math.prod(param.shape[1:]))
    return rng.uniform(0.5, 1.5, param.shape) * rng.choice((-1.0, 1.0), param.shape)


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
