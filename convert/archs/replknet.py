"""RepLKNet: depthwise convolutions of up to 31 x 31, a small one beside each, which can be merged into it.

Sections 3 and 4 of https://arxiv.org/abs/2203.06717; replknet.py of https://github.com/DingXiaoH/RepLKNet-pytorch at
b76808a, whose names and order these are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from convert.archs.spec import Made, Merging
from convert.archs.staged import StagedSpec
from convert.params import Param, Row, Shape, batch_norm, linear

if TYPE_CHECKING:
    from convert.arrays import Array

FFN_RATIO = 4  # width of a feed-forward block's inside, in channels of the stage
MERGED_KEY = ".large_kernel.lkb_reparam.weight"  # ends a key that no unmerged network has
STATISTICS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, kw_only=True)
class RepLKNetSpec(StagedSpec):
    """One variant of RepLKNet, as it is trained or merged.

    A stage of depth n is n pairs of blocks: a large-kernel block and a feed-forward block.

    Attributes:
        kernels: side of each stage's large convolutions, odd.
        small_kernel: side of the convolution beside each large one, odd; 0 for a network without.
        dw_ratio: channels of the large convolutions, in channels of the stage.
        merged: whether each large kernel, the small one beside it and both batch norms are one convolution with bias.
        eps: of every batch norm, added to the variance.
    """

    stem_key: ClassVar[str] = "stem.0.conv.weight"

    kernels: tuple[int, ...]
    small_kernel: int = 5
    dw_ratio: float = 1.0
    merged: bool = False
    eps: float = 1e-5

    @property
    def block_names(self) -> tuple[str, ...]:
        return tuple(f"stages.{i}.blocks.{j}" for i, depth in enumerate(self.depths) for j in range(2 * depth))

    @property
    def form(self) -> str:
        return "merged" if self.merged else ""

    def fitted_to(self, shapes: Mapping[str, Shape]) -> RepLKNetSpec:
        return replace(super().fitted_to(shapes), merged=any(name.endswith(MERGED_KEY) for name in shapes))

    def drop_path_rates(self, last: float) -> list[float]:
        """Stochastic depth's rate for each block, which both of a pair share."""
        pairs = sum(self.depths)
        return [last * i / max(pairs - 1, 1) for i in range(pairs) for _ in range(2)]

    def inner_dim(self, stage: int) -> int:
        """Channels of that stage's large convolutions."""
        return int(self.dims[stage] * self.dw_ratio)

    def rows(self) -> Iterator[Row]:
        yield from self._stem()
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                yield from self._large_kernel_block(f"stages.{i}.blocks.{2 * j}", i)
                yield from self._feed_forward_block(f"stages.{i}.blocks.{2 * j + 1}", self.dims[i])
        for i, (dim, next_dim) in enumerate(pairwise(self.dims)):
            yield from conv_bn(f"transitions.{i}.0", out=next_dim, in_per_group=dim, kernel=1)
            yield from conv_bn(f"transitions.{i}.1", out=next_dim, in_per_group=1, kernel=3)
        if self.last_norm:
            yield from batch_norm("norm", self.dims[-1])
        if self.num_classes:
            yield from linear("head", out=self.num_classes, in_=self.dims[-1])

    def merging(self) -> Merging | None:
        """What makes one convolution of each large one, the small one beside it and their batch norms."""
        if self.merged:
            return None
        made: dict[str, Made] = {}
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                made |= self._made(f"stages.{i}.blocks.{2 * j}.large_kernel")
        return Merging(replace(self, merged=True), made)

    def _made(self, name: str) -> dict[str, Made]:
        branches = [f"{name}.lkb_origin", *([f"{name}.small_conv"] if self.small_kernel else [])]
        kernels = [f"{branch}.{part}" for branch in branches for part in ("conv.weight", "bn.weight", "bn.running_var")]
        shifts = [f"{branch}.bn.{part}" for branch in branches for part in STATISTICS]
        return {
            f"{name}.lkb_reparam.weight": Made(tuple(kernels), partial(merged_kernel, self.eps)),
            f"{name}.lkb_reparam.bias": Made(tuple(shifts), partial(merged_bias, self.eps)),
        }

    def _stem(self) -> Iterator[Row]:
        dim = self.dims[0]
        yield from conv_bn("stem.0", out=dim, in_per_group=self.in_chans, kernel=3)
        yield from conv_bn("stem.1", out=dim, in_per_group=1, kernel=3)
        yield from conv_bn("stem.2", out=dim, in_per_group=dim, kernel=1)
        yield from conv_bn("stem.3", out=dim, in_per_group=1, kernel=3)

    def _large_kernel_block(self, name: str, stage: int) -> Iterator[Row]:
        dim, inner, kernel = self.dims[stage], self.inner_dim(stage), self.kernels[stage]
        yield from conv_bn(f"{name}.pw1", out=inner, in_per_group=dim, kernel=1)
        yield from conv_bn(f"{name}.pw2", out=dim, in_per_group=inner, kernel=1)
        if self.merged:
            yield Param(f"{name}.large_kernel.lkb_reparam.weight", (inner, 1, kernel, kernel))
            yield Param(f"{name}.large_kernel.lkb_reparam.bias", (inner,))
        else:
            yield from conv_bn(f"{name}.large_kernel.lkb_origin", out=inner, in_per_group=1, kernel=kernel)
            if self.small_kernel:
                side = self.small_kernel
                yield from conv_bn(f"{name}.large_kernel.small_conv", out=inner, in_per_group=1, kernel=side)
        yield from batch_norm(f"{name}.prelkb_bn", dim)

    def _feed_forward_block(self, name: str, dim: int) -> Iterator[Row]:
        yield from batch_norm(f"{name}.preffn_bn", dim)
        yield from conv_bn(f"{name}.pw1", out=FFN_RATIO * dim, in_per_group=dim, kernel=1)
        yield from conv_bn(f"{name}.pw2", out=dim, in_per_group=FFN_RATIO * dim, kernel=1)


