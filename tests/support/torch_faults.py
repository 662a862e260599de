"""Faults in PyTorch's model. Imported in PyTorch's worker only, as tests/support/paddle_faults.py is in Paddle's."""

from __future__ import annotations

from collections.abc import Mapping

import torch

import models_torch
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array


def an_epsilon_of_1e_5(spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> torch.nn.Module:
    model = models_torch.build_with(spec, weights, dtype=dtype)
    model.stages[2][1].norm.eps = 1e-5
    return model
