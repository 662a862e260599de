"""ConvNeXt in Paddle; line by line the twin of models_torch/convnext.py.

After models/convnext.py of https://github.com/facebookresearch/ConvNeXt at 048efce: the same names, the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import paddle
from paddle import nn
from paddle.nn import functional as F

from convert.archs.convnext import DOWNSAMPLE, KERNEL, PATCH, ConvNeXtSpec
from convert.arrays import Array
from models_paddle.loading import load_weights


class DropPath(nn.Layer):
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
        mask = paddle.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype) < keep
        return x * mask.astype(x.dtype) / keep


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x):
        x = x.transpose([0, 2, 3, 1])  # (N, H, W, C)
        x = F.layer_norm(x, self._normalized_shape, self.weight, self.bias, self._epsilon)
        return x.transpose([0, 3, 1, 2])  # (N, C, H, W)


class Block(nn.Layer):
    """Depthwise convolution, LayerNorm, two Linear layers around a GELU, LayerScale; (N, C, H, W) in and out."""

    def __init__(self, dim: int, *, eps: float, drop_path: float, layer_scale_init_value: float):
        super().__init__()
        self.dwconv = nn.Conv2D(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, epsilon=eps)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = self.create_parameter([dim], default_initializer=nn.initializer.Constant(layer_scale_init_value))
        self.drop_path = DropPath(drop_path)

    def forward(self, x):
        y = self.dwconv(x).transpose([0, 2, 3, 1])  # (N, H, W, C)
        y = self.norm(y)
        y = F.gelu(self.pwconv1(y), approximate=False)
        y = self.gamma * self.pwconv2(y)
        return x + self.drop_path(y.transpose([0, 3, 1, 2]))  # (N, C, H, W)


class ConvNeXt(nn.Layer):
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
        self.downsample_layers = nn.LayerList()
        self.downsample_layers.append(
            nn.Sequential(nn.Conv2D(spec.in_chans, dims[0], PATCH, stride=PATCH), LayerNorm2d(dims[0], epsilon=eps))
        )
        for dim, next_dim in pairwise(dims):
            self.downsample_layers.append(
                nn.Sequential(LayerNorm2d(dim, epsilon=eps), nn.Conv2D(dim, next_dim, DOWNSAMPLE, stride=DOWNSAMPLE))
            )
        rates = iter(spec.drop_path_rates(drop_path_rate))
        self.stages = nn.LayerList()
        for depth, dim in zip(spec.depths, dims, strict=True):
            blocks = [
                Block(dim, eps=eps, drop_path=next(rates), layer_scale_init_value=layer_scale_init_value)
                for _ in range(depth)
            ]
            self.stages.append(nn.Sequential(*blocks))
        self.norm = nn.LayerNorm(dims[-1], epsilon=eps)
        self.head = nn.Linear(dims[-1], spec.num_classes)
        self.apply(_init_weights)
        if self.head.weight._is_initialized():
            self.head.weight.set_value(self.head.weight * head_init_scale)
            self.head.bias.set_value(self.head.bias * head_init_scale)

    def forward_features(self, x):
        """(N, in_chans, H, W) to (N, dims[-1]): the mean over height and width first, then the norm."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.norm(x.mean([2, 3]))

    def forward(self, x):
        """(N, in_chans, H, W) to logits (N, num_classes)."""
        return self.head(self.forward_features(x))


def _init_weights(layer):
    # The authors cut at -2 and 2, which is 100 standard deviations. Paddle 2.6's TruncatedNormal cuts at 2 standard
    # deviations and takes no other limits, so the cut is written out.
    if isinstance(layer, (nn.Conv2D, nn.Linear)) and layer.weight._is_initialized():  # not under LazyGuard
        layer.weight.set_value(paddle.normal(0.0, 0.02, layer.weight.shape).clip(-2.0, 2.0).astype(layer.weight.dtype))
        layer.bias.set_value(paddle.zeros_like(layer.bias))


def build(spec: ConvNeXtSpec, *, dtype: str = "float32", **training: float) -> ConvNeXt:
    """An initialised model in evaluation mode.

    Args:
        spec: the architecture; `dataclasses.replace(spec, num_classes=10)` changes its head.
        dtype: "float32" or "float64", of every parameter.
        training: `drop_path_rate`, `layer_scale_init_value`, `head_init_scale`, as `ConvNeXt` takes them.
    """
    with _default_dtype(dtype):
        return _in_evaluation_mode(ConvNeXt(spec, **training))


def build_with(spec: ConvNeXtSpec, weights: Mapping[str, Array], *, dtype: str = "float32") -> ConvNeXt:
    """A model in evaluation mode that holds those weights; nothing is drawn at random first.

    Args:
        spec: the architecture.
        weights: as `load_weights` takes them.
        dtype: "float32" or "float64", of every parameter.

    Raises:
        CheckpointMismatch: the weights are not the architecture's.
    """
    with _default_dtype(dtype), paddle.LazyGuard():
        model = ConvNeXt(spec)
    load_weights(model, weights)
    return _in_evaluation_mode(model)


@contextmanager
def _default_dtype(dtype: str) -> Iterator[None]:
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def _in_evaluation_mode(model: ConvNeXt) -> ConvNeXt:
    model.eval()  # returns nothing in Paddle 2.6
    return model
