"""RepLKNet in PyTorch, as it is trained and merged; line by line the twin of models_paddle/replknet.py.

After replknet.py of https://github.com/DingXiaoH/RepLKNet-pytorch at b76808a: the same names, the same order.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from convert.archs.replknet import FFN_RATIO, RepLKNetSpec
from convert.params import BATCH_NORM_EPS
from models_torch.layers import DropPath, scale_head


class ConvBn(nn.Module):
    """A convolution without bias, a batch norm, and a ReLU where asked for; (N, C, H, W) in and out.

    Args:
        in_dim: channels that come in.
        dim: channels that go out.
        kernel: side of the kernel, odd.
        stride: of the convolution.
        groups: of the convolution.
        relu: whether a ReLU follows the norm.
    """

    def __init__(self, in_dim: int, dim: int, kernel: int, *, stride: int = 1, groups: int = 1, relu: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(in_dim, dim, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(dim, eps=BATCH_NORM_EPS)
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class LargeKernel(nn.Module):
    """A large depthwise convolution, and a small one of which the answer is added; or both merged into one."""

    def __init__(self, dim: int, kernel: int, small_kernel: int, *, merged: bool):
        super().__init__()
        self.merged, self.small_kernel = merged, small_kernel
        if merged:
            self.lkb_reparam = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
            return
        self.lkb_origin = ConvBn(dim, dim, kernel, groups=dim)
        if small_kernel:
            self.small_conv = ConvBn(dim, dim, small_kernel, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.merged:
            return self.lkb_reparam(x)
        y = self.lkb_origin(x)
        return y + self.small_conv(x) if self.small_kernel else y


class LargeKernelBlock(nn.Module):
    """Batch norm, 1x1 convolution, large depthwise convolution, 1x1 convolution, shortcut; (N, C, H, W) in and out."""

    def __init__(self, spec: RepLKNetSpec, stage: int, drop_path: float):
        super().__init__()
        dim, inner_dim = spec.dims[stage], spec.inner_dim(stage)
        self.pw1 = ConvBn(dim, inner_dim, 1, relu=True)
        self.pw2 = ConvBn(inner_dim, dim, 1)
        self.large_kernel = LargeKernel(inner_dim, spec.kernels[stage], spec.small_kernel, merged=spec.merged)
        self.lk_nonlinear = nn.ReLU()
        self.prelkb_bn = nn.BatchNorm2d(dim, eps=BATCH_NORM_EPS)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pw1(self.prelkb_bn(x))
        y = self.lk_nonlinear(self.large_kernel(y))
        return x + self.drop_path(self.pw2(y))


class FeedForwardBlock(nn.Module):
    """Batch norm, two 1x1 convolutions around a GELU, shortcut; (N, C, H, W) in and out."""

    def __init__(self, dim: int, drop_path: float):
        super().__init__()
        self.drop_path = DropPath(drop_path)
        self.preffn_bn = nn.BatchNorm2d(dim, eps=BATCH_NORM_EPS)
        self.pw1 = ConvBn(dim, FFN_RATIO * dim, 1)
        self.pw2 = ConvBn(FFN_RATIO * dim, dim, 1)
        self.nonlinear = nn.GELU(approximate="none")

    def forward(self, x: Tensor) -> Tensor:
        y = self.nonlinear(self.pw1(self.preffn_bn(x)))
        return x + self.drop_path(self.pw2(y))


class Stage(nn.Module):
    """Pairs of a large-kernel block and a feed-forward block; (N, C, H, W) in and out."""

    def __init__(self, spec: RepLKNetSpec, stage: int, rates: list[float]):
        super().__init__()
        self.blocks = nn.Sequential()
        for j, rate in enumerate(rates):
            feed_forward = j % 2 == 1
            block = FeedForwardBlock(spec.dims[stage], rate) if feed_forward else LargeKernelBlock(spec, stage, rate)
            self.blocks.add_module(str(j), block)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class RepLKNet(nn.Module):
    """RepLKNet for training and inference.

    Args:
        spec: the architecture, merged or not.
        drop_path_rate: of the last blocks; the rates grow linearly from 0 over all pairs of blocks.
        layer_scale_init_value: for blocks with a `gamma`, which these have not; it can only be left out.
        head_init_scale: factor on the head's initial weight and bias.

    Raises:
        ValueError: a `layer_scale_init_value` is given.
    """

    def __init__(
        self,
        spec: RepLKNetSpec,
        *,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        head_init_scale: float = 1.0,
    ):
        super().__init__()
        spec.layer_scale_init(layer_scale_init_value)
        dim = spec.dims[0]
        self.stem = nn.Sequential(
            ConvBn(spec.in_chans, dim, 3, stride=2, relu=True),
            ConvBn(dim, dim, 3, groups=dim, relu=True),
            ConvBn(dim, dim, 1, relu=True),
            ConvBn(dim, dim, 3, stride=2, groups=dim, relu=True),
        )
        rates = iter(spec.drop_path_rates(drop_path_rate))
        self.stages = nn.ModuleList()
        for i, depth in enumerate(spec.depths):
            self.stages.append(Stage(spec, i, [next(rates) for _ in range(2 * depth)]))
        self.transitions = nn.ModuleList()
        for dim, next_dim in pairwise(spec.dims):
            widen = ConvBn(dim, next_dim, 1, relu=True)
            shrink = ConvBn(next_dim, next_dim, 3, stride=2, groups=next_dim, relu=True)
            self.transitions.append(nn.Sequential(widen, shrink))
        self.norm = nn.BatchNorm2d(spec.dims[-1], eps=BATCH_NORM_EPS) if spec.last_norm else nn.Identity()
        self.head = nn.Linear(spec.features, spec.num_classes) if spec.num_classes else nn.Identity()
        self.apply(init_weights)
        scale_head(self.head, head_init_scale)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to (N, dims[-1]): the norm on the map first, then the mean over height and width."""
        x = self.stem(x)
        for i, stage in enumerate(self.stages):
            if i:
                x = self.transitions[i - 1](x)
            x = stage(x)
        return self.norm(x).mean([2, 3])

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to logits (N, num_classes), or to features (N, spec.features) without a head."""
        return self.head(self.forward_features(x))


def init_weights(layer: nn.Module) -> None:
    # The authors leave PyTorch's own initialisation: uniform within 1 / sqrt(inputs of one output).
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        fan_in = layer.weight[0].numel()
        bound = 1 / math.sqrt(fan_in)
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.uniform_(layer.bias, -bound, bound)
