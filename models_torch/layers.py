"""The parts that ConvNeXt is made of, in PyTorch; line by line the twin of models_paddle/layers.py.

After the authors' models/convnext.py (https://github.com/facebookresearch/ConvNeXt at 048efce), models/utils.py
(https://github.com/facebookresearch/ConvNeXt-V2 at 2553895), and timm's norms (timm/layers/norm.py at v1.0.31).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from convert.archs.convnext import KERNEL
from convert.archs.spec import Norm


class DropPath(nn.Module):
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
        mask = torch.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype, device=x.device) < keep
        return x * mask.to(x.dtype) / keep


class RmsNorm(nn.Module):
    """x / sqrt(mean(x ** 2) + eps) * weight, over the last axis."""

    def __init__(self, dim: int, *, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full([dim], 1.0))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


class SimpleNorm(nn.Module):
    """x / sqrt(unbiased variance + eps) * weight, over the last axis; the mean is not subtracted from x."""

    def __init__(self, dim: int, *, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full([dim], 1.0))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.var(-1, correction=1, keepdim=True) + self.eps) * self.weight


class LayerNorm2d(nn.LayerNorm):
    """nn.LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.LayerNorm.forward(self, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class RmsNorm2d(RmsNorm):
    """RmsNorm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return RmsNorm.forward(self, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SimpleNorm2d(SimpleNorm):
    """SimpleNorm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return SimpleNorm.forward(self, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS: dict[Norm, type[nn.Module]] = {Norm.LAYER: nn.LayerNorm, Norm.RMS: RmsNorm, Norm.SIMPLE: SimpleNorm}
NORMS_2D: dict[Norm, type[nn.Module]] = {Norm.LAYER: LayerNorm2d, Norm.RMS: RmsNorm2d, Norm.SIMPLE: SimpleNorm2d}


class GlobalResponseNorm(nn.Module):
    """gamma * x * n + beta + x on (N, H, W, C); n: a channel's norm over H and W, by all channels' mean."""

    def __init__(self, dim: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.full([1, 1, 1, dim], 0.0))
        self.beta = nn.Parameter(torch.full([1, 1, 1, dim], 0.0))

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        return self.gamma * (x * (norm / (norm.mean(-1, keepdim=True) + 1e-6))) + self.beta + x


class Block(nn.Module):
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
            self.gamma = nn.Parameter(torch.full([dim], float(layer_scale_init_value)))
        self.layer_scale = layer_scale_init_value is not None
        self.dwconv = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = NORMS[norm](dim, eps=eps)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.gelu = nn.GELU(approximate="tanh" if gelu_tanh else "none")
        self.grn = GlobalResponseNorm(4 * dim) if grn else nn.Identity()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dwconv(x).permute(0, 2, 3, 1)  # (N, H, W, C)
        y = self.grn(self.gelu(self.pwconv1(self.norm(y))))
        y = self.pwconv2(y)
        if self.layer_scale:
            y = self.gamma * y
        return x + self.drop_path(y.permute(0, 3, 1, 2))  # (N, C, H, W)


def init_weights(layer: nn.Module) -> None:
    # The authors cut at -2 and 2, which is 100 standard deviations.
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(layer.weight, std=0.02, a=-2.0, b=2.0)
        nn.init.zeros_(layer.bias)


def init_relu_weights(layer: nn.Module) -> None:
    """Starts a network of ReLUs: https://arxiv.org/abs/1502.01852 for convolutions, normal of 0.01 for the head."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        weight = layer.weight
        fan_out = weight.shape[0] * math.prod(weight.shape[2:])
        std = math.sqrt(2 / fan_out) if isinstance(layer, nn.Conv2d) else 0.01
        nn.init.normal_(weight, std=std)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def scale_head(head: nn.Module, factor: float) -> None:
    if not isinstance(head, nn.Linear):
        if factor != 1.0:
            raise ValueError("the model has no head; leave head_init_scale out")
        return
    with torch.no_grad():
        head.weight.mul_(factor)
        head.bias.mul_(factor)
