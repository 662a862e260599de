"""Stand-ins for PaddleClas' two networks, which is not installed: its names and shapes of tensors, in Paddle's layers.

Written after what ppcls/arch/backbone/model_zoo/convnext.py of https://github.com/PaddlePaddle/PaddleClas at 87452a4
states, in other words. One thing is left out: the norm in a block of its ConvNeXtV2 with Linear layers takes the axis
after the first for the channels where that has as many entries, so over an image whose map is as high as it is deep
it normalises over the height; these here never do.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import paddle
from paddle import nn

from convert.archs.spec import ArchSpec

EPS = 1e-6


class ChannelNorm(nn.Layer):
    """LayerNorm over the channels of (N, C, H, W)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([dim])
        self.bias = self.create_parameter([dim])

    def forward(self, x: Any) -> Any:
        centred = x - x.mean(1, keepdim=True)
        scaled = centred / paddle.sqrt((centred * centred).mean(1, keepdim=True) + EPS)
        return scaled * self.weight.reshape([1, -1, 1, 1]) + self.bias.reshape([1, -1, 1, 1])


class ResponseNorm(nn.Layer):
    """Global response normalisation, its two vectors flat."""

    def __init__(self, dim: int, channel_axis: int) -> None:
        super().__init__()
        self.gamma = self.create_parameter([dim])
        self.beta = self.create_parameter([dim], is_bias=True)
        self.axis = channel_axis
        self.shape = [1, 1, 1, -1] if channel_axis == 3 else [1, -1, 1, 1]

    def forward(self, x: Any) -> Any:
        spatial = [axis for axis in (1, 2, 3) if axis != self.axis]
        size = paddle.sqrt((x * x).sum(spatial, keepdim=True))
        share = size / (size.mean(self.axis, keepdim=True) + EPS)
        return x + self.beta.reshape(self.shape) + self.gamma.reshape(self.shape) * (x * share)


class Block(nn.Layer):
    """A residual block of either version; of version 2 with Linear layers or, `conv_mlp`, with 1x1 convolutions."""

    def __init__(self, spec: Any, dim: int) -> None:
        super().__init__()
        self.is_conv = bool(spec.grn and spec.conv_mlp)
        self.dwconv = nn.Conv2D(dim, dim, 7, padding=3, groups=dim)
        self.norm = ChannelNorm(dim) if self.is_conv else nn.LayerNorm(dim, epsilon=EPS)
        self.pwconv1 = nn.Conv2D(dim, 4 * dim, 1) if self.is_conv else nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Conv2D(4 * dim, dim, 1) if self.is_conv else nn.Linear(4 * dim, dim)
        self.grn = ResponseNorm(4 * dim, 1 if self.is_conv else 3) if spec.grn else None
        self.gamma = None if spec.grn else self.create_parameter([dim])

    def forward(self, x: Any) -> Any:
        y = self.dwconv(x)
        y = y if self.is_conv else y.transpose([0, 2, 3, 1])
        y = nn.functional.gelu(self.pwconv1(self.norm(y)))
        y = self.pwconv2(self.grn(y) if self.grn is not None else y)
        y = y if self.gamma is None else self.gamma * y
        return x + (y if self.is_conv else y.transpose([0, 3, 1, 2]))


class Head(nn.Layer):
    """Version 2's: mean over the image, norm, Linear."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(dim)
        self.fc = nn.Linear(dim, classes)

    def forward(self, x: Any) -> Any:
        return self.fc(self.norm(x.mean([2, 3], keepdim=True)).flatten(1))


class Network(nn.Layer):
    """PaddleClas' ConvNeXt or, for a specification with response norms, its ConvNeXtV2."""

    def __init__(self, spec: ArchSpec) -> None:
        super().__init__()
        depths, dims = zip(*spec.stages, strict=True)
        self.is_v2 = spec.grn
        self.downsample_layers = nn.LayerList(list(_downsample_layers(spec.in_chans, dims)))
        stages = ([Block(spec, dim) for _ in range(depth)] for depth, dim in zip(depths, dims, strict=True))
        self.stages = nn.LayerList([nn.Sequential(*blocks) for blocks in stages])
        if self.is_v2:
            self.head = Head(dims[-1], spec.num_classes)
        else:
            self.norm = nn.LayerNorm(dims[-1], epsilon=EPS)
            self.head = nn.Linear(dims[-1], spec.num_classes)

    def forward(self, x: Any) -> Any:
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.head(x if self.is_v2 else self.norm(x.mean([2, 3])))


def _downsample_layers(channels: int, dims: tuple[int, ...]) -> Iterator[Any]:
    yield nn.Sequential(nn.Conv2D(channels, dims[0], 4, stride=4), ChannelNorm(dims[0]))
    for dim, next_dim in pairwise(dims):
        yield nn.Sequential(ChannelNorm(dim), nn.Conv2D(dim, next_dim, 2, stride=2))
