"""The activations of both frameworks, in numpy: what a network may run between two layers that own tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from convert.arrays import Array

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return result


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "nothing": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "exact GELU": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "tanh GELU": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick GELU": lambda x: x * _sigmoid(1.702 * x),
    "SiLU": lambda x: x * _sigmoid(x),
    "Hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Sigmoid": _sigmoid,
    "Hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "Hardsigmoid of slope 0.1666667": lambda x: np.clip(0.1666667 * x + 0.5, 0, 1),
    "Hardsigmoid of slope 0.2": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "Tanh": np.tanh,
    "Mish": lambda x: x * np.tanh(np.log1p(np.exp(np.minimum(x, 700)))),
    "LeakyReLU of slope 0.01": lambda x: np.where(x > 0, x, 0.01 * x),
    "LeakyReLU of slope 0.1": lambda x: np.where(x > 0, x, 0.1 * x),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}

# By the word that Paddle's batch norm takes for the activation that it runs itself.
FUSED: Mapping[str, str] = {"relu": "ReLU", "relu6": "ReLU6", "sigmoid": "Sigmoid", "swish": "SiLU", "tanh": "Tanh"}