def conv_bn(name: str, *, out: int, in_per_group: int, kernel: int) -> Iterator[Row]:
    """Rows of a convolution without bias and the batch norm after it."""
    yield Param(f"{name}.conv.weight", (out, in_per_group, kernel, kernel))
    yield from batch_norm(f"{name}.bn", out)


def merged_kernel(eps: float, *parts: Array) -> Array:
    """The kernel of one convolution that gives what a large one and a small one, each with its norm, give together.

    Args:
        eps: of the norms.
        parts: kernel (C, 1, K, K), scale and variance (C,) of the large branch, then of the small one, if any.

    Returns:
        (C, 1, K, K): each kernel times scale / sqrt(variance + eps), the small one added at the centre.
    """
    large, scale, variance, *beside = parts
    kernel = large * _factor(eps, scale, variance)[:, None, None, None]
    if beside:
        small, scale, variance = beside
        margin = (large.shape[2] - small.shape[2]) // 2
        inside = slice(margin, margin + small.shape[2])
        kernel[:, :, inside, inside] += small * _factor(eps, scale, variance)[:, None, None, None]
    return kernel


def merged_bias(eps: float, *parts: Array) -> Array:
    """The bias of that convolution: the sum over the branches of shift - mean * scale / sqrt(variance + eps).

    Args:
        eps: of the norms.
        parts: scale, shift, mean and variance (C,) of each branch.
    """
    branches = [parts[start : start + len(STATISTICS)] for start in range(0, len(parts), len(STATISTICS))]
    shifts = [shift - mean * _factor(eps, scale, variance) for scale, shift, mean, variance in branches]
    bias: Array = sum(shifts[1:], start=shifts[0])
    return bias


def _factor(eps: float, scale: Array, variance: Array) -> Array:
    factor: Array = scale / (variance + eps) ** 0.5
    return factor


DEPTHS = (2, 2, 18, 2)

VARIANTS = (
    RepLKNetSpec(name="replknet_31b", depths=DEPTHS, dims=(128, 256, 512, 1024), kernels=(31, 29, 27, 13)),
    RepLKNetSpec(name="replknet_31l", depths=DEPTHS, dims=(192, 384, 768, 1536), kernels=(31, 29, 27, 13)),
    RepLKNetSpec(
        name="replknet_xl",
        depths=DEPTHS,
        dims=(256, 512, 1024, 2048),
        kernels=(27, 27, 27, 13),
        small_kernel=0,
        dw_ratio=1.5,
    ),
)
