"""Weights that no fault can hide in."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from convert.arrays import Array
from convert.params import VARIANCES, Param
from verify.selftest.tensor_kinds import Tensors


def distinct_weights(params: Iterable[Param], seed: int = 0, dtype: str = "float64") -> Tensors:
    """Weights in PyTorch's layout, no two tensors alike and none trivial.

    At initialisation LayerScale is 1e-6, biases are 0 and norms are 1, so a network whose blocks were never
    copied answers as the right one does. Here every scale is of order 1 and every tensor differs: matrices and
    kernels keep a signal's size, every other value lies between 0.5 and 1.5 in magnitude, of either sign where it is no
    variance.
    """
    rng = np.random.default_rng(seed)
    return {param.torch_name: _values(param, rng).astype(dtype) for param in params}


def _values(param: Param, rng: np.random.Generator) -> Array:
    if len(param.shape) > 1 and param.shape[0] > 1:  # a V2 block's (1, 1, 1, C) is a vector
        values: Array = rng.normal(size=param.shape) / math.sqrt(math.prod(param.shape[1:]))
        return values
    magnitude: Array = rng.uniform(0.5, 1.5, param.shape)
    if param.torch_name.rpartition(".")[2] in VARIANCES:
        return magnitude
    either: Array = magnitude * rng.choice((-1.0, 1.0), param.shape)
    return either
