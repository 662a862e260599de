"""ConvNeXt in PyTorch; line by line the twin of models_paddle/convnext.py.

After models/convnext.py of https://github.com/facebookresearch/ConvNeXt at 048efce: the same names, the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from convert.archs.convnext import DOWNSAMPLE, KERNEL, PATCH, ConvNeXtSpec
from convert.arrays import Array
from models_torch.loading import load_weights


class DropPath(nn.Module):
    """Stochastic depth: in training, zeroes a sample's whole branch with probability `rate` and scales the others up.

    Shapes: any (N, ...) in and out.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = torch.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype, device=x.device) < keep
        return x * mask.to(x.dtype) / keep


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)  # (N, C, H, W)


class Block(nn.Module):
    """Depthwise convolution, LayerNorm, two Linear layers around a GELU, LayerScale; (N, C, H, W) in and out."""

    def __init__(self, dim: int, *, eps: float, drop_path: float, layer_scale_init_value: float):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full([dim], float(layer_scale_init_value)))
        self.drop_path = DropPath(drop_path)

    def forward(self, x):
        y = self.dwconv(x).permute(0, 2, 3, 1)  # (N, H, W, C)
        y = self.norm(y)
        y = F.gelu(self.pwconv1(y), approximate="none")
        y = self.gamma * self.pwconv2(y)
        return x + self.drop_path(y.permute(0, 3, 1, 2))  # (N, C, H, W)


class ConvNeXt(nn.Module):
    """ConvNeXt for training and inference.

    Args:
        spec: the architecture.
        drop_path_rate: of the last block; the rates grow linearly from 0 over all blocks.
        layer_scale_init_value: initial value of every `gamma`.
        head_init_scale: factor on the head's initial weight and bias.
    """

    def __init__(
        self,
        spec: ConvNeXtSpec,
        *,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 1e-6,
        head_init_scale: float = 1.0,
    ):
        super().__init__()
        dims, eps = spec.dims, spec.eps
        self.downsample_layers = nn.ModuleList()
        self.downsample_layers.append(
            nn.Sequential(nn.Conv2d(spec.in_chans, dims[0], PATCH, stride=PATCH), LayerNorm2d(dims[0], eps=eps))
        )
        for dim, next_dim in pairwise(dims):
            self.downsample_layers.append(
                nn.Sequential(LayerNorm2d(dim, eps=eps), nn.Conv2d(dim, next_dim, DOWNSAMPLE, stride=DOWNSAMPLE))
            )
        rates = iter(spec.drop_path_rates(drop_path_rate))
        self.stages = nn.ModuleList()
        for depth, dim in zip(spec.depths, dims, strict=True):
            blocks = [
                Block(dim, eps=eps, drop_path=next(rates), layer_scale_init_value=layer_scale_init_value)
                for _ in range(depth)
            ]
            self.stages.append(nn.Sequential(*blocks))
        self.norm = nn.LayerNorm(dims[-1], eps=eps)
        self.head = nn.Linear(dims[-1], spec.num_classes)
        self.apply(_init_weights)
        with torch.no_grad():
            self.head.weight.mul_(head_init_scale)
            self.head.bias.mul_(head_init_scale)

    def forward_features(self, x):
        """(N, in_chans, H, W) to (N, dims[-1]): the mean over height and width first, then the norm."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.norm(x.mean([2, 3]))

    def forward(self, x):
        """(N, in_chans, H, W) to logits (N, num_classes)."""
        return self.head(self.forward_features(x))


def _init_weights(layer):
    # The authors cut at -2 and 2, which is 100 standard deviations.
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(layer.weight, std=0.02, a=-2.0, b=2.0)
        nn.init.zeros_(layer.bias)


def build(spec: ConvNeXtSpec, *, dtype: str = "float32", **training: float) -> ConvNeXt:
    """An initialised model in evaluation mode.

    Args:
        spec: the architecture; `dataclasses.replace(spec, num_classes=10)` changes its head.
        dtype: "float32" or "float64", of every parameter.
        training: `drop_path_rate`, `layer_scale_init_value`, `head_init_scale`, as `ConvNeXt` takes them.
    """
    return ConvNeXt(spec, **training).to(getattr(torch, dtype)).eval()


def build_with(spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> ConvNeXt:
    """A model in evaluation mode that holds those weights; nothing is drawn at random first.

    Args:
        spec: the architecture.
        weights: as `load_weights` takes them.
        dtype: "float32" or "float64", of every parameter.

    Raises:
        CheckpointMismatch: the weights are not the architecture's.
    """
    with torch.device("meta"):
        model = ConvNeXt(spec).to(getattr(torch, dtype))
    model.to_empty(device="cpu")
    load_weights(model, weights)
    return model.eval()
