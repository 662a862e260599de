"""The one way weights get into a PyTorch model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from convert.arrays import Array
from convert.errors import CheckpointMismatch
from convert.params import is_counter
from convert.state_dict import find_problems


def load_weights(model: nn.Module, weights: Mapping[str, Array]) -> None:
    """Copies every tensor into the model.

    Args:
        model: its state dict names what is expected; the counters of batch norms start at 0.
        weights: PyTorch names to arrays in PyTorch's layout, of the model's dtype or one that widens into it.

    Raises:
        CheckpointMismatch: missing, unexpected, of another shape or dtype, NaN or Inf; the model is unchanged.
    """
    state_dict = model.state_dict()
    own = {name: tensor for name, tensor in state_dict.items() if not is_counter(name, tuple(tensor.shape))}
    expected = {name: tuple(tensor.shape) for name, tensor in own.items()}
    dtype = np.dtype(str(next(iter(own.values())).dtype).removeprefix("torch."))
    if problems := find_problems(weights, expected, dtype=dtype, widen=True):
        raise CheckpointMismatch(type(model).__name__, problems)
    with torch.no_grad():
        for name in state_dict.keys() - own.keys():
            state_dict[name].zero_()
        for name, tensor in own.items():
            tensor.copy_(torch.from_numpy(np.array(weights[name], dtype)))  # a copy: torch refuses read-only views
