"""The one way weights get into a Paddle model.

`Layer.set_state_dict` raises neither for missing nor for unexpected nor for mis-shaped tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import nn

from convert.arrays import Array
from convert.errors import CheckpointMismatch
from convert.state_dict import find_problems


def load_weights(model: nn.Layer, weights: Mapping[str, Array]) -> None:
    """Copies every tensor into the model.

    Args:
        model: its state dict names what is expected.
        weights: Paddle names to arrays in Paddle's layout, of the model's dtype or one that widens into it.

    Raises:
        CheckpointMismatch: missing, unexpected, of another shape or dtype, NaN or Inf; the model is unchanged.
    """
    own = model.state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in own.items()}
    dtype = np.dtype(str(next(iter(own.values())).dtype).removeprefix("paddle."))
    if problems := find_problems(weights, expected, dtype=dtype, widen=True):
        raise CheckpointMismatch(type(model).__name__, problems)
    with paddle.no_grad():
        for name, tensor in own.items():
            tensor.set_value(np.array(weights[name], dtype, order="C"))
