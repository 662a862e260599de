"""A new head for a backbone, or in place of another head, on request."""

from __future__ import annotations

import numpy as np

from convert.archs import ArchSpec
from convert.arrays import Array
from convert.frameworks import PADDLE
from convert.params import Layout

HEAD_STD = 0.02  # of the authors' initialisation
HEAD_SEED = 0


def fresh_head(spec: ArchSpec, *, framework: str) -> dict[str, Array]:
    """A newly initialised head, float32.

    Args:
        spec: with the wanted number of classes.
        framework: whose layout the weight is to have.

    Returns:
        The weight is drawn from a normal distribution of standard deviation 0.02 (numpy's frozen RandomState, seed 0:
        the same bits everywhere), the bias is 0.
    """
    param = next(param for param in spec.params() if param.torch_name == spec.head_key)
    weight = np.random.RandomState(HEAD_SEED).standard_normal(param.shape) * HEAD_STD
    layout = param.layout if framework == PADDLE else Layout.SAME
    return {
        spec.head_key: layout.to_paddle(weight.astype(np.float32)),
        spec.head_bias_key: np.zeros(spec.num_classes, np.float32),
    }
