"""The parts that ConvNeXt is made of, in Paddle; line by line the twin of models_torch/layers.py.

After the authors' models/convnext.py (https://github.com/facebookresearch/ConvNeXt at 048efce), models/utils.py
(https://github.com/facebookresearch/ConvNeXt-V2 at 2553895), and timm's norms (timm/layers/norm.py at v1.0.31).
"""

from __future__ import annotations

import math

import paddle
from paddle import Tensor, nn

from convert.archs.convnext import KERNEL
from convert.archs.spec import Norm
from models_paddle.depthwise import DepthwiseConv2D


class DropPath(nn.Layer):
    """Stochastic depth: in training, zeroes a sample's whole branch with probability `rate` and scales the others up.

    Shapes: any (N, ...) in and out.
    """

    def __init__(self, rate: float):
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop path: expected a rate from 0 to below 1, found {rate}")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = paddle.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype) < keep
        return x * mask.astype(x.dtype) / keep


class RmsNorm(nn.Layer):
    """x / sqrt(mean(x ** 2) + eps) * weight, over the last axis."""

    def __init__(self, dim: int, *, epsilon: float):
        super().__init__()
        self.weight = self.create_parameter([dim], default_initializer=nn.initializer.Constant(1.0))
        self.eps = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * paddle.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


class SimpleNorm(nn.Layer):
    """x / sqrt(unbiased variance + eps) * weight, over the last axis; the mean is not subtracted from x."""

    def __init__(self, dim: int, *, epsilon: float):
        super().__init__()
        self.weight = self.create_parameter([dim], default_initializer=nn.initializer.Constant(1.0))
        self.eps = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * paddle.rsqrt(x.var(-1, unbiased=True, keepdim=True) + self.eps) * self.weight


class LayerNorm2d(nn.LayerNorm):
    """nn.LayerNorm over the channels of (N, C, H, W)."""

    # Not super().forward: paddle.jit.to_static follows that without end.
    def forward(self, x: Tensor) -> Tensor:
        return nn.LayerNorm.forward(self, x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])


class RmsNorm2d(RmsNorm):
    """RmsNorm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return RmsNorm.forward(self, x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])


class SimpleNorm2d(SimpleNorm):
    """SimpleNorm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return SimpleNorm.forward(self, x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])


NORMS: dict[Norm, type[nn.Layer]] = {Norm.LAYER: nn.LayerNorm, Norm.RMS: RmsNorm, Norm.SIMPLE: SimpleNorm}
NORMS_2D: dict[Norm, type[nn.Layer]] = {Norm.LAYER: LayerNorm2d, Norm.RMS: RmsNorm2d, Norm.SIMPLE: SimpleNorm2d}


class GlobalResponseNorm(nn.Layer):
    """gamma * x * n + beta + x on (N, H, W, C); n: a channel's norm over H and W, by all channels' mean."""

    def __init__(self, dim: int):
        super().__init__()
        self.gamma = self.create_parameter([1, 1, 1, dim], default_initializer=nn.initializer.Constant(0.0))
        self.beta = self.create_parameter([1, 1, 1, dim], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, x: Tensor) -> Tensor:
        norm = paddle.norm(x, p="fro", axis=[1, 2], keepdim=True)  # p=2 would be a matrix norm
        return self.gamma * (x * (norm / (norm.mean(-1, keepdim=True) + 1e-6))) + self.beta + x


class Block(nn.Layer):
    """Depthwise convolution, norm, two Linear layers around a GELU, LayerScale; (N, C, H, W) in and out.

    Args:
        dim: channels.
        eps: of the norm, added to the variance or the mean square.
        norm: kind of the norm.
        gelu_tanh: whether GELU is its tanh approximation.
        grn: whether a GlobalResponseNorm follows the GELU.
        kernel: side of the depthwise convolution, odd.
        layer_scale_init_value: initial value of `gamma`; None for a block without one.
        drop_path: rate of stochastic depth.
    """

    def __init__(
        self,
        dim: int,
        *,
        eps: float,
        norm: Norm = Norm.LAYER,
        gelu_tanh: bool = False,
        grn: bool = False,
        kernel: int = KERNEL,
        layer_scale_init_value: float | None = None,
        drop_path: float = 0.0,
    ):
        super().__init__()
        if layer_scale_init_value is not None:
            self.gamma = self.create_parameter(
                [dim], default_initializer=nn.initializer.Constant(float(layer_scale_init_value))
            )
        self.layer_scale = layer_scale_init_value is not None
        self.dwconv = DepthwiseConv2D(dim, kernel)
        self.norm = NORMS[norm](dim, epsilon=eps)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.gelu = nn.GELU(approximate=gelu_tanh)
        self.grn = GlobalResponseNorm(4 * dim) if grn else nn.Identity()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dwconv(x).transpose([0, 2, 3, 1])  # (N, H, W, C)
        y = self.grn(self.gelu(self.pwconv1(self.norm(y))))
        y = self.pwconv2(y)
        if self.layer_scale:
            y = self.gamma * y
        return x + self.drop_path(y.transpose([0, 3, 1, 2]))  # (N, C, H, W)


def init_weights(layer: nn.Layer) -> None:
    # The authors cut at -2 and 2, which is 100 standard deviations. Paddle 2.6's TruncatedNormal cuts at 2 standard
    # deviations and takes no other limits, so the cut is written out.
    if isinstance(layer, (nn.Conv2D, nn.Linear)) and layer.weight._is_initialized():  # not under LazyGuard
        layer.weight.set_value(paddle.normal(0.0, 0.02, layer.weight.shape).clip(-2.0, 2.0).astype(layer.weight.dtype))
        layer.bias.set_value(paddle.zeros_like(layer.bias))


def init_relu_weights(layer: nn.Layer) -> None:
    """Starts a network of ReLUs: https://arxiv.org/abs/1502.01852 for convolutions, normal of 0.01 for the head."""
    if isinstance(layer, (nn.Conv2D, nn.Linear)) and layer.weight._is_initialized():  # not under LazyGuard
        weight = layer.weight
        fan_out = weight.shape[0] * math.prod(weight.shape[2:])
        std = math.sqrt(2 / fan_out) if isinstance(layer, nn.Conv2D) else 0.01
        weight.set_value(paddle.normal(0.0, std, weight.shape).astype(weight.dtype))
        if layer.bias is not None:
            layer.bias.set_value(paddle.zeros_like(layer.bias))


def scale_head(head: nn.Layer, factor: float) -> None:
    if not isinstance(head, nn.Linear):
        if factor != 1.0:
            raise ValueError("the model has no head; leave head_init_scale out")
    elif head.weight._is_initialized():
        head.weight.set_value(head.weight * factor)
        head.bias.set_value(head.bias * factor)
